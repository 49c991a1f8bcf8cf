"""The ARC validation suite: every case through our door."""

import yaml

from door import Door, Tally, testdata


def main():
    tally, door = Tally(), Door()
    path = testdata("arc", "validate.yml")
    groups = list(yaml.safe_load_all(open(path, encoding="utf-8"))) if path else []
    for group in groups:
        dns = {name: [text] for name, text in group["txt-records"].items()}
        for name, case in group["tests"].items():
            message = case["message"].replace("\r\n", "\n").replace("\n", "\r\n").encode()
            told = door.ask(message, dns)["arc"]
            # An empty cv= says that the last sealer has found the chain broken.
            expected = (case["cv"] or "fail").lower()
            tally.expect(told["outcome"] == expected, f"{name}: {expected} expected, {told}")
            tally.expect((told["sets"] > 0) == (expected != "none"), f"{name}: {told['sets']} sets")
    tally.end()


main()
