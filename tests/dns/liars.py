"""The servers that do it wrong, one function or one row for each; the zone's name says what is wrong with it.

A liar stands at an address of its own and answers for its zone alone. `SIGNED` are zones signed by hand with one fault;
`@liar` functions take a question and give the datagrams to send back (one, a list of them, or none).
Run as a program it serves all of them.
"""
import os, selectors, socket, struct, sys, threading, time
import sign
from wire import FORMERR, KINDS, NOERROR, NXDOMAIN, REFUSED, SERVFAIL, Query, labels, pack_name, rdata, record, under

LIARS = {}  # address: (zone, function)
DS = {}     # zone: DS texts in its parent
GOOD, EVIL = "192.0.2.1", "203.0.113.66"


def liar(zone, address, ds=()):
    def put(function):
        LIARS[address] = (zone, function)
        DS[zone] = list(ds)
        return function
    return put


def delegations():
    """{zone: (address, DS texts)} for the zones above; those that the file `internet` delegates itself are left out."""
    by_hand = {"v6only.test", "half.test", "halflame.test", ""}
    return {zone: (address, DS[zone]) for address, (zone, _) in LIARS.items() if zone not in by_hand and not zone.startswith("-")}


class Zone:
    """A zone that answers as it should, signed if it has a key; faults are changes of its methods and fields."""

    def __init__(self, name, records=None, key=True, **faults):
        self.name, self.faults = name, faults
        self.key = sign.Key(name) if key else None
        self.sets = {(name, "SOA"): [f"ns.{name} hostmaster.{name} 1 7200 3600 1209600 60"], (name, "NS"): [f"ns.{name}"], (f"www.{name}", "A"): [GOOD], **(records or {})}
        if key:
            self.sets[name, "DNSKEY"] = [self.key.rdata, *faults.get("more_keys", [])]
        names = {n for n, _ in self.sets}
        self.chain = sorted(names, key=lambda n: [l.encode() for l in reversed(labels(n))])

    def ds(self):
        return self.faults.get("ds", lambda z: [z.key.ds()] if z.key else [])(self)

    def signed(self, name, kind, values, ttl=300):
        """A set as records, with its signature if it has one."""
        f = self.faults
        out = [record(name, kind, f.get("swap", {}).get(kind, v) if not isinstance(v, bytes) else v, ttl) for v in values]
        if self.key and kind not in f.get("without", ()):
            how = {k: f[k] for k in ("begin", "end", "signer", "count") if k in f}
            made = self.key.sign(name, kind, values, ttl, **(how if kind in f.get("only", (kind,)) else {}))
            if f.get("spoil") == kind:
                made = made[:-1] + bytes([made[-1] ^ 1])
            out.append(record(name, "RRSIG", made, ttl))
        return out

    def kinds_at(self, name):
        return [kind for n, kind in self.sets if n == name]

    def nsec_at(self, name, kinds=None):
        following = self.chain[(self.chain.index(name) + 1) % len(self.chain)]
        return self.signed(name, "NSEC", [sign.nsec(following, [*(kinds or self.kinds_at(name)), "RRSIG", "NSEC"])], 60)

    def nsec_before(self, name):
        order = lambda n: [l.encode() for l in reversed(labels(n))]
        return self.nsec_at(max((n for n in self.chain if order(n) < order(name)), key=order, default=self.name))

    def soa(self):
        return self.signed(self.name, "SOA", self.sets[self.name, "SOA"], 60)

    def denial(self, query):
        """What proves that there is no such name or no such type."""
        if not self.key:
            return []
        if query.lower in self.chain:
            return self.nsec_at(query.lower)
        both = [self.nsec_before(query.lower), self.nsec_before(f"*.{self.name}")]
        return both[0] if both[0] == both[1] else both[0] + both[1]

    def __call__(self, query):
        values = self.sets.get((query.lower, query.kind))
        if query.kind in self.faults.get("hide", ()):
            values = None
        if values:
            return query.reply(self.signed(query.lower, query.kind, values))
        exists = any(under(n, query.lower) for n in self.chain)
        return query.reply(authority=self.soa() + self.denial(query), rcode=NOERROR if exists else NXDOMAIN)


DAY = 86400
SIGNED = [
    Zone("good.hand.test"),  # no fault: shows that what is made by hand would be believed
    Zone("expired.test", begin=-30 * DAY, end=-DAY),
    Zone("future.test", begin=2 * DAY, end=30 * DAY),
    Zone("expiredset.test", begin=-30 * DAY, end=-DAY, only=("A",)),
    Zone("wrongds.test", ds=lambda z: [z.key.ds("0" * 64)]),
    Zone("otherkey.test", ds=lambda z: [sign.Key(z.name, "another").ds()]),
    Zone("nosig.test", without=("A",)),
    Zone("nosigs.test", without=tuple(KINDS)),
    Zone("nokey.test", hide=("DNSKEY",)),
    Zone("tampered.test", swap={"A": EVIL}),
    Zone("badsig.test", spoil="A"),
    Zone("badkeysig.test", spoil="DNSKEY"),
    Zone("othersigner.test", signer="test", only=("A",)),
    Zone("childsigner.test", signer="www.childsigner.test", only=("A",)),
    Zone("newdigest.test", ds=lambda z: [z.key.ds().replace(" 13 2 ", " 13 250 ")]),
    Zone("newalgorithm.test", ds=lambda z: [z.key.ds().replace(" 13 2 ", " 250 2 ")]),
    Zone("spare.test", more_keys=[struct.pack("!HBB", 257, 3, 13) + bytes(64), struct.pack("!HBB", 256, 3, 200) + b"?"]),
    Zone("twods.test", ds=lambda z: [sign.Key(z.name, "another").ds(), z.key.ds()]),
]


class NoProof(Zone):
    """Names that are not there, and nothing proves it."""
    def denial(self, query):
        return []


class WrongProof(Zone):
    """The proof is about another place of the chain."""
    def denial(self, query):
        return self.nsec_at(self.chain[-1])


class TypeLie(Zone):
    """NODATA, but its NSEC says that the type is there."""
    def denial(self, query):
        return self.nsec_at(query.lower, self.kinds_at(query.lower) + [query.kind]) if query.lower in self.chain else super().denial(query)


class Wild(Zone):
    """Every name is answered from a wildcard that is signed, and nothing proves that the name itself is not there: what
    a replayer of wildcard answers could do to names that exist."""
    def __call__(self, query):
        if query.lower != self.name and query.kind == "A":
            made = self.key.sign(query.lower, "A", [GOOD], count=len(labels(self.name)))
            return query.reply([record(query.lower, "A", GOOD), record(query.lower, "RRSIG", made)])
        return super().__call__(query)


class Stripped(Zone):
    """A signed zone above whose delegation `child` comes without DS and without a proof that there is none."""
    def __call__(self, query):
        if under(query.lower, f"child.{self.name}"):
            if query.kind == "DS":
                return query.reply(authority=self.soa())
            return query.reply(authority=[record(f"child.{self.name}", "NS", f"ns.child.{self.name}")], additional=[record(f"ns.child.{self.name}", "A", "127.2.0.40")], aa=False)
        return super().__call__(query)


class OthersProof(Zone):
    """Denies names with a SOA of its unsigned child alone: an insecure record that says nothing about the name. Taken for
    a proof, it makes every name of a signed zone vanish, TLSA records among them."""
    def __init__(self, name):
        super().__init__(name, {(f"plain.{name}", "NS"): [f"ns.{name}"]})

    def denial(self, query):
        child = f"plain.{self.name}"
        return super().denial(query) if under(query.lower, child) else [record(child, "SOA", f"ns.{child} h.{child} 1 2 3 4 60", 60)]

    def soa(self):
        return []

    def __call__(self, query):
        if query.lower == f"plain.{self.name}":
            at = self.nsec_at(query.lower) if query.kind == "DS" else []
            servers = [record(query.lower, "NS", "ns.othersproof.test")]
            return query.reply(authority=Zone.soa(self) + at) if at else query.reply(servers, aa=query.kind == "NS")
        return super().__call__(query)


class FakeCut(Zone):
    """Refers `www` and `cut` to itself as if they were zones, and answers there unsigned: somebody on the way who cannot sign
    tries to make a part of a signed zone look like an unsigned child. What it says of DS is what the zone has: signed
    proofs that `www` is no delegation and that `cut` is not there at all."""
    def __call__(self, query):
        head = query.lower.removesuffix(self.name).rstrip(".").split(".")
        if query.kind == "DS" or head[-1] not in ("www", "cut"):
            return super().__call__(query)
        child = f"{head[-1]}.{self.name}"
        if len(head) > 1:  # the child's own data
            return query.reply([record(query.lower, "A", EVIL)] if query.kind == "A" else [record(query.lower, "NS", f"ns.{self.name}")] if query.kind == "NS" else [])
        proof = self.nsec_at(child) if child in self.chain else self.nsec_before(child)
        return query.reply(authority=[record(child, "NS", f"ns.{self.name}"), *proof], additional=[record(f"ns.{self.name}", "A", "127.2.1.19")], aa=False)


SIGNED += [FakeCut("fakecut.test"), OthersProof("othersproof.test"), NoProof("noproof.test"), WrongProof("wrongproof.test"), TypeLie("typelie.test", {("www.typelie.test", "TXT"): ["t"]}), Wild("wild.test"), Stripped("stripped.test")]
for at, zone in enumerate(SIGNED):
    liar(zone.name, f"127.2.1.{at + 1}", zone.ds())(zone)
plain = Zone("child.stripped.test", key=False)
liar("-child.stripped.test", "127.2.0.40")(plain)


def simple(zone, query, rcode=NOERROR, **more):
    """The honest answer of a small unsigned zone: www has an address, the apex SOA and NS."""
    return Zone(zone, key=False)(query)


@liar("v6only.test", "fd00::2")
def v6only(query):
    return simple("v6only.test", query)


@liar("half.test", "127.2.0.70")
def half(query):
    """The good one of two servers, for several zones."""
    return simple(next(zone for zone in ("halflame.test", "mixed6.test", "half.test") if under(query.lower, zone)), query)


@liar("deaf.test", "127.2.0.2")
def deaf(query):
    """Answers in lower case whatever the question's case was, by UDP and TCP."""
    plain = Query(query.message[:12] + pack_name(query.lower) + query.message[12 + len(pack_name(query.lower)):])
    return simple("deaf.test", plain)


@liar("offpath.test", "127.2.0.3")
def offpath(query):
    """Before the true answer come five that only somebody off the path would send: wrong id, wrong case, another name, another source port,
    an id of a byte-swapped guess."""
    false = lambda **more: query.reply([record(query.name, "A", EVIL)], **more)
    swapped = bytes(c ^ 32 if 65 <= c & 0xdf <= 90 else c for c in query.question[:-4]) + query.question[-4:]
    other = pack_name("www.victim.test") + query.question[-4:]
    if query.tcp or query.lower != "www.offpath.test" or query.kind != "A":
        return simple("offpath.test", query)
    return [false(id=query.id ^ 1), false(question=swapped), false(question=other), ("other port", false()), false(id=struct.unpack("<H", struct.pack(">H", query.id))[0] ^ 0x0101), simple("offpath.test", query)]


@liar("guesser.test", "127.2.0.4")
def guesser(query):
    """Nothing but wrong ids: 200 of them."""
    if query.tcp or query.kind != "A":
        return simple("guesser.test", query)
    return [query.reply([record(query.name, "A", EVIL)], id=query.id ^ (i + 1)) for i in range(200)]


@liar("refused.test", "127.2.0.61")
def refused(query):
    return query.reply(rcode=REFUSED, aa=False)


@liar("servfail.test", "127.2.0.62")
def servfail(query):
    return query.reply(rcode=SERVFAIL, aa=False)


@liar("notauth.test", "127.2.0.63")
def notauth(query):
    """An empty answer without AA: neither a referral nor an answer."""
    return query.reply(aa=False)


@liar("upward.test", "127.2.0.64")
def upward(query):
    """Sends everybody back to the root."""
    return query.reply(aa=False, authority=[record("", "NS", "ns")], additional=[record("ns", "A", "127.1.0.1")])


@liar("sideways.test", "127.2.0.65")
def sideways(query):
    """Refers to its own zone again, for ever."""
    return query.reply(aa=False, authority=[record("sideways.test", "NS", "ns.sideways.test")], additional=[record("ns.sideways.test", "A", "127.2.0.65")])


@liar("downward.test", "127.2.0.66")
def downward(query):
    """Refers one label deeper each time, to itself."""
    return query.reply(aa=False, authority=[record(query.lower, "NS", "ns.downward.test")], additional=[record("ns.downward.test", "A", "127.2.0.66")])


@liar("silent.test", "127.2.0.67")
def silent(query):
    return None


@liar("tcponly.test", "127.2.0.68")
def tcponly(query):
    return simple("tcponly.test", query) if query.tcp else query.reply(tc=True)


@liar("notcp.test", "127.2.0.69")
def notcp(query):
    """Truncated by UDP, closed by TCP."""
    return None if query.tcp else query.reply(tc=True)


@liar("poison.test", "127.2.0.71")
def poison(query):
    """True answers, with presents for others beside them."""
    lies = [record("www.victim.test", "A", EVIL, 86400), record("ns.victim.test", "A", "127.2.0.72", 86400), record("ns.test", "A", "127.2.0.72", 86400)]
    take_over = [record("victim.test", "NS", "ns.poison.test", 86400), record("test", "NS", "ns.poison.test", 86400), record("", "NS", "ns.poison.test", 86400)]
    own = [record("ns.poison.test", "A", "127.2.0.72", 86400)]
    if query.kind != "A":
        return simple("poison.test", query)
    if query.lower == "www.poison.test":
        return query.reply([record(query.name, "A", GOOD)], take_over, lies + own)
    if query.lower == "extra.poison.test":
        return query.reply([record(query.name, "A", GOOD)] + lies + take_over)
    if query.lower == "alias.poison.test":
        return query.reply([record(query.name, "CNAME", "www.victim.test"), *lies])
    if query.lower == "refer.poison.test":
        return query.reply(aa=False, authority=take_over, additional=lies + own)
    if query.lower == "sibling.poison.test":
        return query.reply([record(query.name, "A", GOOD)], additional=[record("ns.sibling.test", "A", "127.2.0.72", 86400)])
    if query.lower == "gone.poison.test":
        return query.reply(rcode=NXDOMAIN, authority=[record("test", "SOA", "ns.test h.test 1 2 3 4 86400", 86400), *take_over], additional=lies)
    return simple("poison.test", query)


@liar("-evil", "127.2.0.72")
def evil(query):
    """Where poison leads: whoever asks here has swallowed it."""
    return query.reply([record(query.name, "A", EVIL)] if query.kind == "A" else [])


@liar("badglue.test", "127.2.0.73")
def badglue(query):
    """Its delegations name a server of victim.test and give a false address for it."""
    if under(query.lower, "sub.badglue.test"):
        return query.reply(aa=False, authority=[record("sub.badglue.test", "NS", "mail.victim.test")], additional=[record("mail.victim.test", "A", "127.2.0.72")])
    return simple("badglue.test", query)


@liar("nxns.test", "127.2.0.74")
def nxns(query):
    """NXNSAttack: a delegation to 100 names of a victim, without glue (RFC 9156's authors call for bounds on this)."""
    if query.lower != "nxns.test" and query.lower != "ns.nxns.test":
        return query.reply(aa=False, authority=[record(query.lower, "NS", f"n{i}.{query.lower.split('.')[0]}.single.test") for i in range(100)])
    return simple("nxns.test", query)


@liar("spin.test", "127.2.0.75")
def spin(query):
    """Each name is an alias of a new one in the same zone, without end."""
    if query.lower == "spin.test" or query.lower.startswith("ns.") or query.kind not in ("A", "NS", "CNAME"):
        return simple("spin.test", query)
    number = int("".join(c for c in query.lower if c.isdigit()) or 0)
    return query.reply([record(query.name, "CNAME", f"s{number + 1}.spin.test", 0)])


@liar("fan.test", "127.2.0.76")
def fan(query):
    """Every name below is a zone whose two servers are names below, in zones of their own, without glue: a tree without end."""
    if query.lower in ("fan.test", "ns.fan.test"):
        return simple("fan.test", query)
    head = query.lower.split(".")[-3]
    return query.reply(aa=False, authority=[record(f"{head}.fan.test", "NS", f"ns.{head}{i}.fan.test") for i in range(2)])


@liar("ttl.test", "127.2.0.77")
def ttl(query):
    """Times: `tN` lives N seconds; `negN` is not there, with a SOA whose TTL is N and whose minimum is 3600; `minN` the other way round."""
    first = query.lower.split(".")[0]
    number = int("".join(c for c in first if c.isdigit()) or 0)
    soa = lambda time, minimum: [record("ttl.test", "SOA", f"ns.ttl.test h.ttl.test 1 2 3 4 {minimum}", time)]
    if first.startswith("neg"):
        return query.reply(rcode=NXDOMAIN, authority=soa(number, 3600))
    if first.startswith("min"):
        return query.reply(rcode=NXDOMAIN, authority=soa(3600, number))
    if first == "nosoa":
        return query.reply(rcode=NXDOMAIN)
    if first.startswith("t") and query.kind == "A" and first[1:].isdigit():
        return query.reply([record(query.name, "A", GOOD, number)])
    if first.startswith("t") and first[1:].isdigit():
        return query.reply(authority=soa(60, 60))
    return simple("ttl.test", query)


def broken_messages(query):
    """Octets that are no DNS, by the first label of the name."""
    q, head = query.question, lambda an=1, ns=0, ar=0, flags=0x8400: struct.pack("!6H", query.id, flags, 1, an, ns, ar)
    fixed = struct.pack("!HHIH", 1, 1, 300, 4)
    good = b"\xc0\x0c" + fixed + bytes([192, 0, 2, 1])
    at = 12 + len(q)
    return {
        "empty": b"", "short": head()[:11], "headonly": head(an=1), "garbage": os.urandom(300), "garbageid": query.message[:2] + os.urandom(300),
        "loop": head() + q + struct.pack("!H", 0xc000 | at) + fixed + bytes(4),
        "loop2": head() + q + struct.pack("!HH", 0xc000 | at + 2, 0xc000 | at) + fixed + bytes(4),
        "forward": head() + q + struct.pack("!H", 0xc000 | at + 20) + fixed + bytes(4) + pack_name("x.test"),
        "beyond": head() + q + b"\xff\xff" + fixed + bytes(4),
        "label": head() + q + b"\x40abc\0" + fixed + bytes(4),
        "longname": head() + q + b"\x3f" + b"a" * 63 + b"\x3f" + b"a" * 63 + b"\x3f" + b"a" * 63 + b"\x3f" + b"a" * 63 + b"\x3f" + b"a" * 63 + b"\0" + fixed + bytes(4),
        "cut": head() + q + good[:-2], "three": head() + q + b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 300, 3) + bytes(3), "five": head() + q + b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 300, 5) + bytes(5),
        "count": head(an=65535) + q + good, "allcounts": head(65535, 65535, 65535) + q + good, "noanswer": head(an=0, ns=65535) + q,
        "trailing": head() + q + good + b"trailing octets", "noquestion": struct.pack("!6H", query.id, 0x8400, 0, 1, 0, 0) + pack_name(query.name) + fixed + bytes([192, 0, 2, 1]),
        "twoquestions": struct.pack("!6H", query.id, 0x8400, 2, 1, 0, 0) + q + q + good, "isquery": struct.pack("!6H", query.id, 0x0000, 1, 1, 0, 0) + q + good,
        "opcode": struct.pack("!6H", query.id, 0xa000, 1, 1, 0, 0) + q + good, "chaos": head() + q + b"\xc0\x0c" + struct.pack("!HHIH", 1, 3, 300, 4) + bytes(4),
        "twoopt": head(1, 0, 2) + q + good + (b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)) * 2, "badvers": head(0, 0, 1) + q + b"\0" + struct.pack("!HHIH", 41, 1232, 0x01000000, 0),
        "rrsig": head() + q + b"\xc0\x0c" + struct.pack("!HHIH", 46, 1, 300, 10) + bytes(10), "nsec": head() + q + b"\xc0\x0c" + struct.pack("!HHIH", 47, 1, 300, 8) + b"\0\0\xff" + bytes(5),
        "rcode": head(an=0, flags=0x840f) + q, "huge": head(an=3000) + q + good * 3000, "tsig": head(1, 0, 1) + q + good + b"\0" + struct.pack("!HHIH", 250, 255, 0, 3) + bytes(3),
    }


@liar("barren.test", "127.2.0.80")
def barren(query):
    """Says NXDOMAIN for names that only have names below them (against RFC 8020), as not a few servers of DKIM keys do."""
    if query.lower == "key._domainkey.barren.test":
        return query.reply([record(query.name, "TXT", "v=DKIM1")] if query.kind == "TXT" else [], [] if query.kind == "TXT" else [record("barren.test", "SOA", "ns.barren.test h.barren.test 1 2 3 4 60", 60)])
    return simple("barren.test", query)


@liar("noedns.test", "127.2.0.82")
def noedns(query):
    """A server from before EDNS: FORMERR for every question that has it (RFC 6891 section 7), else the answer."""
    if struct.unpack_from("!H", query.message, 10)[0]:
        return query.reply(rcode=FORMERR, aa=False, opt=False)
    return query.reply([record(query.name, "A", GOOD)], opt=False) if query.lower == "www.noedns.test" and query.kind == "A" else query.reply(authority=[record("noedns.test", "SOA", "ns.noedns.test h.noedns.test 1 2 3 4 60", 60)], opt=False)


@liar("zones.test", "127.2.0.81")
def zones(query):
    """Every name directly below is a zone of its own, on this server: as many zones as somebody likes to ask for."""
    parts = query.lower.split(".")
    if len(parts) <= 2 or parts[-3] == "ns":
        return simple("zones.test", query)
    zone = ".".join(parts[-3:])
    return Zone(zone, {(f"ns.{zone}", "A"): ["127.2.0.81"]}, key=False)(query)


@liar("fussy.test", "127.2.0.83")
def fussy(query):
    """Fails for names that it has no records of, even where names stand below them."""
    if query.lower == "www.a.fussy.test" and query.kind == "A":
        return query.reply([record(query.name, "A", GOOD)])
    return simple("fussy.test", query) if query.lower in ("fussy.test", "ns.fussy.test", "www.fussy.test") else query.reply(rcode=SERVFAIL, aa=False)


@liar("malformed.test", "127.2.0.78")
def malformed(query):
    first = query.lower.split(".")[0]
    if query.lower in ("malformed.test", "ns.malformed.test", "www.malformed.test"):
        return simple("malformed.test", query)
    return broken_messages(query).get(first, query.reply(rcode=NXDOMAIN))


@liar("tcpbad.test", "127.2.0.79")
def tcpbad(query):
    """Truncates by UDP, then by TCP: a length without octets, a length that is too large, the largest message, two answers, one octet at a time."""
    first = query.lower.split(".")[0]
    if query.lower in ("tcpbad.test", "www.tcpbad.test"):
        return simple("tcpbad.test", query)
    if not query.tcp:
        return query.reply(tc=True)
    good = query.reply([record(query.name, "A", GOOD)])
    framed = lambda message: struct.pack("!H", len(message)) + message
    raw = {"zero": b"\0\0", "toolong": b"\xff\xff" + good, "none": b"", "half": framed(good)[:len(good) // 2], "largest": framed(query.reply([record(query.name, "A", f"198.18.{i >> 8}.{i & 255}") for i in range(1700)])),
           "double": framed(good) * 2, "flood": framed(query.reply([record(query.name, "A", EVIL)], id=query.id ^ 1)) * 5000}
    return ("raw", raw[first]) if first in raw else good


def garbage_keys(count, wanted):
    """RSA keys of random moduli that all have the same tag: the last two octets make up for the rest."""
    out = []
    for number in range(count):
        body = struct.pack("!HBB", 257, 3, 8) + b"\x03\x01\x00\x01" + b"".join(sign.hashlib.sha512(bytes([number, part])).digest() for part in range(4))
        missing = (wanted - sign.tag(body)) % 65536
        out.append(next(key for last in (missing, missing - 1) if sign.tag(key := body + struct.pack("!H", last % 65536)) == wanted))
    return out


class KeyTrap(Zone):
    """CVE-2023-50387: so many keys of one tag, so many signatures of that tag, none of which fits any key. As much of both
    as messages of 16 KiB hold."""
    keys, signatures = 15, 45

    def __init__(self, name):
        super().__init__(name)
        self.colliding = None

    def prepare(self):
        if self.colliding is None:
            wanted = 12345
            self.colliding = garbage_keys(self.keys, wanted)
            self.sets[self.name, "DNSKEY"] = [self.key.rdata, *self.colliding]

    def trapped(self, kind):
        return kind in ("A", "SOA")

    def signed(self, name, kind, values, ttl=300):
        if self.trapped(kind):
            now = int(time.time())
            head = struct.pack("!HBBIIIH", KINDS[kind], 8, len(labels(name)), ttl, now + DAY, now - DAY, 12345) + pack_name(self.name)
            return [record(name, kind, v, ttl) for v in values] + [record(name, "RRSIG", head + sign.hashlib.sha512(bytes([i & 255, i >> 8])).digest() * 4 + bytes(2), ttl) for i in range(self.signatures)]
        return super().signed(name, kind, values, ttl)

    def __call__(self, query):
        self.prepare()
        return super().__call__(query)


class SigTrap(KeyTrap):
    """One set, as many signatures by one key as a message holds: SigJam."""
    keys, signatures = 1, 50


class KeyJam(KeyTrap):
    """The DNSKEY set itself carries as many signatures as keys of one tag, and a DS points at each of these keys: LockCram and HashTrap."""
    keys, signatures = 16, 35

    def prepare(self):
        super().prepare()
        self.sets[self.name, "DNSKEY"] = self.colliding

    def ds(self):
        self.prepare()
        return [f"12345 8 2 {sign.hashlib.sha256(pack_name(self.name) + key).hexdigest()}" for key in self.colliding]

    def trapped(self, kind):
        return True


class KeyFlood(KeyTrap):
    """The same with messages of 40 KB."""
    keys = signatures = 130


for at, zone in enumerate([KeyTrap("keytrap.test"), SigTrap("sigtrap.test"), KeyJam("keyjam.test"), KeyFlood("keyflood.test")]):
    liar(zone.name, f"127.2.2.{at + 1}", zone.ds())(zone)


class Encloser(Zone):
    """CVE-2023-50868: many NSEC3 with as many iterations as are still believed, asked for a name of many labels."""
    iterations = 50

    def denial(self, query):
        out = []
        for i in range(8):
            start = bytes([i * 32]) + bytes(19)
            end = bytes([(i * 32 + 31)]) + b"\xff" * 19
            out += self.signed(f"{sign.base32(start)}.{self.name}", "NSEC3", [sign.nsec3(end, ["A"], b"\x01" * 8, self.iterations)], 60)
        return out


liar("encloser.test", "127.2.2.9", Encloser("encloser.test").ds())(Encloser("encloser.test"))


@liar("-hijack", "127.3.0.1")
def hijack(query):
    """Answers everything for everybody, unsigned, with authority: a captive portal on port 53."""
    return query.reply([record(query.name, "A", EVIL)] if query.kind == "A" else [], rcode=NOERROR)


@liar("-hijack-relay", "127.3.0.2")
def hijack_relay(query):
    """A hijacker that is a DNSSEC-ignorant recursive server: it refuses questions that do not want recursion."""
    return query.reply(rcode=REFUSED, aa=False)


@liar("-silent-root", "127.3.0.3")
def silent_root(query):
    return None


@liar("-forwarder-ad", "127.4.0.1")
def forwarder_ad(query):
    """A forwarder that lies and says that it has validated."""
    return query.reply([record(query.name, "A", EVIL)] if query.kind == "A" else [], ad=True, aa=False, ra=True)


@liar("-forwarder-refuses", "127.4.0.2")
def forwarder_refuses(query):
    return query.reply(rcode=REFUSED, aa=False, ra=True)


def respond(function, query):
    try:
        made = function(query)
    except Exception as error:  # a liar that fails must be seen, not guessed at
        print(f"{query.name} {query.kind}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return []
    return made if isinstance(made, list) else [made] if made is not None else []


def serve_udp(sock, address, function):
    message, peer = sock.recvfrom(65535)
    try:
        query = Query(message)
    except (IndexError, ValueError, struct.error):
        return
    for one in respond(function, query):
        if isinstance(one, tuple) and one[0] == "other port":
            other = socket.socket(sock.family, socket.SOCK_DGRAM)
            other.bind((address, 0))
            other.sendto(one[1], peer)
            other.close()
        elif isinstance(one, bytes):
            too_long = len(one) > 1232 and query.flags & 0x7800 == 0
            sock.sendto(query.reply(tc=True) if too_long else one, peer)


def serve_tcp(conn, function):
    conn.settimeout(5)
    with conn:
        try:
            while size := conn.recv(2, socket.MSG_WAITALL):
                message = conn.recv(struct.unpack("!H", size)[0], socket.MSG_WAITALL)
                made = respond(function, Query(message, tcp=True))
                if not made:
                    return
                for one in made:
                    if isinstance(one, tuple):
                        conn.sendall(one[1])
                        if one[0] == "raw":
                            return
                    else:
                        conn.sendall(struct.pack("!H", len(one)) + one)
        except (OSError, IndexError, ValueError, struct.error):
            pass


def main():
    events = selectors.DefaultSelector()
    for address, (_, function) in LIARS.items():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for sock in (udp, tcp):
            sock.bind((address, 53))
        tcp.listen(64)
        events.register(udp, selectors.EVENT_READ, lambda sock=udp, a=address, f=function: serve_udp(sock, a, f))
        events.register(tcp, selectors.EVENT_READ, lambda sock=tcp, f=function: threading.Thread(target=serve_tcp, args=(sock.accept()[0], f), daemon=True).start())
    print("ready", flush=True)
    while True:
        for key, _ in events.select():
            key.data()


if __name__ == "__main__":
    main()
