"""Reads cases/*.case and holds answers against them. The form of a case file is told at the head of cases/signed.case."""
import pathlib, re

HERE = pathlib.Path(__file__).resolve().parent
TROUBLES = ("bogus", "timeout", "server-failure", "too-much-work", "unreachable", "busy")
OPTIONS = ("root", "anchors", "ipv6", "forward", "authorities", "clock")
CONDITION = re.compile(r"^(asked|ttl|cpu)(?:\(([^)]*)\))?(<=|>=|=)(\d+)$|^(why)~(.+)$")


class Line:
    """One question (or `times` equal ones at once) and what must come of it."""

    def __init__(self, text, where):
        self.text, self.where = text, where
        fields = [f.strip() for f in text.split(";")]
        if len(fields) not in (2, 3, 4):
            raise ValueError(f"{where}: QUESTION ; OUTCOME ; SECURITY ; CONDITIONS")
        match = re.match(r"^(?:(\d+) x )?(\S+ [A-Z]+)$", fields[0])
        if not match:
            raise ValueError(f"{where}: not a question: {fields[0]}")
        self.times, self.question = int(match.group(1) or 1), match.group(2)
        self.outcomes = fields[1].split(" or ")
        self.security = fields[2] if len(fields) > 2 and fields[2] != "-" else None
        self.conditions = [self.condition(word) for word in (fields[3].split() if len(fields) > 3 else [])]

    def condition(self, word):
        match = CONDITION.match(word)
        if not match:
            raise ValueError(f"{self.where}: not a condition: {word}")
        what, of, sign, number, why, needle = match.groups()
        return ("why", None, "~", needle) if why else (what, of, sign, int(number))

    def counts(self):
        return any(what in ("asked", "cpu") for what, *_ in self.conditions)

    def faults(self, answer, asked, cpu_ratio):
        """What is wrong with an answer; `asked` counts questions by a name or `name/KIND` or `@server`."""
        if not any(fits(outcome, answer) for outcome in self.outcomes):
            yield f"expected {' or '.join(self.outcomes)}"
        if self.security and answer.security != self.security:
            yield f"expected {self.security}"
        for what, of, sign, number in self.conditions:
            if what == "why":
                if number.lower() not in answer.detail.lower().replace(" ", "_"):
                    yield f"no word of {number}"
                continue
            seen = asked(of) if what == "asked" else answer.ttl if what == "ttl" else cpu_ratio()
            if not {"<=": seen <= number, ">=": seen >= number, "=": seen == number}[sign]:
                yield f"{what}{'(' + of + ')' if of else ''} is {seen:g}, expected {sign}{number}"


def fits(outcome, answer):
    if outcome == "trouble":
        return answer.outcome in TROUBLES
    if outcome in TROUBLES or outcome in ("NODATA", "NXDOMAIN"):
        return answer.outcome == outcome
    return answer.outcome == "records" and answer.detail == outcome


class Block:
    def __init__(self, title, options, where):
        self.title, self.options, self.where, self.lines = title, options, where, []

    def counts(self):
        return any(line.counts() for line in self.lines)


def read(names):
    """All blocks of the files named, or of all files."""
    files = [HERE / "cases" / f"{n}.case" for n in names] or sorted((HERE / "cases").glob("*.case"))
    blocks = []
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            where, line = f"{file.stem}:{number}", line.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("["):
                title, _, rest = line[1:].partition("]")
                options = dict(word.split("=", 1) for word in rest.split())
                if set(options) - set(OPTIONS):
                    raise ValueError(f"{where}: unknown option in {rest}")
                blocks.append(Block(title, options, where))
            else:
                blocks[-1].lines.append(Line(line, where))
    return blocks
