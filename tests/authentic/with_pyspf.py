#!/usr/bin/env python3
"""with_pyspf.py ORACLE: the same results as pyspf on records, zones and clients made by dice (SPF_CASES, SPF_SEED).

Where the two differ, the difference has a name and a reason in REASONS, and the case must come out alike when pyspf is
led past it; anything else is a failure.
"""
import ipaddress, itertools, json, os, random, re, subprocess, sys
import spf

CASES = int(os.environ.get("SPF_CASES", "5000"))
SEED = int(os.environ.get("SPF_SEED", "1"))
V4 = ["192.0.2.1", "192.0.2.77", "198.51.100.9"]
V6 = ["2001:db8::1", "2001:db8:1::77"]
NAMES = ["a.test", "b.test", "c.test", "d.a.test", "mx.a.test", "n0.b.test", "n1.b.test", "e.test", "xn--bcher-kva.test"]


class Dice(random.Random):
    def maybe(self, share):
        return self.random() < share


def macro(dice):
    letter = dice.choice("slodiphvSLOD" + ("crtx" if dice.maybe(0.02) else ""))
    digits = dice.choice(["", "", "1", "2", "3", "9"] + (["0"] if dice.maybe(0.02) else []))
    return "%{" + letter + digits + dice.choice(["", "r", "r", "r", "R"]) + dice.choice(["", "", "-", "+-", ".", "="]) + "}"


def target(dice):
    kind = dice.randrange(12) if not dice.maybe(0.02) else 12
    if kind < 7:
        return dice.choice(NAMES) + dice.choice(["", "", "", "."])
    if kind < 9:
        return macro(dice) + dice.choice([".a.test", ".b.test", ""])
    if kind == 9:
        return dice.choice(["gone.test", "late.test", "gone.a.test"] + NAMES)
    if kind == 10:
        return dice.choice(["%{d}", "%{d2}", "%{o}", "x%%y.a.test", "x%_y.a.test", "%-.a.test"])
    if kind == 11:
        return dice.choice(["n%{d1}.b.test", "%{ir}.%{v}.arpa", "%{p}.a.test", "%{h}"])
    return dice.choice(["", "test", "a..test", "a.-b", "1.2.3.4", "a.test:25", "%", "%x.test", "a" * 64 + ".test", "a.123", "a_b.test"])


def bits(dice):
    four = dice.choice(["", "", "", "/24", "/32", "/0", "/8"]) if not dice.maybe(0.01) else dice.choice(["/33", "/024", "/", "/x"])
    six = dice.choice(["", "", "", "//64", "//128", "//0"]) if not dice.maybe(0.01) else dice.choice(["//129", "//", "/64"])
    return four + six


def term(dice, deep):
    sign = dice.choice(["", "", "+", "-", "~", "?"])
    kind = dice.randrange(14 if deep else 10)
    if kind < 2:
        return sign + "ip4:" + (dice.choice(V4) if dice.maybe(0.98) else dice.choice(["1.2.3", "1.2.3.04", "x"])) + dice.choice(["", "/24", "/30", "/16"] + (["/33", "//8", "/"] if dice.maybe(0.03) else []))
    if kind < 4:
        return sign + "ip6:" + (dice.choice(V6) if dice.maybe(0.98) else dice.choice(["::1.2.3.4", ":1", "::ffff:192.0.2.1"])) + dice.choice(["", "/48", "/64"] + (["/129"] if dice.maybe(0.03) else []))
    if kind < 6:
        return sign + dice.choice(["a", "A", "mx"]) + (":" + target(dice) if dice.maybe(0.6) else "") + bits(dice)
    if kind == 6:
        return sign + "ptr" + (":" + target(dice) if dice.maybe(0.5) else "")
    if kind == 7:
        return sign + "exists:" + target(dice)
    if kind == 8:
        return sign + dice.choice(["all", "ALL", "all"]) if not dice.maybe(0.02) else sign + dice.choice(["all.", "all:a.test", "moo", "ip:1.2.3.4"])
    if kind == 9:
        return dice.choice(["x=y", "x.1-_=%{d}", "exp=" + target(dice), "exp=why.test"] + (["1x=y", "=x", "x=%z", "exp="] if dice.maybe(0.03) else []))
    if kind < 13:
        return sign + dice.choice(["include:", "Include:"]) + target(dice)
    return "redirect=" + target(dice)


def record(dice):
    terms = [term(dice, True) for _ in range(dice.choice([0, 1, 2, 2, 3, 3, 3, 4, 5, 12]))]
    if dice.maybe(0.5):
        terms.append(dice.choice(["-all", "~all", "?all", "redirect=" + dice.choice(NAMES)]))
    version = dice.choice(["v=spf1"] * 20 + ["V=SPF1", "v=spf10"])
    return dice.choice([" ", " ", " ", "  "]).join([version] + terms) + dice.choice(["", "", " "])


def zone_of(dice):
    zone = {}
    for name in NAMES:
        if dice.maybe(0.04):
            continue
        entries = []
        if dice.maybe(0.95):
            entries.append({"TXT": record(dice)})
        if dice.maybe(0.02):
            entries.append({"TXT": record(dice)})
        if dice.maybe(0.2):
            entries.append({"TXT": "some other text"})
        for address in dice.sample(V4, dice.choice([0, 1, 1, 2])):
            entries.append({"A": address})
        for address in dice.sample(V6, dice.choice([0, 0, 1])):
            entries.append({"AAAA": address})
        for n in range(dice.choice([0, 0, 1, 2, 3] + ([10, 11] if dice.maybe(0.1) else []))):
            entries.append({"MX": [n, dice.choice(NAMES + ["gone.test"])]})
        zone[name] = entries or ["NOTHING"]
    zone["late.test"] = ["TIMEOUT"]
    zone["why.test"] = [{"TXT": dice.choice(["Because of %{i}", "%{s} via %{h} at %{r} of %{d}, not %{o} %{l-}", "%{c} %{v} %{p}", "50%% of%_all%-x", "bad %{y}", "%{LR} %{S}"])}]
    if dice.maybe(0.05):
        zone["why.test"].append({"TXT": "two"})
    for address in V4 + V6:
        if dice.maybe(0.7):
            reverse = ipaddress.ip_address(address).reverse_pointer
            zone[reverse] = [{"PTR": name} for name in dice.sample(NAMES + ["gone.test"], dice.choice([1, 1, 2, 3]))] if dice.maybe(0.95) else ["TIMEOUT"]
    return zone


def make(dice):
    client = dice.choice(V4 + V4 + V6) if dice.maybe(0.95) else "::ffff:192.0.2.1"
    local = dice.choice(["x", "strong-bad", "a.b+c=d", "Anna", "two words", ""])
    return {
        "check": "spf", "zone": zone_of(dice), "client": client,
        "helo": dice.choice(["mx.a.test", "a.test", "n0.b.test", "mx.a.test", "word", "[192.0.2.1]"]),
        "sender": f"{local}@{dice.choice(NAMES[:4])}" if dice.maybe(0.9) else "",
    }


def lookup_in(zone):
    """What pyspf asks instead of the DNS."""
    def lookup(name, qtype, strict=True, timeout=None):
        entries = zone.get(name.lower().rstrip("."), [])
        found = [e[qtype] for e in entries if isinstance(e, dict) and qtype in e]
        if not found and "TIMEOUT" in entries:
            raise spf.TempError("DNS timeout")
        value = {"TXT": lambda t: (t.encode("latin-1"),), "MX": lambda m: tuple(m), "AAAA": lambda a: a if bytes is not str else a}.get(qtype, lambda v: v)
        return [((name, qtype), value(v)) for v in found]
    return lookup


class Query(spf.query):
    """pyspf's evaluation, led past what it does in its own way."""
    def __init__(self, case, past):
        sender = "postmaster" + case["sender"] if case["sender"].startswith("@") and "no local part" in past else case["sender"]
        super().__init__(i=case["client"], s=sender, h=case["helo"], receiver="box.test", strict=True, querytime=0)
        self.t, self.past = "0", past

    def dns(self, *args, **kwargs):
        if "void questions" in self.past:
            kwargs["ignore_void"] = True
        return super().dns(*args, **kwargs)

    def validate_mechanism(self, mech):
        try:
            return super().validate_mechanism(mech)
        except spf.PermError as error:
            if "trivial recursion" not in str(error) or "self-inclusion" not in self.past:
                raise
            return mech, "include", "loop.test", 32, spf.RESULTS.get(mech[0], "pass")


def texts(change):
    """A way past a difference: the same zone with other texts."""
    def led(zone):
        entry = lambda e: {"TXT": change(e["TXT"])} if isinstance(e, dict) and "TXT" in e else e
        return {name: [entry(e) for e in entries] for name, entries in zone.items()}
    return led


def without_repeats(text):
    seen = set()
    once = lambda word: not re.match(r"(?i)(x|x\.1-_)=", word) or not (word in seen or seen.add(word))
    return " ".join(word for word in text.split(" ") if once(word))


def silent_reverse(zone):
    return {name: [] if name.endswith(".arpa") and entries == ["TIMEOUT"] else entries for name, entries in zone.items()}


# Name of a difference: why ours is right, and the zone that leads pyspf past it.
REASONS = {
    "void questions": ("section 4.6.4 counts terms that were told that there is nothing; pyspf counts every question, of each mail exchanger and of each name of the client", lambda zone: zone),
    "self-inclusion": ("a record that includes itself is an error when that is reached (section 4.6); pyspf refuses it unread", lambda zone: zone),
    "unread lookups": ("terms count when they are evaluated (section 4.6.4); pyspf counts those behind the match and an unused redirect too", lambda zone: zone),
    "no local part": ("%{S} is postmaster@ the domain (section 4.3); pyspf forgets the name there", lambda zone: zone),
    "joined by the delimiter": ("the parts of every macro are joined by dots (section 7.3); pyspf does so for %{l} and %{s} alone", lambda zone: zone),
    "cut explanation": ("names of more than 253 octets are cut (section 7.3); pyspf does it to explanations too", lambda zone: zone),
    "repeated modifier": ("unknown modifiers are ignored however often they stand (section 6)", texts(without_repeats)),
    "upper-case R": ("texts of the grammar have no case (RFC 5234 section 2.3); pyspf drops the transformer", texts(lambda t: re.sub(r"(%\{[A-Za-z][0-9]*)R", r"\1r", t))),
    "no part": ("a macro that keeps 0 parts is an error (section 7.3); pyspf takes it", texts(lambda t: re.sub(r"%\{[A-Za-z]0[^}]*\}", "%z", t))),
    "client's names": ("trouble with the PTR question is no match (section 5.5); pyspf says temperror", silent_reverse),
}


def pyspf(case, past=()):
    zone = case["zone"]
    for name in past:
        zone = REASONS[name][1](zone)
    spf.JOINERS = {letter: "." for letter in ("slodiphcrtv" if "joined by the delimiter" in past else "ls")}
    spf.MAX_LOOKUP = 1000 if "unread lookups" in past else 10
    spf.DNSLookup = lookup_in({**zone, "loop.test": [{"TXT": "v=spf1 include:pool.test"}], "pool.test": [{"TXT": "v=spf1 include:loop.test"}]})
    query = Query(case, past)
    result, _, explanation = query.check()
    return result, explanation if result == "fail" and explanation != spf.EXPLANATIONS["fail"] else None, getattr(query, "prob", "") or ""


def compare(case, ours):
    """None when both agree, else (the fewest differences that explain it or None, what pyspf said)."""
    def same(theirs, past=()):
        explanation = ours["explanation"]
        if "cut explanation" in past and explanation and len(explanation) > 253:
            explanation = explanation[explanation.find(".") + 1:]
        return theirs[:2] == (ours["outcome"], explanation)

    theirs = pyspf(case)
    if same(theirs):
        return None
    for size in range(1, len(REASONS) + 1):
        for past in itertools.combinations(REASONS, size):
            if same(pyspf(case, past), past):
                return past, theirs
    return None, theirs


def main():
    dice = Dice(SEED)
    cases = [make(dice) for _ in range(CASES)]
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    answers = subprocess.run([sys.argv[1]], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    results, reasons, failed = {}, {}, 0
    for number, (case, answer) in enumerate(zip(cases, answers, strict=True)):
        ours = json.loads(answer)
        results[ours["outcome"]] = results.get(ours["outcome"], 0) + 1
        differs = compare(case, ours)
        if differs and differs[0]:
            for name in differs[0]:
                reasons[name] = reasons.get(name, 0) + 1
        elif differs:
            failed += 1
            if failed <= 5:
                print(f"case {number}: ours {ours}, pyspf {differs[1]}\n  {json.dumps(case)}")
    print("outcomes: " + ", ".join(f"{n} {outcome}" for outcome, n in sorted(results.items())))
    for name, count in sorted(reasons.items()):
        print(f"{count} differ, {name}: {REASONS[name][0]}")
    print(f"{CASES - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
