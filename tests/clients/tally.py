"""Counting what passed. Each script ends with `N passed, N failed` and exits non-zero when something failed."""
import os, sys, time, traceback


class Tally:
    def __init__(self, name, box=None):
        self.name, self.box, self.passed, self.failed, self.begun = name, box, 0, 0, time.monotonic()

    def check(self, good, what, detail=""):
        """One expectation. Returns whether it held."""
        if good:
            self.passed += 1
            print(f"ok    {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {what}" + (f": {detail}" if detail not in ("", None) else ""), flush=True)
        return bool(good)

    def attempt(self, what, act, *arguments, **named):
        """Run something whose exceptions are failures; its result (True, None) or a word is printed."""
        try:
            result = act(*arguments, **named)
        except Exception as error:  # any trouble of a client is a finding, and the next check must still run
            where = traceback.extract_tb(error.__traceback__)[-1]
            return self.check(False, what, f"{type(error).__name__}: {error} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})")
        return self.check(result is None or result is True or isinstance(result, str), what + (f" ({result})" if isinstance(result, str) else ""), result)

    def end(self):
        """Print the last line and leave."""
        if self.failed and self.box and not self.box.standing:
            print("--- end of the server's log\n" + self.box.tail())
        inner = "  " if os.environ.get("PILLARBOX_TALLY") == "inner" else ""  # the runner above counts scripts, not checks
        print(f"{self.name}: {time.monotonic() - self.begun:.0f} s\n{inner}{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed else 0)


def same(got, expected, what="answer"):
    """Raise unless equal, showing the first difference only (messages are other people's: never print them whole)."""
    if got == expected:
        return True
    if isinstance(got, (bytes, bytearray)) and isinstance(expected, (bytes, bytearray)):
        at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
        raise AssertionError(f"{what}: differs at octet {at}, {len(got)} octets instead of {len(expected)}: got {got[at:at + 24]!r}, expected {expected[at:at + 24]!r}")
    raise AssertionError(f"{what}: got {got!r}, expected {expected!r}")
