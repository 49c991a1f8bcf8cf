"""What an IMAP peer may try."""
import time
from imap import Imap
from readback import open_mailbox


def alive(c):
    """The framing is kept: the next command gets its own answer."""
    assert c.command("NOOP").status == "OK"
    c.logout()


def starttls_injection(box):
    c = Imap(box.imap)
    c.send(b"t0 STARTTLS\r\nt1 NOOP\r\nt2 LOGIN injected injected\r\n")
    parts = c.read_line()
    if not parts[0].startswith(b"t0 OK"):
        return "refused: " + parts[0].decode("utf-8", "replace")
    try:
        c.socket = box.tls().wrap_socket(c.socket)
    except OSError:
        return "the handshake fails"
    c.file = c.socket.makefile("rb")
    c.send(b"t9 CAPABILITY\r\n")
    first, second = c.read_line()[0], c.read_line()[0]
    assert first.startswith(b"* CAPABILITY") and second.startswith(b"t9 OK"), f"the first answers inside TLS are {first!r}, {second!r}: to the injected commands?"
    assert b"STARTTLS" not in first, "STARTTLS is offered inside TLS"
    c.close()
    return "dropped"


def before_login(box):
    c = Imap(box.imap)
    for words in ("SELECT INBOX", "FETCH 1 FLAGS", "APPEND INBOX {5+}\r\nhello", "LIST \"\" *"):
        assert c.command(words).status in ("BAD", "NO"), words
    alive(c)


def long_command(box):
    with open_mailbox(box) as c:
        answer = c.command("NOOP " + "x" * 100_000)
        assert answer.status in ("BAD", "NO"), answer.status
        alive(c)
    c = Imap(box.imap)
    try:
        c.send(b"t1 LOGIN " + b"y" * 3_000_000 + b"\r\n")
        line = c.read_line()[0]
        assert line.startswith((b"t1 BAD", b"t1 NO", b"* BYE", b"* BAD")), line[:80]
    except OSError:
        pass  # closed without reading it all: as good


def literals(box):
    c = Imap(box.imap)
    for size in ("99999999999999999999", "5000000000", "4294967296", "104857600"):
        tag = c.begin("LOGIN {" + size + "}")
        line = c.read_line()[0]
        assert not line.startswith(b"+"), f"a literal of {size} octets in LOGIN was invited"
        assert line.startswith((tag + b" BAD", tag + b" NO", b"* BYE")), line
        if line.startswith(b"* BYE"):
            c = Imap(box.imap)
    alive(c)
    with open_mailbox(box) as c:
        tag = c.begin("APPEND INBOX {" + str((50 << 20) + 1) + "}")
        line = c.read_line()[0]
        assert line.startswith(tag + b" NO"), f"APPEND of more than 50 MiB got {line!r}"
        alive(c)
    with open_mailbox(box) as c:  # LITERAL+ cannot be declined: it is skipped, or the connection ends with a reason
        try:
            c.send(b"t7 APPEND INBOX {60000000+}\r\n")
            for _ in range(60):
                c.send(b"z" * 1_000_000)
            c.send(b"\r\n")
        except OSError:
            pass
        try:
            line = c.read_line()[0]
            assert line.startswith((b"t7 NO", b"t7 BAD", b"* BYE")), line
        except OSError:
            pass
    c = Imap(box.imap)
    c.send(b"t1 LOGIN {3+}\r\nabc {2000000+}\r\n")
    try:
        c.send(b"x" * 2_000_000 + b"\r\n")
        line = c.read_line()[0]
        assert line.startswith((b"t1 BAD", b"t1 NO", b"* BYE")), line
    except OSError:
        pass


def bad_syntax(box):
    words = (b"", b"SELECT", b"SELECT \"unclosed", b"FETCH 0 FLAGS", b"FETCH 1:*:2 FLAGS", b"FETCH 1 (((((", b"FETCH 99999999999999 FLAGS", b"STORE 1 FLAGS (\\)", b"SEARCH (((((", b"LIST \"\" {", b"UID", b"\xff\xff\xff")
    for word in words:
        with open_mailbox(box) as c:
            answer = c.command(word)
            assert answer.status in ("BAD", "NO"), f"{word!r} got {answer.status} {answer.text}"
            alive(c)


def deep(box):
    with open_mailbox(box) as c:
        answer = c.command(b"SEARCH " + b"(" * 5_000 + b"ALL" + b")" * 5_000)
        assert answer.status in ("BAD", "NO", "OK"), answer.status
        answer = c.command(b"SEARCH " + b"NOT " * 8_000 + b"ALL")
        assert answer.status in ("BAD", "NO", "OK"), answer.status
        answer = c.command(b"SEARCH " + b"OR ALL " * 5_000 + b"ALL")
        assert answer.status in ("BAD", "NO", "OK"), answer.status
        answer = c.command(b"FETCH 1 BODY[" + b"1." * 5_000 + b"1]")
        assert answer.status in ("BAD", "NO", "OK"), answer.status
        alive(c)


def names(box):
    with open_mailbox(box) as c:
        for name in (b'"' + b"a/" * 200 + b'b"', b'"&bad"', b'"\xff\xfe"', b'"a//b"', b'"' + b"n" * 5_000 + b'"', b'"../../etc"', b'"a\x01b"', b'""', b'"%"', b'"*"'):
            answer = c.command(b"CREATE " + name)
            if answer.status == "OK":
                assert c.command(b"DELETE " + name).status == "OK", f"{name[:20]!r} was created and cannot be deleted"
        alive(c)


def keywords(box):
    with open_mailbox(box) as c:
        c.append("INBOX", b"Subject: keywords\r\n\r\nx\r\n")
        c.select()
        last = None
        for i in range(200):
            last = c.command(f"STORE 1 +FLAGS (keyword{i})")
            if last.status != "OK":
                break
        assert last.status == "NO", f"200 keywords got {last.status}: they must be bounded"
        alive(c)
    return f"NO after {i}"


def search_invalid(box):
    with open_mailbox(box) as c:
        assert c.command(b"SEARCH CHARSET UTF-8 SUBJECT {2+}\r\n\xff\xfe").status in ("OK", "NO", "BAD")
        answer = c.command(b"SEARCH CHARSET X-UNKNOWN SUBJECT x")
        assert answer.status == "NO" and "BADCHARSET" in answer.text, (answer.status, answer.text)
        alive(c)


def bad_commands(box):
    c, count = Imap(box.imap), 0
    try:
        for count in range(1, 15):
            c.send(b"x%d NONSENSE\r\n" % count)
            line = c.read_line()[0]
            if line.startswith(b"* BYE"):
                return f"BYE at number {count}"
            assert b" BAD" in line, line
    except OSError:
        raise AssertionError(f"closed without BYE at number {count}") from None
    raise AssertionError("never closed")


def slow(box):
    peers = []
    for i in range(100):
        p = Imap(box.imap, source=f"127.0.4.{i + 1}")
        p.send((b"", b"a", b"a LOGIN ", b"a LOGIN {5}\r\n", b"a LOGIN {30+}\r\nxx")[i % 5])
        peers.append(p)
    begun = time.monotonic()
    with open_mailbox(box) as c:
        c.ok("NOOP")
    took = time.monotonic() - begun
    for p in peers:
        p.close()
    assert took < 5, f"another client waited {took:.1f} s"


def deaf(box):
    """Clients that ask for much and read nothing: they must not fill the server's memory nor stop other accounts."""
    peers, (account, password) = [], box.add_account("user3")
    with open_mailbox(box) as c:
        c.append("INBOX", b"Subject: large\r\n\r\n" + b"d" * 70 * 60_000 + b"\r\n")
    for i in range(20):
        p = Imap(box.imap, source=f"127.0.5.{i + 1}").login(box.account, box.password)
        p.select()
        p.send(b"".join(b"a%d FETCH 1:* BODY.PEEK[]\r\n" % n for n in range(20)))
        peers.append(p)
    time.sleep(1)
    with open_mailbox(box, account=account, password=password) as c:
        c.append("INBOX", b"Subject: not stopped\r\n\r\nx\r\n")
        c.ok("FETCH * (FLAGS BODY.PEEK[])")
    for p in peers:
        p.close()


def run(box, t):
    """All of it."""
    for what, act in (("IMAP commands behind STARTTLS", starttls_injection), ("commands before login", before_login), ("over-long commands", long_command), ("over-long literals are not invited", literals),
                      ("bad syntax gets BAD, framing kept", bad_syntax), ("deep nesting in SEARCH and sections", deep), ("mailbox names", names), ("keywords are bounded", keywords), ("SEARCH with bad octets and charsets", search_invalid),
                      ("bad commands end with BYE", bad_commands), ("100 half-open IMAP peers", slow), ("20 clients that ask and do not read", deaf)):
        t.attempt(what, act, box)
