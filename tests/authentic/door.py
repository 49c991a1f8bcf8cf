"""The checks of arriving mail, asked through tests/authentic/ask.rs."""

import json
import os
import subprocess


class Door:
    """One process, asked line by line."""

    def __init__(self):
        self.process = subprocess.Popen([os.environ["AUTHENTIC_ASK"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, message, dns=None, now=None):
        """Checks a message; `dns` is {name: [text, ...]}, None keeps what was given last."""
        asked = {"bytes": len(message), "now": now}
        if dns is not None:
            asked["dns"] = {name: {"TXT": texts} for name, texts in dns.items()}
        self.process.stdin.write(json.dumps(asked).encode() + b"\n" + message)
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Tally:
    """Counts, and shows what failed."""

    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, right, what):
        if right:
            self.passed += 1
        else:
            self.failed += 1
            if self.failed <= 20:
                print("FAILED:", what)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        raise SystemExit(1 if self.failed else 0)


def testdata(*path):
    """A file of the shared test data; None where there is none, which is a failure under CI."""
    here = os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "testdata")
    found = os.path.join(os.environ.get("PILLARBOX_TESTDATA", here), *path)
    if os.path.exists(found):
        return found
    if os.environ.get("CI"):
        raise SystemExit(f"{found} is missing")
    print(f"skipped: {found} is missing")
    return None
