"""The two servers that are compared, each from an empty directory, each with user1 to user20."""
import os, pathlib, shutil, socket, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))
from box import Box, binary

KIT = pathlib.Path(os.environ.get("PILLARBOX_BENCH") or HERE.parents[2] / "shared/bench")
if not (KIT / "measure.py").exists():
    raise SystemExit(f"no benchmark kit in {KIT}: set PILLARBOX_BENCH to the directory with measure.py, imap_load.py and peers.sh")
sys.path.insert(1, str(KIT))
USERS = 20


class Pillarbox:
    """`pillarbox serve` with room for 64 connections on port 25 (50 are the default). It takes logins over TLS alone."""
    label, password, tls = "Pillarbox", "a-long-bench-password", True

    def __init__(self, wrap=()):
        self.box = Box(wrap=wrap)

    def up(self, users=USERS):
        top = self.box.top
        ports = dict(zip(("smtp", "submission", "submissions", "imap", "imaps"), free_ports(5)))
        listen = "\n".join(f'{name} = ["127.0.0.1:{port}"]' for name, port in ports.items())
        pathlib.Path(top, "box.toml").write_text(f'hostname = "mail.box.test"\ndata = "{top}/box"\n[listen]\n{listen}\n[limits]\nsmtp_connections_max = 70\nimap_connections_max = 230\nmemory_bytes_max = "64 MiB"\n')
        self.spawn(ports)
        self.box.command("domain", "add", "box.test")
        for n in range(1, users + 1):
            self.box.add_account(f"user{n}", self.password)
        self.box.stop()
        self.spawn(ports)  # anew, so that making the accounts is not in its memory
        self.smtp, self.imap, self.imaps, self.user = self.box.smtp, self.box.imaps, self.box.imaps, "user%d@box.test"
        return self

    def spawn(self, ports):
        """Start `serve` and wait until it answers."""
        with open(self.box.log, "ab") as log:
            self.box.process = subprocess.Popen([binary(), "serve", "--config", "box.toml"], cwd=self.box.top, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        self.box.take({"account": "user1@box.test", "password": self.password, "certificate": "", "data": f"{self.box.top}/box", "pid": self.box.process.pid, **{name: f"127.0.0.1:{port}" for name, port in ports.items()}})
        self.wait()

    def wait(self):
        """Until it answers on port 25."""
        end = time.monotonic() + 30
        while True:
            try:
                return socket.create_connection(self.box.smtp, 1).close()
            except OSError:
                if time.monotonic() > end or self.box.process.poll() is not None:
                    raise RuntimeError("the server does not answer:\n" + self.box.tail()) from None
                time.sleep(0.05)

    def pids(self):
        return {"pillarbox": self.box.pid}

    def down(self):
        self.box.__exit__(None, None, None)


def free_ports(count):
    """Ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    [s.bind(("127.0.0.1", 0)) for s in sockets]
    ports = [s.getsockname()[1] for s in sockets]
    [s.close() for s in sockets]
    return ports


class PlainPillarbox(Pillarbox):
    """`pillarbox try`, which takes logins without TLS as Dovecot does here: for the rows that measure IMAP itself."""
    tls = False

    def up(self, users=2, seconds=30):
        self.box.start(seconds)
        for n in range(1, users + 1):
            self.box.add_account(f"user{n}", self.password)
        self.smtp, self.imap, self.imaps, self.user = self.box.smtp, self.box.imap, self.box.imaps, f"user%d@{self.box.domain}"
        return self


class Peers:
    """Debian's Postfix and Dovecot, by the kit's peers.sh."""
    label, password, user, tls = "Postfix + Dovecot", "secret", "user%d@bench.example", False

    def __init__(self):
        base = int(os.environ.get("BENCH_BASE", 21500))
        self.environment = {**os.environ, "BENCH_BASE": str(base), "BENCH_USERS": str(USERS), "PATH": os.environ["PATH"] + ":/usr/sbin"}
        self.smtp, self.imap, self.imaps = (("127.0.0.1", base + n) for n in (25, 43, 93))

    def up(self):
        self.top = tempfile.mkdtemp(prefix="pillarbox-peers-")
        os.chmod(self.top, 0o755)  # their processes have users of their own
        subprocess.run(["bash", str(KIT / "peers.sh"), "up", self.top + "/p"], env=self.environment, check=True, stdout=subprocess.DEVNULL, timeout=300)
        return self

    def pids(self):
        read = lambda path: int((pathlib.Path(self.top) / "p" / path).read_text())
        return {"postfix": read("postfix/queue/pid/master.pid"), "dovecot": read("dovecot/run/master.pid")}

    def down(self):
        subprocess.run(["bash", str(KIT / "peers.sh"), "down", self.top + "/p"], env=self.environment, stdout=subprocess.DEVNULL, timeout=120)
        shutil.rmtree(self.top, ignore_errors=True)
