"""What an SMTP peer may try."""
import hashlib, re, socket, time
from readback import found, open_mailbox
from smtp import Smtp

SENDER = "a@elsewhere.example"
ENDS = {"LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r", "CRLF.CR": b"\r\n.\r", "CR.CRLF": b"\r.\r\n", "LF.CR": b"\n.\r", "CR.LF": b"\r.\n",
        "CRLF NUL.CRLF": b"\r\n\0.\r\n", "CRLF.NUL CRLF": b"\r\n.\0\r\n", "CRCRLF.CRCRLF": b"\r\r\n.\r\r\n", "CRLF.CRCRLF": b"\r\n.\r\r\n"}


def begin(box, to=None):
    """A connection with an open transaction."""
    s = Smtp(box.smtp, timeout=60).ehlo()
    s.expect(f"MAIL FROM:<{SENDER}>", 250)
    s.expect(f"RCPT TO:<{to or box.account}>", 250)
    return s


def usable(s, box):
    """The framing is kept: the next command gets its own answer, the next message is taken."""
    s.expect("NOOP", 250)
    code, text = s.deliver(SENDER, [box.account], b"Subject: after abuse\r\n\r\nx\r\n")
    assert code == 250, f"the next message got {code} {text}"
    assert s.quit() == 221


def smuggle(box, name, end, by):
    marker = f"smuggled-{hashlib.sha256((name + by).encode()).hexdigest()[:12]}"
    inner = f"MAIL FROM:<evil@elsewhere.example>\r\nRCPT TO:<{box.account}>\r\nDATA\r\nSubject: {marker}\r\n\r\nsmuggled\r\n.\r\n".encode()
    body = b"Subject: outer\r\n\r\nbefore" + end + inner.replace(b"\r\n.\r\n", b"\r\n..\r\n")
    s = begin(box)
    if by == "data":
        s.expect("DATA", 354)
        s.send(body + b"after\r\n.\r\n")
    else:
        s.send(b"BDAT %d LAST\r\n" % len(body) + body)
    code, text = s.reply()
    assert code == 554 and text.startswith("5.6.0"), f"got {code} {text}"
    usable(s, box)
    assert not any(found(box, marker, name, seconds=0) for name in ("INBOX", "Junk")), "the smuggled message is there"


def starttls_injection(box):
    s = Smtp(box.smtp).ehlo()
    s.send(b"STARTTLS\r\nNOOP injected\r\nMAIL FROM:<evil@elsewhere.example>\r\n")
    code, text = s.reply()
    if code != 220:
        return f"refused with {code}"
    try:
        s.socket, s.rest = box.tls().wrap_socket(s.socket), b""
    except OSError:
        return "the handshake fails"
    code, text = s.command("EHLO client.example")
    assert code == 250 and "\n" in text, f"the first answer inside TLS is {code} {text!r}: to the injected command?"
    code, text = s.command(f"RCPT TO:<{box.account}>")
    assert code == 503, f"RCPT after an injected MAIL got {code} {text}"
    s.close()
    return "dropped"


def state_forgotten(box):
    s = Smtp(box.smtp).ehlo()
    s.expect(f"MAIL FROM:<{SENDER}>", 250)
    code, text = s.command("STARTTLS")
    if code == 220:
        s.socket, s.rest = box.tls().wrap_socket(s.socket), b""
        code, text = s.command(f"RCPT TO:<{box.account}>")
    assert code == 503, f"a transaction survived STARTTLS: {code} {text}"


def long_lines(box):
    s = Smtp(box.smtp).ehlo()
    s.expect("NOOP " + "x" * (2048 - 7), 250)
    code, text = s.command("NOOP " + "x" * (2048 - 6))
    assert code == 500, f"a command of 2,049 octets got {code} {text}"
    s.send(b"y" * 5_000_000 + b"\r\n")
    code, text = s.reply()
    assert code in (500, 421), f"a command of 5 MB got {code} {text}"
    if code == 500:
        usable(s, box)


def long_text_line(box):
    s = begin(box)
    s.expect("DATA", 354)
    body = b"Subject: one long line\r\n\r\n" + b"z" * 3_000_000 + b"\r\n"
    s.send(body + b".\r\n")
    code, text = s.reply()
    assert code == 250, f"got {code} {text}"
    hits = found(box, "Subject: one long line")
    assert len(hits) == 1 and hits[0][2].endswith(body), "it did not come back as it was"


def lone_lines(box):
    s = Smtp(box.smtp).ehlo()
    s.send(b"NOOP\nNOOP\r\n")
    code, text = s.reply()
    assert 500 <= code < 560, f"a command with a bare LF got {code} {text}"
    usable(s, box)


def bdat_lies(box):
    s = begin(box)
    s.send(b"BDAT 1000 LAST\r\nSubject: never whole\r\n\r\n")
    s.close()
    for words in ("BDAT", "BDAT -1", "BDAT 5x LAST", "BDAT 99999999999999999999 LAST", "BDAT 5 FIRST"):
        s = begin(box)
        code, text = s.command(words)
        assert 500 <= code < 560 or code == 421, f"{words} got {code} {text}"
        s.close()
    s = begin(box)
    head = b"Subject: fifty MiB and one\r\n\r\n"
    s.send(b"BDAT %d LAST\r\n" % ((50 << 20) + 1) + head + b"w" * ((1 << 20) + 1 - len(head)))
    for _ in range(49):
        s.send(b"w" * (1 << 20))
    code, text = s.reply()
    assert code == 552, f"BDAT of one octet more than 50 MiB got {code} {text}"
    usable(s, box)
    s = Smtp(box.smtp).ehlo()
    s.send(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")  # no transaction: the six octets are content, not a command
    code, _ = s.reply()
    assert code == 503, code
    s.reply()
    usable(s, box)
    s = begin(box)
    s.send(b"BDAT 3\r\na\r\n")
    assert s.reply()[0] == 250
    code, text = s.command("DATA")
    assert code == 503, f"DATA after BDAT got {code} {text}"
    s.expect("RSET", 250)
    usable(s, box)
    s = begin(box)
    s.send(b"BDAT 0 LAST\r\n")
    code, text = s.reply()
    assert code in (250, 554), f"an empty message got {code} {text}"
    assert not any(found(box, "never whole", name, seconds=0) for name in ("INBOX", "Junk")), "half a message is there"


def crlf_across_chunks(box):
    s = begin(box)
    s.send(b"BDAT 27\r\nSubject: split CRLF\r\n\r\nabc\r" + b"BDAT 5 LAST\r\n\nde\r\n")
    replies = [s.reply(), s.reply()]
    assert [r[0] for r in replies] == [250, 250], replies
    hits = found(box, "split CRLF")
    assert len(hits) == 1 and hits[0][2].endswith(b"\r\n\r\nabc\r\nde\r\n"), "CRLF split between chunks"


def mail(box, content, *codes):
    """Deliver and expect one of the codes; returns (code, text)."""
    with Smtp(box.smtp, timeout=90) as s:
        s.ehlo()
        code, text = s.deliver(SENDER, [box.account], content)
        assert code in codes, f"got {code} {text}, expected {codes}"
        if code != 250:
            usable(s, box)
        return code, text


def described(box, marker):
    """ENVELOPE and BODYSTRUCTURE of the newest message with the marker: answered, with balanced parentheses. What
    hides who wrote it is in Junk."""
    mailbox = "INBOX" if found(box, marker, seconds=2) else "Junk"
    hits = found(box, marker, mailbox)
    assert hits, "it is in neither mailbox"
    with open_mailbox(box, mailbox) as c:
        begun = time.monotonic()
        answer = c.ok(f"UID FETCH {hits[-1][0]} (ENVELOPE BODYSTRUCTURE BODY)")
        took = time.monotonic() - begun
        text = b"".join(b"".join(p[::2]) for p in answer.lines)
        bare = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", text)
        assert bare.count(b"(") == bare.count(b")"), "parentheses do not match"
        assert b"BODYSTRUCTURE (" in text, "no BODYSTRUCTURE"
        return f"{len(text)} octets of structure in {took * 1000:.0f} ms"


def parts(box):
    mail(box, b"Subject: ten thousand parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 10_000 + b"--b--\r\n", 250)
    return described(box, "Subject: ten thousand parts")


def nested(box, kind):
    if kind == "multipart":
        body = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(500)) + b"\r\ndeep\r\n"
    else:
        body = b"Content-Type: message/rfc822\r\n\r\n" * 500 + b"Subject: deepest\r\n\r\ndeep\r\n"
    mail(box, b"Subject: nested %s\r\nMIME-Version: 1.0\r\n" % kind.encode() + body, 250)
    return described(box, f"Subject: nested {kind}")


def header_block(box):
    fields = b"".join(b"X-Field-%05d: %s\r\n" % (i, b"v" * 40) for i in range(2_000))  # 118 KB
    mail(box, b"Subject: many fields\r\n" + fields + b"\r\nx\r\n", 250)
    described(box, "Subject: many fields")
    code, text = mail(box, b"Subject: too much header\r\nX-Long: " + b"h" * (132 << 10) + b"\r\n\r\nx\r\n", 554, 552)
    assert text.startswith("5.6.0") or text.startswith("5.3.4"), text
    mail(box, b"Subject: no end of header\r\n" + b"X-F: vvvvvvvvvvvvvvvv\r\n" * 20_000, 554, 552)


def one_field(box):
    to = b",\r\n ".join(b"someone%d@elsewhere.example" % i for i in range(3_500))  # 115 KB
    mail(box, b"Subject: long To\r\nTo: " + to + b"\r\n\r\nx\r\n", 250)
    return described(box, "Subject: long To")


def invalid_utf8(box):
    mail(box, b"Subject: bad \xff\xfe\xc0\xaf octets\r\nFrom: \xf0\x28\x8c\x28 <a\xff@b>\r\nContent-Type: text/plain; charset=\xff; name=\"\xfe\r\n\r\n\xff\xfe\x80\r\n", 250)
    described(box, b"bad \xff\xfe\xc0\xaf octets")
    s = Smtp(box.smtp).ehlo()
    for words in (b"MAIL FROM:<\xff\xfe@elsewhere.example>", b"MAIL FROM:<\xc3\x28@elsewhere.example> SMTPUTF8", b"EHLO \xff"):
        code, text = s.command(words)
        assert 500 <= code < 560, f"{words!r} got {code} {text}"
    s.command("RSET")
    usable(s, box)


def too_large(box):
    s = Smtp(box.smtp, timeout=120).ehlo()
    assert s.keywords.get("SIZE") == [str(50 << 20)], s.keywords.get("SIZE")
    code, text = s.command(f"MAIL FROM:<{SENDER}> SIZE={(50 << 20) + 1}")
    assert code == 552 and text.startswith("5.3.4"), f"SIZE above the limit got {code} {text}"
    head, line = b"Subject: fifty MiB\r\n\r\n", b"L" * 62 + b"\r\n"
    s.expect("RSET", 250)
    for more, expected in ((1, 552), (0, 250)):
        s.expect(f"MAIL FROM:<{SENDER}>", 250)
        s.expect(f"RCPT TO:<{box.account}>", 250)
        s.expect("DATA", 354)
        size, sent, sum_ = (50 << 20) + more, 0, hashlib.sha256()
        for piece in [head] + [line * 16384] * ((50 << 20) // len(line * 16384)):
            piece = piece[:max(0, size - sent - 2)]
            sent += len(piece)
            sum_.update(piece)
            s.send(piece)
        rest = b"e" * (size - sent - 2) + b"\r\n"
        sum_.update(rest)
        s.send(rest + b".\r\n")
        code, text = s.reply()
        assert code == expected, f"{size} octets got {code} {text}, expected {expected}"
        assert code == 250 or text.startswith("5.3.4"), text
    usable(s, box)
    with open_mailbox(box) as c:
        hits = [u for u in map(int, re.findall(rb"\d+", b"".join(c.ok('UID SEARCH SUBJECT "fifty MiB"').flat())))]
        assert len(hits) == 1, f"{len(hits)} such messages"
        octets = c.bodies(hits[0])[hits[0]][1]
        assert hashlib.sha256(octets[-(50 << 20):]).digest() == sum_.digest(), "50 MiB came back changed"
        c.ok(f"UID STORE {hits[0]} +FLAGS.SILENT (\\Deleted)")
        c.ok("EXPUNGE")


def recipients(box):
    s = Smtp(box.smtp).ehlo()
    s.expect(f"MAIL FROM:<{SENDER}>", 250)
    local, domain = box.account.split("@")
    for i in range(100):
        s.expect(f"RCPT TO:<{local}+{i}@{domain}>", 250)
    code, text = s.command(f"RCPT TO:<{local}+100@{domain}>")
    assert code == 452 and text.startswith("4.5.3"), f"recipient 101 got {code} {text}"
    s.expect("DATA", 354)
    s.send(b"Subject: hundred recipients\r\n\r\nx\r\n.\r\n")
    assert s.reply()[0] == 250
    usable(s, box)


def bad_commands(box):
    s, codes = Smtp(box.smtp).ehlo(), []
    try:
        for i in range(14):
            codes.append(s.command(f"NONSENSE{i}")[0])
            if codes[-1] == 421:
                break
        else:
            raise AssertionError(f"never closed: {codes}")
    except OSError:
        raise AssertionError(f"closed without a 421 after {codes}") from None
    assert all(500 <= c < 510 for c in codes[:-1]) and 9 <= len(codes) <= 12, codes
    return f"421 at number {len(codes)}"


def loop(box):
    mail(box, b"Received: from a by b; Fri, 20 Nov 2026 10:00:00 +0000\r\n" * 60 + b"Subject: loop\r\n\r\nx\r\n", 554)


def relaying(box):
    local, domain = box.account.split("@")
    s = Smtp(box.smtp).ehlo()
    s.expect(f"MAIL FROM:<{SENDER}>", 250)
    for to in ("someone@remote.example", f"someone%remote.example@{domain}", f'"someone@remote.example"@{domain}', f"remote.example!someone@{domain}", f"@{domain}:someone@remote.example", "someone@[127.0.0.1]", f"{local}@{domain}@remote.example", ""):
        code, text = s.command(f"RCPT TO:<{to}>")
        assert 500 <= code < 560, f"RCPT TO:<{to}> got {code} {text}"
    code, text = s.command("VRFY " + local)
    assert code == 252, f"VRFY got {code} {text}"


def postmaster(box):
    s = Smtp(box.smtp).ehlo()
    s.expect(f"MAIL FROM: <{SENDER}>", 250)  # a space after the colon is forgiven
    s.expect("RCPT TO:<postmaster>", 250)
    s.expect("RCPT TO:<PostMaster>", 250)


def pipelined(box):
    """Pipelined commands are all answered; more than 100 of them without a message is chatting, and ends with 421."""
    s = Smtp(box.smtp).ehlo()
    s.send(b"NOOP\r\n" * 80 + b"QUIT\r\n")
    codes = [s.reply()[0] for _ in range(81)]
    assert codes == [250] * 80 + [221], codes[-5:]
    s = Smtp(box.smtp).ehlo()
    s.send(b"NOOP\r\n" * 200)
    codes = []
    while not codes or codes[-1] == 250:
        codes.append(s.reply()[0])
    assert codes[-1] == 421 and 90 <= len(codes) <= 101, (len(codes), codes[-1])


def slow(box):
    """Half-open and slow peers from many addresses, while others are served."""
    peers = []
    for i in range(100):
        p = Smtp(box.smtp, source=f"127.0.1.{i + 1}", greet=False)
        p.send((b"", b"E", b"EHLO x\r\n", b"EHLO x\r\nMAIL FROM:<a@b", b"EHLO x\r\n" + b"q" * 1500)[i % 5])
        peers.append(p)
    for _ in range(10):
        for p in peers[::5]:
            try:
                p.send(b" ")
            except OSError:
                pass
        begun = time.monotonic()
        code, text = Smtp(box.smtp).ehlo().deliver(SENDER, [box.account], b"Subject: among the slow\r\n\r\nx\r\n")
        took = time.monotonic() - begun
        assert code == 250 and took < 5, f"{code} {text} after {took:.1f} s"
        time.sleep(0.1)
    for p in peers:
        p.close()


def garbage(box):
    for address in (box.smtp, box.submission, box.submissions, box.imap, box.imaps):
        for octets in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 300, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20, b"\xff" * 70_000, b"\0\r\n" * 100, b"\r\n" * 1000):
            with socket.create_connection(address, 10) as s:
                s.settimeout(0.3)
                try:
                    s.sendall(octets)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
                except OSError:
                    pass


def run(box, t):
    """All of it."""
    for name, end in ENDS.items():
        for by in ("data", "bdat"):
            t.attempt(f"smuggling {name} by {by.upper()}: 554 5.6.0, one message, framing kept", smuggle, box, name, end, by)
    for what, act in (("commands behind STARTTLS", starttls_injection), ("a transaction does not survive STARTTLS", state_forgotten), ("over-long command lines: 500", long_lines),
                      ("a line of 3 MB inside DATA is taken and comes back", long_text_line), ("a bare LF in a command", lone_lines), ("BDAT with lying sizes", bdat_lies), ("CRLF split between two BDAT chunks", crlf_across_chunks),
                      ("10,000 MIME parts", parts), ("a header block above 128 KiB: 554; 2,000 fields below it are taken", header_block), ("a field of 115 KB with 3,500 addresses", one_field),
                      ("invalid UTF-8", invalid_utf8), ("50 MiB is taken, one octet more is not (552 5.3.4)", too_large), ("recipient 101: 452 4.5.3", recipients), ("bad commands end with 421", bad_commands),
                      ("60 Received fields: a loop (554)", loop), ("relaying in eight spellings is refused", relaying), ("<postmaster> without a domain, a space after FROM:", postmaster), ("80 pipelined commands, and 200", pipelined),
                      ("100 half-open and slow peers", slow), ("garbage on every port", garbage)):
        t.attempt(what, act, box)
    for kind in ("multipart", "message"):
        t.attempt(f"500 levels of {kind}", nested, box, kind)
