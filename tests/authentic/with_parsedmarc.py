#!/usr/bin/env python3
"""with_parsedmarc.py ORACLE: reports beside parsedmarc, offline, with cases made by dice (REPORT_CASES, REPORT_SEED).

Ours: parsedmarc finds in a report of ours, in its mail too, just what was meant, and takes it for RFC 9990. Theirs: what
parsedmarc understands of shapes that occur (old and new XML, plain, gzip, zip)
we understand as the same.
"""
import email.policy, gzip, io, json, os, random, subprocess, sys, tempfile, warnings, zipfile
warnings.simplefilter("ignore")
import parsedmarc

CASES = int(os.environ.get("REPORT_CASES", "150"))
SEED = int(os.environ.get("REPORT_SEED", "1"))
DAY = 20_777


def row(dice, n):
    domain = dice.choice(["example.org", "news.example.org", "xn--bcher-kva.example"])
    signatures = [{"domain": dice.choice(["example.org", "list.test"]), "selector": dice.choice(["s1", "2026a"]), "result": dice.choice(["pass", "fail", "temperror", "neutral"])}
                  for _ in range(dice.randrange(3))]
    row = {"source": dice.choice([f"192.0.2.{n % 200 + 1}", f"2001:db8::{n + 1:x}"]), "count": dice.choice([1, 2, 1000, 10**9]),
           "disposition": dice.choice(["none", "pass", "quarantine", "reject"]), "dkim": dice.random() < 0.5, "spf": dice.random() < 0.5,
           "header-from": domain, "envelope-from": dice.choice(["", "bounce.test", "example.org"]), "signatures": signatures,
           "sender": {"domain": "bounce.test", "scope": "mfrom", "result": dice.choice(["pass", "fail", "softfail", "none", "permerror"])}}
    if dice.random() < 0.3:
        row["reasons"] = [{"kind": dice.choice(["local_policy", "mailing_list", "trusted_forwarder", "policy_test_mode"]), "comment": dice.choice(["", "a < b & c", "\"]]>"])}]
    return row


def record(dice):
    tags = [f"p={dice.choice(['none', 'quarantine', 'reject'])}"]
    tags += [f"{name}={dice.choice(values)}" for name, values in (("sp", ["none", "reject"]), ("np", ["reject"]), ("adkim", ["r", "s"]), ("aspf", ["s"]), ("t", ["y", "n"]), ("fo", ["1:d:s"])) if dice.random() < 0.5]
    return "v=DMARC1; " + "; ".join(tags) + "; rua=mailto:a@example.org"


def said(report):
    """What a report of parsedmarc says, in our words."""
    rows = []
    for one in report["records"]:
        results = one["auth_results"]
        rows.append((one["source"]["ip_address"], one["count"], one["policy_evaluated"]["disposition"], one["policy_evaluated"]["dkim"], one["policy_evaluated"]["spf"],
                     one["identifiers"]["header_from"], one["identifiers"]["envelope_from"] or "", tuple(sorted((r["domain"], r["selector"], r["result"]) for r in results["dkim"])),
                     tuple((r["domain"], r["result"]) for r in results["spf"]), tuple(sorted((r["type"], r["comment"] or "") for r in one["policy_evaluated"]["policy_override_reasons"]))))
    return sorted(rows)


def meant(rows):
    return sorted((r["source"], r["count"], r["disposition"], "pass" if r["dkim"] else "fail", "pass" if r["spf"] else "fail", r["header-from"],
                   # parsedmarc puts the domain of SPF where the envelope's is empty.
                   r["envelope-from"] or r["sender"]["domain"], tuple(sorted((s["domain"], s["selector"], s["result"]) for s in r.get("signatures", []))), ((r["sender"]["domain"], r["sender"]["result"]),),
                   tuple(sorted((s["kind"], s.get("comment", "")) for s in r.get("reasons", [])))) for r in rows)


def ask(oracle, case):
    oracle.stdin.write(json.dumps(case) + "\n")
    oracle.stdin.flush()
    return json.loads(oracle.stdout.readline())


def ours(dice, oracle):
    rows, seen = [], set()
    for n in range(dice.choice([1, 2, 9, 40])):
        one = row(dice, n)
        key = json.dumps({k: v for k, v in one.items() if k != "count"}, sort_keys=True)
        if key not in seen:
            seen.add(key)
            rows.append(one)
    answer = ask(oracle, {"check": "report", "domain": "example.org", "day": DAY, "record": record(dice), "rows": rows})
    letter = bytes(answer["letter"], "latin-1")
    for octets in (letter, bytes(answer["xml"], "latin-1")):
        parsed = parsedmarc.parse_report_file(octets, offline=True, always_use_local_files=True)
        report = parsed["report"]
        assert parsed["report_type"] == "aggregate", parsed["report_type"]
        assert report.get("xml_namespace") in (None, "urn:ietf:params:xml:ns:dmarc-2.0"), report.get("xml_namespace")
        assert report["report_metadata"]["report_id"] in answer["report-id"], report["report_metadata"]
        assert report["report_metadata"]["org_name"] == "Box & Co", report["report_metadata"]
        assert not report["report_metadata"]["errors"], report["report_metadata"]
        policy = report["policy_published"]
        assert policy["domain"] == "example.org" and policy["p"] in answer["record"], policy
        assert said(report) == meant(rows), (said(report), meant(rows))
    message = email.message_from_bytes(letter, policy=email.policy.default)
    part = [p for p in message.walk() if p.get_content_type() == "application/gzip"][0]
    begin = DAY * 86400
    assert part.get_filename() == f"box.test!example.org!{begin}!{begin + 86399}.xml.gz", part.get_filename()
    assert message["Subject"].split() == ["Report", "Domain:", "example.org", "Submitter:", "box.test", "Report-ID:", f"<{answer['report-id']}>"], message["Subject"]


def xml(dice, rows, new):
    esc = lambda text: str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    out = ['<?xml version="1.0" encoding="UTF-8" ?>' if dice.random() < 0.8 else "", "<feedback%s>" % (' xmlns="urn:ietf:params:xml:ns:dmarc-2.0"' if new else "")]
    if dice.random() < 0.5:
        out.append("<!-- a comment --><version>1.0</version>")
    out.append("<report_metadata><org_name>Sender &amp; Sons</org_name><email>a@sender.test</email><report_id>r1</report_id><date_range><begin>1795132800</begin><end>1795219199</end></date_range></report_metadata>")
    out.append("<policy_published><domain>example.org</domain><p>none</p>%s</policy_published>" % ("" if new else "<sp>none</sp><pct>100</pct>"))
    for r in rows:
        reasons = "".join(f"<reason><type>{s['kind']}</type><comment>{esc(s['comment'])}</comment></reason>" for s in r.get("reasons", []))
        dkim = "".join(f"<dkim><domain>{s['domain']}</domain><selector>{s['selector']}</selector><result>{s['result']}</result></dkim>" for s in r["signatures"])
        out.append(f"<record><row><source_ip>{r['source']}</source_ip><count>{r['count']}</count><policy_evaluated><disposition>{r['disposition']}</disposition>"
                   f"<dkim>{'pass' if r['dkim'] else 'fail'}</dkim><spf>{'pass' if r['spf'] else 'fail'}</spf>{reasons}</policy_evaluated></row>"
                   f"<identifiers><envelope_from>{r['envelope-from']}</envelope_from><header_from>{r['header-from']}</header_from></identifiers>"
                   f"<auth_results>{dkim}<spf><domain>{r['sender']['domain']}</domain><scope>mfrom</scope><result>{r['sender']['result']}</result></spf></auth_results></record>")
    out.append("</feedback>")
    return dice.choice(["\n", "", "\r\n  "]).join(out).encode()


def packed(shape, octets):
    if shape == "plain":
        return octets
    if shape == "gzip":
        return gzip.compress(octets)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED if shape == "stored" else zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sender.test!example.org!1!2.xml", octets)
    return out.getvalue()


def theirs(dice, oracle):
    rows = [row(dice, n) for n in range(dice.choice([1, 3, 20]))]
    # parsedmarc takes no file that begins with a byte order mark or white space; we do.
    plain = xml(dice, rows, dice.random() < 0.5).lstrip()
    octets = dice.choice([b"", b"", b"\xef\xbb\xbf", b"\r\n "]) + plain
    shape = dice.choice(["plain", "gzip", "zip", "stored"])
    parsed = parsedmarc.parse_report_file(packed(shape, plain), offline=True, always_use_local_files=True)["report"]
    octets = packed(shape, octets)
    answer = ask(oracle, {"check": "read-report", "octets": octets.hex()})
    found = answer["report"]
    kept, there = meant(found["rows"]), meant(rows)
    assert kept == there, ("ours", shape, [pair for pair in zip(kept, there) if pair[0] != pair[1]][:1])
    assert said(parsed) == there, ("parsedmarc", shape, [pair for pair in zip(said(parsed), there) if pair[0] != pair[1]][:1])
    assert found["organization"] == parsed["report_metadata"]["org_name"], found


def main():
    dice = random.Random(SEED)
    oracle = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    passed = failed = 0
    for number in range(CASES):
        for check in (ours, theirs):
            try:
                check(dice, oracle)
                passed += 1
            except Exception as error:
                failed += 1
                if failed <= 5:
                    print(f"case {number}, {check.__name__}: {type(error).__name__}: {str(error)[:900]}")
    oracle.stdin.close()
    oracle.wait()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
