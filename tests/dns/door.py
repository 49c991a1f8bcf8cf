"""`pillarbox dns lookup` as a person types it, in the little internet: what it prints, what it exits with."""
import json, subprocess

CONFIG = """hostname = "box.test"
data = "{top}/data"
[dns]
root_hints = "{top}/door.hints"
trust_anchors = "{anchors}"
private_servers = true
{more}
"""


class Door:
    def __init__(self, run, program):
        self.run, self.program, self.top = run, program, run.top
        (self.top / "door.hints").write_text(". 3600 NS a.root-servers.test.\na.root-servers.test. 3600 A 127.1.0.1\na.root-servers.test. 3600 AAAA fd00::1\n")

    def ask(self, *words, more="", anchors="root"):
        file = self.top / "door.toml"
        file.write_text(CONFIG.format(top=self.top, anchors=self.run.anchors[anchors], more=more))
        return subprocess.run([self.program, "dns", "lookup", *words, "--config", str(file)], capture_output=True, text=True, timeout=60)

    def checks(self):
        """Yields (what, fault or None, what was seen)."""
        def check(what, got, *faults):
            wrong = [why for good, why in faults if not good]
            return what, "; ".join(wrong) or None, (got.stdout + got.stderr).strip()[:600]

        def said(what, words, status, *needles, **more):
            got = self.ask(*words, **more)
            text = got.stdout + got.stderr
            return check(what, got, (got.returncode == status, f"exit {got.returncode}, not {status}"), *((n in text, f"no word of {n!r}") for n in needles))

        got = self.ask("ecdsa.test", "MX", "--json")
        seen = json.loads(got.stdout or "{}")
        yield check("JSON of a secure answer", got, (seen.get("outcome") == "records" and seen.get("security") == "secure", "not secure"),
                    (sorted(seen.get("records", [])) == ["10 mx.ecdsa.test", "20 mx2.ecdsa.test"], "other records"), (0 < seen.get("ttl-secs", 0) <= 300, "another time"), (seen.get("state") == "good", "another state"))
        got = self.ask("www.tampered.test", "A", "--json")
        seen = json.loads(got.stdout or "{}")
        yield check("JSON of a bogus answer", got, (seen.get("trouble") == "bogus" and seen.get("records") == [], "not bogus"), ("tampered.test" in (seen.get("why") or ""), "no reason"))
        yield said("a secure answer in words", ("www.ecdsa.test", "a"), 0, "192.0.2.1", "secure: signed from the root down", "zone ecdsa.test")
        yield said("an unsigned zone is named", ("www.insecure.test", "A"), 0, "192.0.2.1", "not secure", "insecure.test", "is not signed")
        yield said("an address is asked for its name", ("192.0.2.1",), 0, "www.ecdsa.test")
        yield said("why a signature is not believed", ("www.expired.test", "A"), 1, "expired")
        yield said("a clock that may be wrong", ("www.future.test", "A"), 1, "clock")
        yield said("a name that is not there", ("nothere.ecdsa.test", "TXT"), 0, "does not exist")
        yield said("another root's key", ("www.ecdsa.test", "A"), 1, "root", "clock", anchors="other")
        yield said("a forwarder that strips signatures", ("www.ecdsa.test", "A"), 1, "forward", more='forward = ["127.4.0.1"]')
        yield said("a forwarder over TLS", ("www.ecdsa.test", "A"), 0, "secure", more=f'forward = ["tls://127.5.0.1#forwarder.test"]\ntls_roots = "{self.top}/ca.pem"')
        yield said("a forwarder that nobody vouches for", ("www.ecdsa.test", "A"), 1, "certificate", more='forward = ["tls://127.5.0.1#forwarder.test"]')
        yield said("a type that nobody needs", ("www.ecdsa.test", "LOC"), 2, "A, AAAA, MX")
        (self.top / "broken.key").write_text(". IN DNSKEY 257 3 13 notbase64!\n")
        self.run.anchors["broken"] = self.top / "broken.key"
        yield said("trust anchors that are none", ("www.ecdsa.test", "A"), 1, "trust anchors", anchors="broken")
