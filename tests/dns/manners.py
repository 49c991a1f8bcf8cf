"""How the resolver asks, seen on the wire: hard to forge for (RFC 5452, 0x20), and telling nobody more than he needs (RFC 9156)."""
from internet import SERVERS
from wire import labels

NAMES = [f"{name} {kind}" for name, kind in (
    ("www.ecdsa.test", "A"), ("mx.ecdsa.test", "A"), ("deep.ent.three.ecdsa.test", "A"), ("www.sub.ecdsa.test", "A"), ("www.insecure.test", "A"), ("mail.victim.test", "A"), ("nothere.single.test", "MX"),
    ("www.three.example", "TXT"), ("www.bare.optout.example", "A"), ("2.0.0.127.bl.example", "A"), ("_25._tcp.mx.ecdsa.test", "TLSA"), ("_dmarc.rsa.test", "TXT"), ("k._domainkey.rsa.test", "TXT"), ("1.2.0.192.in-addr.arpa", "PTR"))]


def manners(run):
    """Yields (what, fault or None, what was seen)."""
    asker, mark = run.asker({}), run.sniffer.mark()
    try:
        for name in NAMES:
            asker.ask(name)
        run.sniffer.mark()
    finally:
        asker.stop()
    asked = [q for q in run.sniffer.questions[mark:] if q.how == "udp"]
    told = lambda servers, most: sorted({q.name.lower() for q in asked if q.server in servers and len(labels(q.name)) > most})
    count = f"{len(asked)} questions for {len(NAMES)} names"
    yield "the root is told top-level names only", ", ".join(told(SERVERS["root"], 1)) or None, count
    # The reverse trees are cut at other places.
    further = [n for n in told(SERVERS["tld"], 2) if not n.endswith(".arpa")]
    yield "a top-level domain is told names of domains only", ", ".join(further) or None, count
    letters = [q for q in asked if sum(c.isalpha() for c in q.name) >= 6]
    mixed = [q for q in letters if q.name not in (q.name.lower(), q.name.upper())]
    yield "letters are in mixed case", None if len(mixed) * 10 >= len(letters) * 8 else f"{len(mixed)} of {len(letters)}", f"{len(mixed)} of {len(letters)}"
    ports, ids = {q.port for q in asked}, {q.id for q in asked}
    yield "source ports differ", None if len(ports) * 10 >= len(asked) * 9 else f"{len(ports)} for {len(asked)}", f"{len(ports)} for {len(asked)}"
    yield "ids differ", None if len(ids) * 10 >= len(asked) * 9 else f"{len(ids)} for {len(asked)}", f"{len(ids)} for {len(asked)}"
    recursive = [q.name for q in asked if q.flags & 0x0100]
    yield "nobody is asked to recurse", ", ".join(recursive) or None, count
