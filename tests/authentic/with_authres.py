#!/usr/bin/env python3
"""with_authres.py ORACLE: Authentication-Results beside authres, with cases made by dice (RESULTS_CASES, RESULTS_SEED).

Written: whatever values a peer sends, authres finds the results that we meant and no other. Read: what authres
understands we understand as the same. Claimed: a field that authres takes for ours is found. Where authres is known to
do otherwise the difference has a name in REASONS; anything else is a failure.
"""
import json, os, random, re, subprocess, sys
import authres

CASES = int(os.environ.get("RESULTS_CASES", "4000"))
SEED = int(os.environ.get("RESULTS_SEED", "1"))
VALUE_BYTES_MAX = 128 + 1 + 255
REASONS = {
    "quoted in the middle": "authres reads a quoted value only where it is the last of its result",
    "blanks around comments": "authres passes over one run of blanks, not over blanks on both sides of a comment",
    "escapes": "authres leaves the backslashes of a quoted string where they are",
}
EVIL = ["; dmarc=pass", "\r\nX-Evil: 1", "\r\n\r\n", '"', "\\", "(", ")", " ", "=", ";", "\0", "\t", "\u00e4", "/", "@", "<", ">", ",", "[::1]",
        "a", "b.test", "none", "reason=", "header.d=", "%0d%0a", "=?utf-8?q?x?=", ".", "..", "x" * 100, "y" * 384, "box.test"]


def evil(dice):
    return "".join(dice.choice(EVIL) for _ in range(dice.choice([0, 1, 1, 2, 3, 5])))


def word(dice):
    return dice.choice(["example.org", "s1", "@example.org", "anna@example.org", "rsa-sha256", "ab/cd+e=", "2001:db8::1", evil(dice)])


def writing(dice):
    keys = ["helo reason", "mailfrom reason", "header.d", "header.s", "header.i", "header.a", "header.b", "dkim reason", "arc reason", "dmarc reason"]
    values = {key: evil(dice) if dice.random() < 0.4 else word(dice) for key in keys}
    values["header.from"] = dice.choice(["example.org", "b\u00fccher.example"])
    sender = dice.choice(["anna@example.org", "", '"a; dmarc=pass ("@example.org', "j\u00f6rg@example.org", '"a\\\"b"@example.org'])
    return {"check": "write", "helo": word(dice), "sender": sender, "client": dice.choice(["192.0.2.1", "2001:db8::1"]), "values": values}


def said(value):
    """Whether a value is written at all."""
    return 1 <= len(value.encode()) <= VALUE_BYTES_MAX and all(" " <= c <= "~" for c in value)


def plain(value):
    """Whether it is written without quotes."""
    atoms = lambda text, more: text and all(re.fullmatch(r"[A-Za-z0-9" + more + "-]+", atom) for atom in text.split("."))
    local, at, domain = value.partition("@")
    return bool(re.fullmatch(r"[A-Za-z0-9_.+-]+", value) or (at and (not local or atoms(local, "_+")) and atoms(domain, "")))


def meant(case):
    """The results in order: method, result, reason, properties."""
    values, sender = case["values"], case["sender"]
    mailfrom = sender if sender.isascii() else sender.split("@")[1]
    if sender:
        first = [("spf", "permerror", values["mailfrom reason"], [("smtp.mailfrom", mailfrom)]),
                 ("spf", "permerror", values["helo reason"], [("smtp.helo", case["helo"])])]
    else:
        first = [("spf", "permerror", values["mailfrom reason"], [("smtp.helo", case["helo"])])]
    dkim = [(key, values[key]) for key in ["header.d", "header.i", "header.s", "header.a", "header.b"]]
    author = values["header.from"].encode("idna").decode()
    return [("iprev", "pass", "", [("policy.iprev", case["client"])])] + first + [
        ("dkim", "fail", values["dkim reason"], dkim),
        ("arc", "fail", values["arc reason"], [("smtp.remote-ip", case["client"])]),
        ("dmarc", "fail", values["dmarc reason"], [("header.from", author), ("policy.dmarc", "reject")]),
    ]


def understood(text, reasons):
    """What authres makes of a field."""
    header = authres.parse(re.sub(r"\r\n(?=[ \t])", "", text).rstrip("\r\n"))
    def unescaped(value):
        if value and "\\" in value:
            reasons.add("escapes")
            return re.sub(r"\\(.)", r"\1", value)
        return value
    return header, [(r.method, r.result, unescaped(r.reason), [(f"{p.type}.{p.name}", unescaped(p.value) or "") for p in r.properties]) for r in header.results]


def check_written(case, answer, reasons):
    text = answer["fields"]
    if any(len(line) > 998 for line in text.split("\r\n")) or not text.isascii():
        return "a line too long, or not ASCII"
    fields = re.split(r"\r\n(?![ \t])", text)[:-1]
    names = [field.split(":")[0] for field in fields]
    if names not in (["Received-SPF", "Authentication-Results"], ["Received-SPF", "Received-SPF", "Authentication-Results"]):
        return f"fields {names}"
    header, results = understood(fields[-1], reasons)
    expected = []
    for method, result, reason, properties in meant(case):
        kept = [(name, value) for name, value in properties if said(value)]
        visible = [pair for n, pair in enumerate(kept) if plain(pair[1]) or n + 1 == len(kept)]
        if visible != kept:
            reasons.add("quoted in the middle")
        expected.append((method, result, reason if said(reason) else None, visible))
    if header.authserv_id != "box.test":
        return f"the name is {header.authserv_id}"
    return None if results == expected else f"authres finds {results}, meant is {expected}"


def blank(dice, least=""):
    return dice.choice([least] * 5 + [" ", "  ", "\r\n ", "\t", " (a comment) ", "(a (nested\\)) one)", " (x)\r\n\t(y) "]) or least


def pvalue(dice, last):
    bare = dice.choice(["example.org", "@example.org", "a.b@example.org", "192.0.2.1", "x_y-z", "1362471462"])
    return dice.choice([bare, bare, '"a quoted; one"', '"with \\"escapes\\\\"']) if last else bare


def reading(dice):
    name = dice.choice(["box.test", "BOX.Test", "mx.other.test", "notbox.test", "other.test"])
    text = blank(dice, " ") + name + blank(dice) + dice.choice(["", "", "", " 1"]) + blank(dice)
    results = dice.choice([0, 1, 1, 2, 3])
    for _ in range(results):
        text += ";" + blank(dice, " ") + dice.choice(["spf", "dkim", "dmarc", "X-Odd", "DKIM"]) + dice.choice(["", "", "/1", " / 1 "])
        text += blank(dice) + "=" + blank(dice) + dice.choice(["pass", "fail", "Neutral", "temperror"])
        if dice.random() < 0.3:
            text += blank(dice, " ") + "reason" + blank(dice) + "=" + blank(dice) + dice.choice(["word", '"several words"'])
        count = dice.choice([0, 1, 1, 2, 4])
        for n in range(count):
            text += blank(dice, " ") + dice.choice(["smtp", "header", "policy"]) + blank(dice) + "." + blank(dice)
            text += dice.choice(["mailfrom", "d", "i", "from"]) + blank(dice) + "=" + blank(dice) + pvalue(dice, n + 1 == count)
    text += dice.choice(["", ""]) if results else dice.choice([";none", "; none", " ; none (x)"])
    whole = text
    if dice.random() < 0.2:
        at = dice.randrange(len(text))
        text = text[:at] + dice.choice([";", "(", '"', "\\", "", "=", ")", " "]) + text[at + dice.choice([0, 1]):]
    return {"check": "read", "value": text, "whole": whole, "names": ["box.test", "mail.box.test"]}


def check_read(case, answer, reasons):
    wrong = compare(case, case["value"], answer, reasons)
    if not wrong:
        return None
    comments = r"\s*(\(a comment\)|\(a \(nested\\\)\) one\)|\(x\)\s*\(y\)|\(x\))\s*"
    without = re.sub(comments, " ", case["value"])
    if without == case["value"] or compare(case, without, answer, reasons):
        return wrong
    reasons.add("blanks around comments")
    return None


def compare(case, value, answer, reasons):
    try:
        header, results = understood("Authentication-Results:" + value, reasons)
    except Exception:
        return None
    if header.authserv_id in case["names"] and not answer["claimed"]:
        return "not taken for ours"
    ours = answer["said"]
    if ours is None:
        # authres passes over what it does not understand; we do not.
        return None if damaged(case) else "not understood"
    found = [(method, result, reason, [tuple(pair) for pair in properties]) for method, result, reason, properties in ours["findings"]]
    results = [(method, result.lower(), reason, properties) for method, result, reason, properties in results]
    if ours["id"].lower() != header.authserv_id:
        return f"the name is {header.authserv_id}, ours {ours['id']}"
    return None if found == results or damaged(case) else f"authres finds {results}, ours {found}"


def damaged(case):
    return case["value"] != case["whole"]


def main():
    dice = random.Random(SEED)
    cases = [writing(dice) for _ in range(CASES // 2)] + [reading(dice) for _ in range(CASES // 2)]
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    answers = subprocess.run([sys.argv[1]], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    used, failed, read = {}, 0, 0
    for number, (case, answer) in enumerate(zip(cases, answers, strict=True)):
        answer, reasons = json.loads(answer), set()
        wrong = (check_written if case["check"] == "write" else check_read)(case, answer, reasons)
        read += case["check"] == "read" and answer["said"] is not None
        for name in reasons:
            used[name] = used.get(name, 0) + 1
        if wrong:
            failed += 1
            if failed <= 5:
                print(f"case {number}: {wrong}\n  {json.dumps(case)}\n  {json.dumps(answer)}")
    for name, count in sorted(used.items()):
        print(f"{count} differ, {name}: {REASONS[name]}")
    print(f"{read} fields of others were understood")
    print(f"{CASES - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
