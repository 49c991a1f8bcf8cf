#!/usr/bin/env python3
"""with_dkim.py ORACLE: DKIM and ARC beside dkimpy and OpenDKIM. What they sign we verify, and with one octet changed all
judge alike. Seeded: DKIM_SEED (1), DKIM_ROUNDS (rounds of random messages, 60).
"""

import base64
import os
import random
import re
import subprocess
import sys
import tarfile
import time

import dkim
import nacl.encoding
import nacl.signing

from door import Door, Tally, testdata
from opendkim import OpenDkim

DICE = random.Random(int(os.environ.get("DKIM_SEED", "1")))
ROUNDS = int(os.environ.get("DKIM_ROUNDS", "60"))
DOMAIN = "signer.example"
CANONS = [(header, body) for header in ("simple", "relaxed") for body in ("simple", "relaxed")]
# No control characters: their tolerance in tag lists differs.
FIELDS = re.compile(rb"([!-9;-~]+:[^\r\x00-\x08\x0b-\x1f]*(\r\n[ \t][^\r\x00-\x08\x0b-\x1f]*)*\r\n)*\r\n")
BODIES = {
    "empty": b"",
    "one empty line": b"\r\n",
    "empty lines": b"\r\n" * 40,
    "blank lines": b" \r\n\t\r\n \t \r\n",
    "a blank last line": b"text\r\n \t\r\n",
    "a blank last line without end": b"text\r\n \t",
    "without end": b"text",
    "blank at the end, without end": b"text \t",
    "one letter": b"x",
    "blanks": b" a\t\t b  c \t\r\n\r\n  d\r\n\t\r\n",
    "empty lines inside": b"a\r\n\r\n\r\n\r\nb\r\n\r\n\r\n",
    "dots": b".\r\n..\r\n. \r\n",
    "eight bits": "Grüße\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
    "controls": b"a\x01\x0b\x0c\x7f b\r\n\x0c\r\n",
    "a long line": b"y " * 5000 + b"\r\n",
    "a long word": b"z" * 9000 + b"\r\n",
}


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, check=True).stdout


class Key:
    """A key pair and its record."""

    def __init__(self, selector, bits):
        self.selector, self.bits = selector, bits
        if bits == 25519:
            seed = nacl.signing.SigningKey(bytes(DICE.randrange(256) for _ in range(32)))
            self.private = seed.encode(nacl.encoding.Base64Encoder)
            public = seed.verify_key.encode()
            self.algorithm, kind = "ed25519-sha256", "k=ed25519; "
            der = bytes.fromhex("302e020100300506032b657004220420") + seed.encode()
            self.pem = pem("PRIVATE KEY", der)
        else:
            self.private = self.pem = openssl("genrsa", "-traditional", str(bits))
            public = openssl("rsa", "-pubout", "-outform", "DER", data=self.private)
            self.algorithm, kind = "rsa-sha256", ""
        self.record = f"v=DKIM1; {kind}p={base64.b64encode(public).decode()}"
        self.name = f"{selector}._domainkey.{DOMAIN}"


def pem(what, der):
    return f"-----BEGIN {what}-----\n{base64.b64encode(der).decode()}\n-----END {what}-----\n".encode()


def header():
    """Fields with folds, oddities and repetitions."""

    def text():
        words = DICE.choices(["a", "Bc", "d:e", "=?utf-8?q?x?=", "Grüße", "x" * DICE.randrange(1, 400), ";"], k=6)
        return "".join(word + DICE.choice([" ", "  ", "\t", "\r\n ", "\r\n\t ", " \r\n  "]) for word in words) + "z"

    fields = [
        f"From: Some{DICE.choice([' ', '  ', chr(9)])}Body <who@{DOMAIN}>",
        "To: b@box.test,\r\n c@box.test",
        f"Subject:{DICE.choice(['', ' ', '   '])}{text()}",
        f"date: {DICE.choice(['Mon', 'Tue'])}, 1 Jan 2024 00:00:00 +0000 (x)",
        "Message-ID: <1@signer.example>",
        f"X-Again: {text()}",
        "X-Again: second ",
        "x-AGAIN:third",
        "X-Empty:",
        "X-Blank: \t ",
    ]
    DICE.shuffle(fields)
    return "\r\n".join(fields).encode() + b"\r\n\r\n"


def body():
    """Octets of what may hurt, in any order."""
    pieces = [b"\r\n", b"\r\n\r\n", b" ", b"\t", b"  ", b"word", b"x\r\n", b" \r\n", b"\xe4", b".", b"\t\r\n"]
    return b"".join(DICE.choices(pieces, k=DICE.randrange(0, 30)))


def ended(message):
    """As port 25 guarantees it: the last line ends in CRLF."""
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def changed(message):
    """One octet elsewhere. Nothing that port 25 would refuse, and no line that is no field: there the others give up on
    the whole message, whether it is signed or not."""
    while True:
        at = DICE.randrange(len(message))
        new = DICE.choice([octet for octet in range(1, 256) if octet not in (10, 13, message[at])])
        other = message[:at] + bytes([new]) + message[at + 1 :]
        if message[at] not in b"\r\n" and FIELDS.match(other):
            return at, other


class Peers:
    """All three."""

    def __init__(self):
        self.tally, self.door, self.opendkim = Tally(), Door(sys.argv[1]), OpenDkim()
        self.keys = [Key("k1024", 1024), Key("k2048", 2048), Key("k4096", 4096), Key("ked", 25519)]
        self.records = {key.name: key.record for key in self.keys}

    def by_dkimpy(self, message, key, canons):
        names = [b"from", b"to", b"subject", b"date", b"message-id", b"x-again", b"x-again", b"x-empty", b"x-none", b"from"]
        field = dkim.sign(
            message, key.selector.encode(), DOMAIN.encode(), key.private,
            canonicalize=tuple(canon.encode() for canon in canons),
            signature_algorithm=key.algorithm.encode(), include_headers=names,
        )
        return field + message

    def by_opendkim(self, message, key, canons):
        field = self.opendkim.sign(message, key.selector, DOMAIN, key.pem, key.algorithm, canons)
        return field + b"\r\n" + message

    def opendkim_can(self, key, canons):
        """Its Ed25519 signatures over simple header fields it does not verify itself, nor does anybody else."""
        return key.bits != 25519 or self.opendkim.has_ed25519 and canons[0] == "relaxed"

    def by_dkimpy_arc(self, message, key, number):
        """The set of this number on top of the message; dkimpy takes cv= from our results."""
        hop = f"hop{number}.example".encode()
        chain = b"arc=pass" if number > 1 else b"spf=pass smtp.mfrom=a@b.example"
        results = b"Authentication-Results: " + hop + b"; " + chain + b"\r\n"
        names = [b"from", b"to", b"subject", b"date", b"x-again", b"x-none"]
        fields = dkim.arc_sign(
            results + message, key.selector.encode(), DOMAIN.encode(), key.private, hop, include_headers=names
        )
        assert fields, "dkimpy seals"
        return b"".join(fields) + results + message

    def chain(self, message, sets):
        told = self.door.ask(message, self.records, int(time.time()))["arc"]
        return told["outcome"] == "pass" and told["sets"] == sets, told

    def dkimpy_arc(self, message):
        try:
            return dkim.arc_verify(message, dnsfunc=self.find)[0] == b"pass"
        except Exception:  # it raises what its parser meets
            return False

    def find(self, name, timeout=5):
        return self.records.get(name.decode("utf-8", "replace").rstrip("."), "").encode() or None

    def ours(self, message):
        return self.door.ask(message, self.records, int(time.time()))["dkim"]

    def dkimpy(self, message):
        try:
            return dkim.verify(message, dnsfunc=self.find)
        except Exception:  # it raises what its parser meets
            return False

    def passes(self, signed, what):
        told = self.ours(signed)
        self.tally.expect([one["outcome"] for one in told] == ["pass"], f"{what}: {told}")

    def judged_alike(self, signed, what):
        """One octet is changed: whatever we let pass the others let pass, and we refuse nothing that both take."""
        at, message = changed(signed)
        told = self.ours(message)
        good = [one["outcome"] for one in told] == ["pass"]
        others = (self.dkimpy(message), self.opendkim.verify(message, self.records))
        near = message[max(0, at - 20) : at + 20]
        self.tally.expect(good in others, f"{what}, octet {at} ({near}): we say {told}, dkimpy and OpenDKIM {others}")


def main():
    peers = Peers()
    signers = [("dkimpy", peers.by_dkimpy), ("OpenDKIM", peers.by_opendkim)]
    for name, sign in signers:
        for key in peers.keys:
            for canons in CANONS:
                if name == "OpenDKIM" and not peers.opendkim_can(key, canons):
                    continue
                for title, octets in BODIES.items():
                    # The large key is slow in Python, and no other code meets it.
                    if key.bits == 4096 and title not in ("empty", "blanks"):
                        continue
                    signed = sign(header() + ended(octets) if octets else header(), key, canons)
                    what = f"{name} {key.selector} {canons} {title}"
                    peers.passes(signed, what)
                    peers.judged_alike(signed, what)
    large = header() + bytes(DICE.choices(b"ab \t\xe4", k=70)).join([b"\r\n"] * 15_000) + b"\r\n"
    for canons in CANONS:
        peers.passes(peers.by_opendkim(large, peers.keys[1], canons), f"a large body {canons}")
        peers.passes(peers.by_dkimpy(large, peers.keys[3], canons), f"a large body {canons}")
    for _ in range(ROUNDS):
        name, sign = DICE.choice(signers)
        key, canons = DICE.choice([key for key in peers.keys if key.bits != 4096]), DICE.choice(CANONS)
        if name == "OpenDKIM" and not peers.opendkim_can(key, canons):
            continue
        signed = sign(header() + ended(body()), key, canons)
        peers.passes(signed, f"{name} {key.selector} {canons} {signed[-80:]}")
        for _ in range(4):
            peers.judged_alike(signed, f"{name} {key.selector} {canons}")
    chains(peers)
    real_mail(peers)
    peers.tally.end()


def chains(peers):
    """Messages that pass through up to four hands, each with its key."""
    for title, octets in BODIES.items():
        message = header() + (ended(octets) if octets else octets)
        for sets in range(1, 5):
            message = peers.by_dkimpy_arc(message, peers.keys[sets % 2], sets)
            good, told = peers.chain(message, sets)
            peers.tally.expect(good, f"{sets} sets over {title}: {told}")
            for _ in range(3):
                at, other = changed(message)
                good, told = peers.chain(other, sets)
                near = other[max(0, at - 20) : at + 20]
                peers.tally.expect(good == peers.dkimpy_arc(other), f"{sets} sets, octet {at} ({near}): we say {told}")


def real_mail(peers):
    """What real signers write is well-formed: nothing is wrong with it but that its keys are not there."""
    path = testdata("spam", "usrp-users-2019-2026.tar.xz")
    if not path:
        return
    signatures = 0
    with tarfile.open(path) as archive:
        for member in archive:
            if not member.isfile():
                continue
            message = archive.extractfile(member).read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            for one in peers.door.ask(message, {}, None)["dkim"]:
                signatures += 1
                peers.tally.expect(one["reason"] == "there is no key", f"{member.name}: {one['reason']}")
    peers.tally.expect(signatures > 1000, f"only {signatures} signatures in real mail")


main()
