"""Signed mail of twelve domains and the DNS that vouches for it: from a seed, but for the keys, which are made anew."""
import base64, random, subprocess

import dkim, nacl.encoding, nacl.signing

DOMAINS, KEYS = 12, 3
SHAPES = {"RSA-2048": ("rsa",), "RSA-2048 and Ed25519": ("ed", "rsa"), "RSA-2048 and an ARC set": ("rsa", "arc")}
SIGNED = [name.encode() for name in ("from", "to", "subject", "date", "message-id", "mime-version", "content-type", "reply-to", "from")]
WORDS = "the of to and in is it you that was for on are with as his they be at one have this from or had by hot but some what there we can out other were all your when up use word how said an each she which do their time if will way about many then them would write like so these her long make thing see him two has look more day could go come did my sound no most number who over know water than call first people may down side been now find any new work part take get place made live where after back little only round man year came show every good me give our under name very through just form much great think say help low line before turn cause same mean differ move right boy old too does tell sentence set three want air well also play small end put home read hand port large spell add even land here must big high such follow act why ask men change went light kind off need house picture try us again animal point mother world near build self earth father".split()


class Keys:
    """Private keys and what the DNS says of them."""

    def __init__(self):
        openssl = lambda *words, data=None: subprocess.run(["openssl", *words], input=data, capture_output=True, check=True).stdout
        self.rsa = [openssl("genrsa", "-traditional", "2048") for _ in range(KEYS)]
        self.rsa_records = ["v=DKIM1; p=" + base64.b64encode(openssl("rsa", "-pubout", "-outform", "DER", data=key)).decode() for key in self.rsa]
        seed = nacl.signing.SigningKey(random.Random(2).randbytes(32))
        self.ed, self.ed_record = seed.encode(nacl.encoding.Base64Encoder), "v=DKIM1; k=ed25519; p=" + base64.b64encode(seed.verify_key.encode()).decode()


def zone(keys):
    """{name: [{kind: value}]}, as tests/authentic/zone.rs reads it. Who may send stands in an include, in mx, or behind both."""
    out = {"hop.test": [{"A": "198.51.100.9"}], "arc._domainkey.hop.test": [{"TXT": keys.rsa_records[0]}]}
    for n in range(DOMAINS):
        domain, client = f"d{n}.test", f"192.0.2.{n + 1}"
        spf = ("v=spf1 include:_spf.{0} -all", "v=spf1 mx -all", "v=spf1 a include:_other.{0} mx -all")[n % 3].format(domain)
        out |= {
            domain: [{"A": f"198.51.100.{n + 1}"}, {"MX": [10, f"mail.{domain}"]}, {"TXT": spf}],
            f"_spf.{domain}": [{"TXT": "v=spf1 ip4:203.0.113.0/24 ip4:192.0.2.0/24 -all"}],
            f"_other.{domain}": [{"TXT": "v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all"}],
            f"mail.{domain}": [{"A": client}, {"TXT": "v=spf1 a -all"}],
            f"_dmarc.{domain}": [{"TXT": f"v=DMARC1; p=reject; rua=mailto:reports@{domain}"}],
            f"rsa._domainkey.{domain}": [{"TXT": keys.rsa_records[n % KEYS]}],
            f"ed._domainkey.{domain}": [{"TXT": keys.ed_record}],
            f"{n + 1}.2.0.192.in-addr.arpa": [{"PTR": f"mail.{domain}"}],
        }
    return out


def zone_file(zone):
    """The same for a name server, as a root zone."""
    lines = ["$ORIGIN .", "$TTL 86400", "@ SOA ns.test. hostmaster.test. 1 7200 3600 1209600 60", "@ NS ns.test.", "ns.test. A 127.0.0.1"]
    for name, records in zone.items():
        for record in records:
            ((kind, value),) = record.items()
            if kind == "TXT":
                value = " ".join(f'"{value[at:at + 250]}"' for at in range(0, len(value), 250))
            elif kind == "MX":
                value = f"{value[0]} {value[1]}."
            lines.append(f"{name}. {kind} {value}{'.' if kind == 'PTR' else ''}")
    return "\n".join(lines) + "\n"


def messages(keys, shape, size, count):
    """Pairs of facts (client, helo, sender) and octets."""
    dice = random.Random(f"{shape} {size}")
    for at in range(count):
        n = at % DOMAINS
        facts = {"client": f"192.0.2.{n + 1}", "helo": f"mail.d{n}.test", "sender": f"anna@d{n}.test"}
        yield facts, signed(keys, SHAPES[shape], n, plain(dice, n, at, size))


def signed(keys, how, n, message):
    for one in how:
        if one == "arc":
            results = b"Authentication-Results: hop.test; spf=pass smtp.mailfrom=anna@d%d.test; dkim=pass header.d=d%d.test\r\n" % (n, n)
            fields = dkim.arc_sign(results + message, b"arc", b"hop.test", keys.rsa[0], b"hop.test", include_headers=SIGNED)
            message = b"".join(fields) + results + message
        else:
            private, algorithm = (keys.ed, b"ed25519-sha256") if one == "ed" else (keys.rsa[n % KEYS], b"rsa-sha256")
            message = dkim.sign(message, one.encode(), b"d%d.test" % n, private, canonicalize=(b"relaxed", b"relaxed"), signature_algorithm=algorithm, include_headers=SIGNED) + message
    return message


def plain(dice, n, at, size):
    """Text, and in large ones an attachment behind 8 KB of it; so many octets before it is signed."""
    text = lambda octets: fold(" ".join(dice.choice(WORDS) for _ in range(octets // 5)), octets)
    head = (f"Received: from desk.d{n}.test (desk.d{n}.test [10.1.2.3])\r\n\tby mail.d{n}.test with ESMTPSA id {at:08x}\r\n\tfor <bert@box.test>; Fri, 20 Nov 2026 10:00:00 +0000\r\n"
            f"From: Anna Example <anna@d{n}.test>\r\nTo: Bert Example <bert@box.test>\r\nReply-To: anna@d{n}.test\r\nSubject: {text(50).strip()}\r\n"
            f"Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{dice.getrandbits(64):016x}@d{n}.test>\r\nUser-Agent: Bench 1.0\r\nMIME-Version: 1.0\r\n")
    if size < 10_000:
        head += "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        return (head + text(size - len(head))).encode()
    head += 'Content-Type: multipart/mixed; boundary="part"\r\n\r\n--part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n' + text(8_000)
    head += '\r\n--part\r\nContent-Type: application/octet-stream; name="data.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    data = base64.encodebytes(dice.randbytes((size - len(head)) * 100 // 139)).decode().replace("\n", "\r\n")
    return (head + data + "--part--\r\n").encode()


def fold(text, octets):
    """Lines of some 72 octets."""
    lines = [text[at:at + 70].strip() or "." for at in range(0, min(len(text), octets), 72)]
    return "\r\n".join(lines) + "\r\n"
