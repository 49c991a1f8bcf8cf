"""SMTP as octets: what is sent is exactly what the test says."""
import base64, re, socket


class Smtp:
    def __init__(self, address, context=None, timeout=30, greet=True, source=None):
        self.socket = socket.create_connection(address, timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket)
        self.rest, self.keywords, self.last = b"", {}, ""
        self.greeting = self.reply() if greet else None

    def send(self, octets):
        self.socket.sendall(octets)

    def line(self):
        while b"\n" not in self.rest:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection" + (f" after {self.rest!r}" if self.rest else ""))
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def reply(self):
        """One reply: (code, text), lines joined by newlines; the text keeps the enhanced code."""
        lines = []
        while True:
            line = self.line()
            if not re.match(r"\d{3}([ -]|$)", line):
                raise AssertionError(f"not a reply: {line!r}")
            lines.append(line[4:])
            if line[3:4] != "-":
                self.last = f"{line[:3]} " + " / ".join(lines)
                return int(line[:3]), "\n".join(lines)

    def command(self, text):
        self.send((text if isinstance(text, bytes) else text.encode()) + b"\r\n")
        return self.reply()

    def expect(self, text, *codes):
        """A command whose reply must have one of these codes (or begin with one of these texts)."""
        code, said = self.command(text)
        whole = f"{code} {said}"
        if not any(code == c if isinstance(c, int) else whole.startswith(c) for c in codes):
            raise AssertionError(f"{text!r:.60} got {whole!r}, expected {codes}")
        return said

    def ehlo(self, name="client.example"):
        said = self.expect(f"EHLO {name}", 250)
        self.keywords = {k.split()[0].upper(): k.split()[1:] for k in said.split("\n")[1:] if k}
        return self

    def starttls(self, context):
        self.expect("STARTTLS", 220)
        self.socket, self.rest = context.wrap_socket(self.socket), b""
        return self.ehlo()

    def login(self, account, password):
        self.expect(b"AUTH PLAIN " + base64.b64encode(b"\0" + account.encode() + b"\0" + password.encode()), 235)
        return self

    def deliver(self, sender, recipients, content, by="data", chunk=0, options=""):
        """A whole transaction, pipelined where offered. Returns (code, text) of the first reply that is not 2xx/354, or of the last."""
        commands = [f"MAIL FROM:<{sender}>{options}"] + [f"RCPT TO:<{r}>" for r in recipients]
        if by == "bdat":
            pieces = [content[i:i + chunk] for i in range(0, len(content), chunk)] if chunk and content else [content]
            self.send("".join(c + "\r\n" for c in commands).encode())
            for i, piece in enumerate(pieces):
                self.send(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if i == len(pieces) - 1 else b"") + piece)
            replies = [self.reply() for _ in range(len(commands) + len(pieces))]
            bad = [r for r in replies if r[0] >= 400]
            if bad and replies[-1][0] < 400:
                raise AssertionError(f"BDAT LAST accepted after {bad[0]}")
            return bad[0] if bad else replies[-1]
        self.send("".join(c + "\r\n" for c in commands + ["DATA"]).encode())
        replies = [self.reply() for _ in range(len(commands) + 1)]
        if replies[-1][0] != 354:
            bad = [r for r in replies if r[0] >= 400]
            return bad[0] if bad else replies[-1]
        self.send(stuffed(content))
        return self.reply()

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass

    def quit(self):
        code, _ = self.command("QUIT")
        self.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def stuffed(content):
    """Dot-stuffed content with the final dot. What does not end with CRLF gets one."""
    body = re.sub(rb"(^|\r\n)\.", rb"\1..", content)
    return body + (b"" if body.endswith(b"\r\n") or not body else b"\r\n") + b".\r\n"
