"""Signatures of DNSSEC by hand (RFC 4034, 5155, 6605): ECDSA P-256, slow and not for secrets, so that liars can sign lies."""
import base64, hashlib, struct, time
from functools import lru_cache
from wire import KINDS, labels, pack_name, rdata

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296, 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(number, point=G):
    out = None
    while number:
        if number & 1:
            out = add(out, point)
        point, number = add(point, point), number >> 1
    return out


def tag(key):
    """RFC 4034 appendix B."""
    total = sum(octet << 8 if i % 2 == 0 else octet for i, octet in enumerate(key))
    return (total + (total >> 16)) & 0xffff


def canonical(name):
    return pack_name(name.lower())


class Key:
    """The one key of a zone, made of its name, so that it is the same in every run."""

    def __init__(self, zone, seed=""):
        self.zone = zone
        self.secret = int.from_bytes(hashlib.sha256(f"{zone}/{seed}".encode()).digest(), "big") % (N - 1) + 1
        x, y = times(self.secret)
        self.rdata = struct.pack("!HBB", 257, 3, 13) + x.to_bytes(32, "big") + y.to_bytes(32, "big")
        self.tag = tag(self.rdata)

    def ds(self, digest=None):
        """As it stands in the parent's zone file."""
        digest = digest or hashlib.sha256(canonical(self.zone) + self.rdata).hexdigest()
        return f"{self.tag} 13 2 {digest}"

    def anchor(self):
        """As a trust anchor."""
        return f"{self.zone}. IN DNSKEY 257 3 13 {base64.b64encode(self.rdata[4:]).decode()}\n"

    @lru_cache(4096)
    def _raw(self, digest):
        z = int.from_bytes(digest, "big")
        k = int.from_bytes(hashlib.sha256(b"k" + digest + self.secret.to_bytes(32, "big")).digest(), "big") % (N - 1) + 1
        r = times(k)[0] % N
        return r.to_bytes(32, "big") + (pow(k, -1, N) * (z + r * self.secret) % N).to_bytes(32, "big")

    def sign(self, name, kind, values, ttl=300, begin=-3600, end=86400 * 7, signer=None, count=None, tag=None):
        """The octets of an RRSIG over a set; begin and end are seconds from now, count is the Labels field."""
        now = int(time.time()) // 3600 * 3600
        own = len([label for label in labels(name) if label != "*"])
        head = struct.pack("!HBBIIIH", KINDS[kind] if isinstance(kind, str) else kind, 13, own if count is None else count, ttl, now + end, now + begin, self.tag if tag is None else tag) + canonical(self.zone if signer is None else signer)
        owner = name if count is None or count >= own else "*." + ".".join(labels(name)[own - count:])
        body = b"".join(canonical(owner) + struct.pack("!HHIH", KINDS[kind], 1, ttl, len(d)) + d for d in sorted(rdata(kind, v) for v in values))
        return head + self._raw(hashlib.sha256(head + body).digest())


def bitmap(kinds):
    """RFC 4034 section 4.1.2, window 0 only."""
    bits = bytearray(32)
    for kind in kinds:
        number = KINDS[kind]
        bits[number // 8] |= 0x80 >> number % 8
    size = max((i + 1 for i in range(32) if bits[i]), default=0)
    return bytes([0, size]) + bytes(bits[:size]) if size else b""


def nsec(following, kinds):
    return canonical(following) + bitmap(kinds)


def nsec3_hash(name, salt, iterations):
    digest = hashlib.sha1(canonical(name) + salt).digest()
    for _ in range(iterations):
        digest = hashlib.sha1(digest + salt).digest()
    return digest


def base32(digest):
    return base64.b32hexencode(digest).decode().lower()


def nsec3(following, kinds, salt=b"", iterations=0, flags=0):
    return struct.pack("!BBHB", 1, flags, iterations, len(salt)) + salt + bytes([len(following)]) + following + bitmap(kinds)
