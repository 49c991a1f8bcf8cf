"""DNS messages as bytes, as much as a liar needs: no compression when writing, full reading of questions."""
import ipaddress, struct

KINDS = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "DNAME": 39, "OPT": 41, "DS": 43, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "NSEC3": 50, "TLSA": 52}
NAMES = {v: k for k, v in KINDS.items()}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)


def labels(name):
    return [label for label in name.rstrip(".").split(".") if label]


def pack_name(name):
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in labels(name)) + b"\0"


def under(name, zone):
    """Whether a name stands in a zone or is its apex; case makes no difference."""
    mine, theirs = labels(name.lower()), labels(zone.lower())
    return not theirs or mine[-len(theirs):] == theirs


def rdata(kind, value):
    """The octets of a value written as in a zone file; bytes pass as they are."""
    if isinstance(value, bytes):
        return value
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind in ("NS", "CNAME", "PTR", "DNAME"):
        return pack_name(value)
    if kind == "MX":
        preference, exchange = value.split()
        return struct.pack("!H", int(preference)) + pack_name(exchange)
    if kind == "TXT":
        text = value.encode()
        return b"".join(bytes([len(text[i:i + 255])]) + text[i:i + 255] for i in range(0, max(1, len(text)), 255))
    if kind == "SOA":
        primary, person, *numbers = value.split()
        return pack_name(primary) + pack_name(person) + struct.pack("!5I", *map(int, numbers))
    raise ValueError(kind)


def record(name, kind, value, ttl=300, klass=1):
    data = rdata(kind, value)
    number = KINDS[kind] if isinstance(kind, str) else kind
    return pack_name(name) + struct.pack("!HHIH", number, klass, ttl & 0xffffffff, len(data)) + data


def read_name(message, at):
    """The name at an offset and the offset behind it; follows at most 20 pointers."""
    out, behind, jumps = [], None, 0
    while True:
        size = message[at]
        if size >= 192:
            behind = behind or at + 2
            at, jumps = (size & 63) << 8 | message[at + 1], jumps + 1
            if jumps > 20:
                raise ValueError("pointers")
        elif size == 0:
            return ".".join(out), behind or at + 1
        else:
            out.append(message[at + 1:at + 1 + size].decode("latin-1"))
            at += 1 + size


class Query:
    """A question as it came: `name` keeps the case that was used."""

    def __init__(self, message, tcp=False):
        self.message, self.tcp = message, tcp
        self.id, self.flags, count = struct.unpack_from("!HHH", message)
        self.name, at = read_name(message, 12)
        self.number, self.klass = struct.unpack_from("!HH", message, at)
        self.kind = NAMES.get(self.number, str(self.number))
        self.question = message[12:at + 4]
        self.lower = self.name.lower()

    def reply(self, answer=(), authority=(), additional=(), rcode=NOERROR, aa=True, ad=False, tc=False, id=None, question=None, ra=False, opt=True):
        """A whole message of records that are bytes already."""
        flags = 0x8000 | (0x0400 if aa else 0) | (0x0200 if tc else 0) | (self.flags & 0x0100) | (0x80 if ra else 0) | (0x20 if ad else 0) | rcode
        additional = list(additional) + ([b"\0" + struct.pack("!HHIH", 41, 1232, 0x8000, 0)] if opt else [])
        head = struct.pack("!6H", self.id if id is None else id, flags, 1, len(answer), len(authority), len(additional))
        return head + (self.question if question is None else question) + b"".join(answer) + b"".join(authority) + b"".join(additional)
