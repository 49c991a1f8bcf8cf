"""IMAP as octets: commands out, answers back with their literals, nothing interpreted that the test did not ask for."""
import re, socket


class Answer:
    """status: OK, NO, BAD; text: what follows it; lines: untagged lines, each a list of octet strings and literals in turn."""

    def __init__(self, status, text, lines):
        self.status, self.text, self.lines = status, text, lines

    def flat(self):
        return [b"".join(parts) for parts in self.lines]

    def find(self, pattern):
        """First match over the untagged lines, literals included."""
        for line in self.flat():
            found = re.search(pattern, line, re.S | re.I)
            if found:
                return found
        return None


class Imap:
    def __init__(self, address, context=None, timeout=60, source=None):
        self.socket = socket.create_connection(address, timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket)
        self.file, self.count = self.socket.makefile("rb", 1 << 16), 0
        self.greeting = self.read_line()

    def send(self, octets):
        self.socket.sendall(octets)

    def read_line(self):
        """One line with its literals: [text, literal, text, literal, text]."""
        parts = []
        while True:
            line = self.file.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError("the server closed the connection" + (f" after {line[:80]!r}" if line else ""))
            found = re.search(rb"\{(\d+)\}\r\n$", line)
            parts.append(line if found else line.rstrip(b"\r\n"))
            if not found:
                return parts
            literal = self.file.read(int(found.group(1)))
            if len(literal) != int(found.group(1)):
                raise ConnectionError("the server closed the connection inside a literal")
            parts.append(literal)

    def begin(self, octets):
        """Send a command; returns its tag."""
        self.count += 1
        tag = b"t%d" % self.count
        self.send(tag + b" " + (octets.encode() if isinstance(octets, str) else octets) + b"\r\n")
        return tag

    def finish(self, tag, each=None):
        """Read up to the tagged answer. `each` gets every untagged line instead of keeping it."""
        lines = []
        while True:
            parts = self.read_line()
            if parts[0].startswith(tag + b" "):
                status, _, text = b"".join(parts)[len(tag) + 1:].decode("utf-8", "replace").partition(" ")
                return Answer(status.upper(), text, lines)
            if each:
                each(parts)
            else:
                lines.append(parts)

    def command(self, octets, each=None):
        return self.finish(self.begin(octets), each)

    def ok(self, octets, each=None):
        answer = self.command(octets, each)
        if answer.status != "OK":
            raise AssertionError(f"{octets[:60]!r} got {answer.status} {answer.text}")
        return answer

    def login(self, account, password):
        self.ok(f'LOGIN "{account}" "{password}"')
        return self

    def append(self, mailbox, content, flags="", sync=False):
        head = f'APPEND "{mailbox}" ' + (f"({flags}) " if flags else "")
        if sync:
            tag = self.begin(head + "{%d}" % len(content))
            parts = self.read_line()
            if not parts[0].startswith(b"+"):
                status, _, text = b"".join(parts)[len(tag) + 1:].decode("utf-8", "replace").partition(" ")
                return Answer(status, text, [])
            self.send(content + b"\r\n")
            return self.finish(tag)
        return self.command(head.encode() + b"{%d+}\r\n" % len(content) + content)

    def select(self, mailbox="INBOX", verb="SELECT"):
        """Returns the facts of the mailbox as a dict of numbers."""
        answer = self.ok(f'{verb} "{mailbox}"')
        text = b"\n".join(answer.flat()).decode("utf-8", "replace")
        facts = {k.lower(): int(v) for v, k in re.findall(r"^\* (\d+) (EXISTS|RECENT)", text, re.M)}
        facts.update({k.lower(): int(v) for k, v in re.findall(r"\[(UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ|UNSEEN) (\d+)\]", text)})
        return facts

    def bodies(self, uids="1:*"):
        """{uid: (flags, octets)} of the selected mailbox."""
        out = {}

        def each(parts):
            line = b"".join(parts[::2])
            uid, flags = re.search(rb"UID (\d+)", line), re.search(rb"FLAGS \(([^)]*)\)", line)
            if not uid:
                return
            octets = parts[1] if len(parts) > 1 else (b"" if b'""' in line or b"NIL" in line else None)
            if octets is None:
                quoted = re.search(rb'BODY\[\] "((?:[^"\\]|\\.)*)"', line)
                octets = re.sub(rb"\\(.)", rb"\1", quoted.group(1)) if quoted else None
            if octets is not None:
                out[int(uid.group(1))] = (frozenset(flags.group(1).decode().split()) if flags else None, octets)

        self.ok(f"UID FETCH {uids} (UID FLAGS BODY.PEEK[])", each)
        return out

    def flags(self, uids="1:*"):
        """{uid: set of flags} of the selected mailbox."""
        out = {}
        for line in self.ok(f"UID FETCH {uids} (UID FLAGS)").flat():
            uid, flags = re.search(rb"UID (\d+)", line), re.search(rb"FLAGS \(([^)]*)\)", line)
            if uid and flags:
                out[int(uid.group(1))] = frozenset(flags.group(1).decode().split())
        return out

    def close(self):
        try:
            self.file.close()
            self.socket.close()
        except OSError:
            pass

    def logout(self):
        self.command("LOGOUT")
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
