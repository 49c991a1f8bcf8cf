"""The checks of arriving mail, asked through tests/authentic/oracle.rs."""

import json
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
