"""Reads `internet`, makes the zone files, keys and configurations of three Knots, and starts them and the liars."""
import os, pathlib, subprocess, sys, time
from wire import under

HERE = pathlib.Path(__file__).resolve().parent
ROOTS = ["127.1.0.1", "127.1.0.2"]
SERVERS = {"root": ["127.1.0.1", "127.1.0.2", "fd00::1"], "tld": ["127.1.1.1", "127.1.1.2", "127.1.1.3"], "deep": ["127.1.2.1", "127.1.2.2"]}
SOA = "@ 3600 SOA ns.{dot} hostmaster.{dot} 1 7200 3600 1209600 {minimum}\n"


def read():
    """The zones as {name: {server, address, key, denial, text}}, in the order of the file."""
    zones, text = {}, None
    for line in (HERE / "internet").read_text().splitlines():
        if line.startswith("zone "):
            _, name, server, address, key, denial = line.split()
            text = []
            zones[name] = {"server": server, "address": address, "key": key, "denial": denial, "text": text}
        elif text is not None and line.strip() and not line.startswith("#"):
            text.append(expanded(line))
    return zones


def expanded(line):
    """$CHAIN N: aliases c1 to cN, each to the one before it. $TEXT N: so many octets of text. $LIST N: so many addresses."""
    words = line.split()
    if words[0] == "$CHAIN":
        return "\n".join(f"c{i} CNAME c{i - 1}" for i in range(1, int(words[1]) + 1))
    if "$TEXT" in words:
        size = int(words[-1])
        strings = " ".join(f'"{"x" * min(250, size - at)}"' for at in range(0, size, 250))
        return f"{words[0]} TXT {strings}"
    if "$LIST" in words:
        return "\n".join(f"{words[0]} A 198.18.{i // 250}.{i % 250 + 1}" for i in range(int(words[-1])))
    return line


def parent(name, zones):
    return max((z for z in zones if z != name and under(name, z)), key=lambda z: 0 if z == "." else z.count(".") + 1, default=None)


class Internet:
    """All of it below one directory. `liars`: {zone: (address, DS texts)}; `more`: zones beside those of the file, in its form."""

    def __init__(self, top, liars, more=None):
        self.top, self.zones, self.liars, self.processes = pathlib.Path(top), {**read(), **(more or {})}, liars, []

    def start(self, liars=True):
        for server in SERVERS:
            (self.top / server).mkdir()
            (self.top / server / "knot.conf").write_text(self.knot_conf(server))
        for name, zone in self.zones.items():
            zone["ds"] = self.key(name, zone) if zone["key"] != "-" else []
        self.delegate()
        for name, zone in self.zones.items():
            self.file(name).write_text(self.zone_text(name, zone))
        for server in SERVERS:
            self.spawn(["knotd", "-c", str(self.top / server / "knot.conf")], server)
        if liars:
            self.spawn([sys.executable, str(HERE / "liars.py")], "liars")

    def spawn(self, command, name):
        log = open(self.top / f"{name}.log", "w")
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.processes.append((name, process))
        return process

    def dead(self):
        """The first server that has ended, with its log; None while all are well."""
        for name, process in self.processes:
            if process.poll() is not None:
                return f"{name} ended with {process.returncode}: {(self.top / f'{name}.log').read_text()[-2000:]}"
        return None

    def stop(self):
        for _, process in self.processes:
            process.terminate()
        for _, process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def file(self, name):
        return self.top / self.zones[name]["server"] / f"{name if name != '.' else 'root'}.zone"

    def key(self, name, zone):
        """Makes the zone's key; its DS records as text."""
        run = lambda *words: subprocess.run(["keymgr", "-c", str(self.top / zone["server"] / "knot.conf"), name + ("" if name == "." else "."), *words], capture_output=True, text=True, check=True).stdout
        bits = ["size=2048"] if zone["key"].startswith("rsa") else []
        run("generate", f"algorithm={zone['key']}", "ksk=yes", "zsk=yes", *bits)
        zone["dnskey"] = run("dnskey").strip()
        return [line.split(" DS ")[1] for line in run("ds").splitlines() if " DS " in line and line.split(" DS ")[1].split()[2] == "2"]

    def anchors(self):
        """The root's key as the one trust anchor."""
        return ". IN DNSKEY " + self.zones["."]["dnskey"].split(" DNSKEY ")[1] + "\n"

    def delegate(self):
        """Delegations of all zones and liars into the zone above each."""
        children = {name: (zone["address"], zone["ds"]) for name, zone in self.zones.items() if name != "." and zone["denial"] != "undelegated"}
        for name, (address, ds) in {**children, **self.liars}.items():
            above = parent(name, self.zones)
            kind = "AAAA" if ":" in address else "A"
            lines = [f"{name}. NS ns.{name}.", f"ns.{name}. {kind} {address}", *(f"{name}. DS {one}" for one in ds)]
            self.zones[above]["text"].append("\n".join(lines))

    def zone_text(self, name, zone):
        dot = "" if name == "." else f"{name}."
        head = f"$ORIGIN {name.rstrip('.')}.\n$TTL 300\n" + SOA.format(dot=dot, minimum=60)
        own = [f"@ NS ns.{dot}", f"ns.{dot} A {zone['address']}"]
        if name == ".":
            own += [f"ns. A {ROOTS[1]}", "ns. AAAA fd00::1"]
        return head + "\n".join(own + zone["text"]) + "\n"

    def knot_conf(self, server):
        mine = {n: z for n, z in self.zones.items() if z["server"] == server}
        listen = ", ".join(f"{a}@53" for a in SERVERS[server])
        out = [f"server:\n  rundir: {self.top / server}\n  listen: [{listen}]\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n  user: root:root\n  edns-client-subnet: off\n",
               f"database:\n  storage: {self.top / server}\n  journal-db-max-size: 16M\n  kasp-db-max-size: 16M\n  timer-db-max-size: 1M\n", "log:\n  - target: stderr\n    any: notice\n", "policy:\n"]
        for n, z in mine.items():
            if z["key"] != "-":
                out.append(f"  - id: {ident(n)}\n    manual: on\n    single-type-signing: on\n    algorithm: {z['key']}\n    rrsig-lifetime: 14d\n" + denial(z["denial"]))
        out.append("zone:\n")
        for n, z in mine.items():
            signing = f"    dnssec-signing: on\n    dnssec-policy: {ident(n)}\n" if z["key"] != "-" else ""
            out.append(f"  - domain: {n}\n    file: {self.file(n)}\n    zonefile-load: whole\n    zonefile-sync: -1\n    journal-content: none\n{signing}")
        return "".join(out)


def ident(name):
    return "root" if name == "." else name.replace(".", "-")


def denial(word):
    if word == "nsec":
        return ""
    iterations = word.partition(":")[2] or "0"
    return f"    nsec3: on\n    nsec3-iterations: {iterations}\n    nsec3-salt-length: 4\n" + ("    nsec3-opt-out: on\n" if word == "optout" else "")


def ready(*more):
    """Until all servers answer: each Knot for a zone of its last ones, signed, and `more` (server, zone)."""
    def answered():
        for server, zone in (("127.1.0.1", "."), ("127.1.1.3", "ip6.arpa"), ("127.1.2.1", "three.example"), *more):
            got = subprocess.run(["kdig", f"@{server}", "+retry=0", "+time=1", "+dnssec", zone, "DNSKEY"], capture_output=True, text=True).stdout
            if "RRSIG" not in got:
                return False
        return True
    wait_for(answered, 60, "the little internet did not come up")


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} within {seconds} s")
        time.sleep(0.05)
