"""The checks of arriving mail, asked through tests/authentic/oracle.rs."""

import json
import os
import subprocess


class Door:
    """One process, asked line by line."""

    def __init__(self, oracle):
        self.process = subprocess.Popen([oracle], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, message, records, now=None):
        """DKIM and ARC of a message; `records` is {name: text}."""
        zone = {name: [{"TXT": text}] for name, text in records.items()}
        asked = {"check": "signatures", "zone": zone, "now": now, "message": message.decode("latin-1")}
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
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
    """A file of the shared test data; without it a line says so, and under CI it is a failure."""
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "testdata")
    found = os.path.join(os.environ.get("PILLARBOX_TESTDATA", beside), *path)
    if not os.path.exists(found):
        told = f"no {found}; PILLARBOX_TESTDATA names the folder of test data"
        if os.environ.get("CI"):
            raise SystemExit(told)
        print(told)
        return None
    return found
