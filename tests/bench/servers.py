"""The two servers that are compared, each from an empty directory, each with user1 to user20."""
import os, pathlib, shutil, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))
from box import Box

KIT = pathlib.Path(os.environ.get("PILLARBOX_BENCH") or HERE.parents[2] / "shared/bench")
if not (KIT / "measure.py").exists():
    raise SystemExit(f"no benchmark kit in {KIT}: set PILLARBOX_BENCH to the directory with measure.py, imap_load.py and peers.sh")
sys.path.insert(1, str(KIT))
USERS = 20


class Pillarbox:
    label, password = "Pillarbox", "a-long-bench-password"

    def __init__(self, wrap=()):
        self.box = Box(wrap=wrap)

    def up(self, users=USERS, seconds=30):
        self.box.start(seconds)
        for n in range(1, users + 1):
            self.box.add_account(f"user{n}", self.password)
        self.smtp, self.imap, self.imaps, self.user = self.box.smtp, self.box.imap, self.box.imaps, f"user%d@{self.box.domain}"
        return self

    def pids(self):
        return {"pillarbox": self.box.pid}

    def down(self):
        self.box.__exit__(None, None, None)


class Peers:
    """Debian's Postfix and Dovecot, by the kit's peers.sh."""
    label, password, user = "Postfix + Dovecot", "secret", "user%d@bench.example"

    def __init__(self):
        base = int(os.environ.get("BENCH_BASE", 21500))
        self.environment = {**os.environ, "BENCH_BASE": str(base), "BENCH_USERS": str(USERS), "PATH": os.environ["PATH"] + ":/usr/sbin"}
        self.smtp, self.imap, self.imaps = (("127.0.0.1", base + n) for n in (25, 43, 93))

    def up(self):
        self.top = tempfile.mkdtemp(prefix="pillarbox-peers-")
        subprocess.run(["bash", str(KIT / "peers.sh"), "up", self.top + "/p"], env=self.environment, check=True, stdout=subprocess.DEVNULL, timeout=300)
        os.chmod(self.top, 0o755)
        return self

    def pids(self):
        read = lambda path: int((pathlib.Path(self.top) / "p" / path).read_text())
        return {"postfix": read("postfix/queue/pid/master.pid"), "dovecot": read("dovecot/run/master.pid")}

    def down(self):
        subprocess.run(["bash", str(KIT / "peers.sh"), "down", self.top + "/p"], env=self.environment, stdout=subprocess.DEVNULL, timeout=120)
        shutil.rmtree(self.top, ignore_errors=True)
