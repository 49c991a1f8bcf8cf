"""A server to test: `pillarbox try` in a directory of its own, or one that already runs.

PILLARBOX         the binary (default: the newest of target/release and target/debug)
PILLARBOX_BOX     a file with the one line of `try --json`: test that running server instead. Its other accounts are
                  user1, user2 ... of the same domain with the same password.
"""
import json, os, pathlib, re, select, shutil, signal, ssl, subprocess, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def binary():
    """The server's binary, as an absolute path."""
    if os.environ.get("PILLARBOX"):
        return os.path.abspath(os.environ["PILLARBOX"])
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    found = [p for p in (target / "release/pillarbox", target / "debug/pillarbox") if p.exists()]
    if not found:
        raise SystemExit(f"no server to test: build it (cargo build --release) or set PILLARBOX; looked in {target}")
    return str(max(found, key=lambda p: p.stat().st_mtime))


class Box:
    """One server. `smtp`, `submission`, `submissions`, `imap`, `imaps` are (host, port)."""

    def __init__(self, directory=None, wrap=(), env=None):
        self.wrap, self.env, self.process, self.owned = list(wrap), env, None, directory is None
        self.top = tempfile.mkdtemp(prefix="pillarbox-test-") if directory is None else str(directory)
        self.directory = os.path.join(self.top, "box")
        self.log = os.path.join(self.top, "server.log")
        self.standing = os.environ.get("PILLARBOX_BOX") if directory is None else None

    def start(self, seconds=30):
        """Start the server and wait for its line. Raises RuntimeError with the log's end when it does not come."""
        if self.standing:
            self.take(json.loads(pathlib.Path(self.standing).read_text()))
            return self
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.wrap + [binary(), "try", "--dir", self.directory, "--json"], cwd=self.top,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self.env)
        self.pid = self.process.pid  # until the server says its own
        self.take(json.loads(self.first_line(seconds)))
        return self

    def first_line(self, seconds):
        """The first line of the server's standard output."""
        got, end, out = b"", time.monotonic() + seconds, self.process.stdout.fileno()
        while b"\n" not in got and time.monotonic() < end:
            if select.select([out], [], [], 0.2)[0]:
                more = os.read(out, 65536)
                if not more:
                    break
                got += more
        if b"\n" not in got:
            code = self.process.poll()
            self.kill()
            raise RuntimeError(f"the server said nothing on standard output (exit {code}); end of its log:\n{self.tail()}")
        return got.split(b"\n", 1)[0]

    def take(self, line):
        self.line, self.account, self.password = line, line["account"], line["password"]
        self.certificate, self.data, self.pid = line["certificate"], line["data"], int(line["pid"])
        self.domain = self.account.split("@")[1]
        for name in ("smtp", "submission", "submissions", "imap", "imaps"):
            host, _, port = line[name].rpartition(":")
            setattr(self, name, (host.strip("[]"), int(port)))

    def tail(self, count=30):
        """The end of the server's log."""
        try:
            return "\n".join(pathlib.Path(self.log).read_text(errors="replace").splitlines()[-count:])
        except OSError:
            return "(no log)"

    def stop(self, seconds=20):
        """SIGTERM; returns the exit code, None when it had to be killed."""
        if not self.process:
            return 0
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        finally:
            self.process.stdout.close()

    def signal(self, number):
        """A signal to the server itself (not to a program that wraps it)."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def kill(self):
        """SIGKILL, and wait."""
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def command(self, *words, text=None, check=True):
        """Run a verb of the binary on this box's data. Returns (exit code, standard output, standard error)."""
        done = subprocess.run([binary(), *words, "--data", self.data], input=text, capture_output=True, text=True, timeout=120)
        if check and done.returncode:
            raise RuntimeError(f"pillarbox {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.returncode, done.stdout, done.stderr

    def add_account(self, name, password="a-long-test-password"):
        """One more account; returns (address, password)."""
        if self.standing:
            return f"{name}@{self.domain}", self.password
        self.command("account", "add", f"{name}@{self.domain}", "--password-stdin", text=password + "\n")
        return f"{name}@{self.domain}", password

    def tls(self):
        """A TLS context that trusts this box's certificate and nothing else."""
        context = ssl.create_default_context(cafile=self.certificate)
        context.check_hostname = False
        return context

    def memory(self):
        """Anonymous and shared memory of the server and its PSS, in KiB."""
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        kib = {k: int(v) for k, v in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
        return {"anonymous": kib.get("Anonymous", 0) + kib.get("Pss_Shmem", 0), "pss": kib.get("Pss", 0)}

    def alive(self):
        return bool(self.standing) or self.process.poll() is None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        self.stop()
        if self.owned and not os.environ.get("PILLARBOX_KEEP"):
            shutil.rmtree(self.top, ignore_errors=True)
        elif self.owned:
            print(f"kept: {self.top}")
