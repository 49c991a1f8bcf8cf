"""The measurements: each takes a server and returns {name: number}."""
import argparse, json, os, pathlib, statistics, subprocess, tempfile, time
from servers import HERE, USERS, PlainPillarbox
import imap_load, measure  # the kit's, found through servers.py


def load_tool():
    """The load generator, compiled once into a temporary directory."""
    out = pathlib.Path(tempfile.gettempdir()) / f"pillarbox-load-{os.getuid()}-{int((HERE / 'load.rs').stat().st_mtime)}"
    if not out.exists():
        subprocess.run(["rustc", "--edition", "2024", "-O", "-o", str(out) + ".new", str(HERE / "load.rs")], check=True, timeout=120)
        os.replace(str(out) + ".new", out)
    return out


def send(server, conns, count, size):
    """Run the load; its JSON with its own CPU seconds."""
    before = os.times()
    done = subprocess.run([str(load_tool()), "%s:%d" % server.smtp, str(conns), str(count), str(size), server.user, str(USERS)], capture_output=True, text=True, timeout=300)
    after = os.times()
    if not done.stdout:
        raise RuntimeError(done.stderr)
    got = json.loads(done.stdout)
    got["client_cpu_s"] = after.children_user + after.children_system - before.children_user - before.children_system
    return got


def options(server, **more):
    host, port = more.pop("at", server.imap)
    base = dict(host=host, port=port, user=server.user, password=server.password, tls=server.tls, spread=False, timeout=300, mailbox="INBOX", users=USERS, rcpt="",
                conns=1, count=20, size=5000, bodies=5000, total=0, hold=5.0, pause=0.1, smtp="", corpus="", allow_nul=False, pid=[])
    return argparse.Namespace(**{**base, **more})


def settled(count, seconds=60):
    """Wait until the number of messages no longer changes."""
    last, end = count(), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        if (now := count()) == last:
            return now
        last = now
    return last


def delivery(server, conns, size, count, runs):
    """Delivered into the mailbox per second and what that cost; the median run."""
    waiting = imap_load.waiter(options(server))
    send(server, conns, 100, size)
    results = []
    for _ in range(runs):
        before = settled(waiting)
        window, begun = measure.Window(server.pids(), True), time.perf_counter()
        got = send(server, conns, count, size)
        accepted = time.perf_counter() - begun
        while (there := waiting() - before) < got["accepted"] and time.perf_counter() - begun < 120:
            time.sleep(0.05)
        # The mailboxes are asked once the load is over; what that took counts only when some were still on their way.
        seconds = got["secs"] if there >= got["accepted"] and time.perf_counter() - begun - accepted < 0.25 else time.perf_counter() - begun
        used = window.end(max(there, 1))["per_msg"]
        results.append({"per_s": there / seconds, "p50_ms": got["p50_ms"], "p99_ms": got["p99_ms"], "failures": got["failures"] + got["accepted"] - there, "cpu_ms": used["cpu_ms"],
                        "written_kb": used["written_kb"], "disk_kb": used["disk_kb"], "flushes": used["disk_flushes"], "client_cpu_ms": got["client_cpu_s"] * 1000 / max(there, 1)})
    return sorted(results, key=lambda r: r["per_s"])[len(results) // 2]


def memory(server):
    """PSS in MiB now."""
    return measure.memory(list(server.pids().values()))["pss_kb"] / 1024


def idle(server, conns=200):
    """PSS in MiB with so many idle IMAPS clients."""
    got = imap_load.idle(options(server, at=server.imaps, tls=True, conns=conns, hold=15.0 if conns > 50 else 3.0, pid=[f"{n}={p}" for n, p in server.pids().items()]))
    return {"pss_mib": got["after"]["all"]["pss_kb"] / 1024, "per_conn_kib": got["pss_kb_per_conn"], "cpu_s": got["cpu_s_while_idle"]}


def imap(server, count, corpus):
    """A mailbox of so many real messages: filled, then selected, fetched, searched and changed."""
    o = options(server, user=server.user.replace("%d", "1"), mailbox="Big", count=count, corpus=str(corpus), bodies=min(5000, count))
    window = measure.Window(server.pids(), True)
    filled = imap_load.fill(o)
    used = window.end(count)["per_msg"]
    got = imap_load.bench(o)
    got["append_per_s"], got["append_disk_kb"] = filled["per_s"], used["disk_kb"]
    return got


def exists(server, conns=20, count=30):
    """Milliseconds from the final 250 to EXISTS in idle clients."""
    got = imap_load.fanout(options(server, user=server.user.replace("%d", "2"), conns=conns, count=count, smtp="%s:%d" % server.smtp))
    return {"p50_ms": got["p50_ms"], "p99_ms": got["p99_ms"], "seen": got["seen"], "of": got["of"]}


def instructions(size, few=100, many=400):
    """Instructions per delivered message at 20 connections, by callgrind: the difference of two runs."""
    totals = []
    for count in (few, many):
        with tempfile.TemporaryDirectory(prefix="pillarbox-callgrind-") as top:
            out = os.path.join(top, "out")
            server = PlainPillarbox(wrap=["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--log-file=" + os.path.join(top, "log")])
            try:
                server.box.start(180)
                server.smtp, server.user = server.box.smtp, server.box.account
                send(server, 20, count, size)
                server.box.stop(120)
            finally:
                server.down()
            found = [line for line in pathlib.Path(out).read_text().splitlines() if line.startswith(("totals:", "summary:"))]
            totals.append(int(found[-1].split()[1]))
    return (totals[1] - totals[0]) / (many - few)
