"""The figures as Markdown, with the promises that they are held against."""
import os, pathlib, platform, re

FILE = pathlib.Path(__file__).resolve().parent / "RESULTS.md"
CHECKS = "## The checks of senders beside Rspamd\n"
# Sections that other commands write; they stand last.
OTHERS = ("## The resolver beside unbound\n", CHECKS)


def others():
    """The sections of other commands, as they are."""
    text = FILE.read_text() if FILE.exists() else ""
    return "".join("\n" + heading + rest.partition("\n## ")[0].rstrip("\n") + "\n" for heading in OTHERS for _, found, rest in [text.partition(heading)] if found)


def put(heading, section):
    """Writes one section, in its place or last."""
    before, _, rest = FILE.read_text().partition(heading)
    after = rest[rest.index("\n## "):] if "\n## " in rest else ""
    FILE.write_text(before.rstrip("\n") + "\n\n" + section + after)


def machine():
    """The machine in words."""
    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) / 1024 / 1024
    return f"{os.cpu_count()} cores ({cpu.group(1) if cpu else platform.machine()}), {memory:.0f} GB of memory, Linux {platform.release().split('-')[0]}; the load runs on the same cores"


def figure(x):
    return "" if x is None else f"{x:,.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def table(head, lines):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


def times(a, b):
    """How many times better a is than b, in words of one number."""
    return f"{a / b:.1f} x" if a and b else ""


def write(ours, theirs, date):
    out = [f"# Pillarbox beside Postfix + Dovecot\n\nMeasured on {date} by `tests/bench/run`, both servers in the same run, one after the other, each from an empty directory.\n"
           f"Machine: {machine()}.\nDelivered means: in the mailbox, seen by IMAP. Memory is read when nothing has happened for 12 s. Medians of {os.environ.get('RUNS', 3)} runs. Written is what the servers' processes wrote; to the disk, and flushes, are what the block device saw: whatever else runs on the machine counts into them.\n",
           "## Delivery\n", delivery(ours, theirs), "## Memory (PSS)\n", memory(ours, theirs), "## IMAP on a large mailbox of real mail\n", imap(ours, theirs)]
    if ours.get("instructions"):
        out += ["## Machine-independent\n", table(["per delivered message at 20 connections", "5 KB", "50 KB"], [["instructions, million (callgrind, user space)", *(figure(ours["instructions"][s] / 1e6) for s in (5_000, 50_000))],
                ["device flushes", *(figure(ours["delivery"][20, s]["flushes"]) for s in (5_000, 50_000))], ["octets to the device per octet of mail", *(figure(ours["delivery"][20, s]["disk_kb"] * 1024 / s) for s in (5_000, 50_000))]])]
    out += ["## Promises\n", promises(ours, theirs)]
    return "\n".join(out)


def delivery(ours, theirs):
    lines = []
    for (conns, size), a in ours["delivery"].items():
        b = theirs["delivery"][conns, size]
        pair = lambda key: f"{figure(a[key])} / {figure(b[key])}"
        lines.append([f"{size // 1000} KB, {conns}", pair("per_s"), times(a["per_s"], b["per_s"]), pair("p50_ms"), pair("p99_ms"), pair("cpu_ms"), pair("written_kb"), pair("disk_kb"), figure(a["disk_kb"] * 1024 / size), pair("flushes"), pair("client_cpu_ms"), f"{a['failures']} / {b['failures']}"])
    return table(["size, connections", "delivered/s, ours / theirs", "ratio", "p50 ms", "p99 ms", "CPU ms a message", "KB written a message", "KB to the disk a message", "ours: octets per octet of mail", "flushes a message", "load's CPU ms", "failures"], lines)


def memory(ours, theirs):
    rows = [("just started", "idle"), ("after the deliveries above", "after_load")]
    lines = [[what, figure(ours[key]), figure(theirs[key]), times(theirs[key], ours[key])] for what, key in rows]
    lines.append(["200 idle IMAPS clients", figure(ours["idlers"]["pss_mib"]), figure(theirs["idlers"]["pss_mib"]), times(theirs["idlers"]["pss_mib"], ours["idlers"]["pss_mib"])])
    lines.append(["... KiB for each of them", figure(ours["idlers"]["per_conn_kib"]), figure(theirs["idlers"]["per_conn_kib"]), times(theirs["idlers"]["per_conn_kib"], ours["idlers"]["per_conn_kib"])])
    return table(["MiB", "Pillarbox", "Postfix + Dovecot", "ratio"], lines)


IMAP_ROWS = [("APPEND, messages/s", "append_per_s", 1), ("KB to the disk for each", "append_disk_kb", 0), ("LOGIN, ms", "login_ms", 0), ("SELECT first, ms", "select_first_ms", 0), ("SELECT again, ms", "select_again_ms", 0), ("FETCH FLAGS of all, ms", "flags_ms", 0),
             ("ENVELOPE + BODYSTRUCTURE of all first, ms", "overview_first_ms", 0), ("... again, ms", "overview_again_ms", 0), ("four header fields of all, ms", "headers_ms", 0), ("bodies, MB/s", "bodies_mb_per_s", 1),
             ("SEARCH TEXT, rare word, first, ms", "search_text_rare_first_ms", 0), ("... again, ms", "search_text_rare_again_ms", 0), ("SEARCH BODY, common word, ms", "search_body_common_ms", 0), ("SEARCH SUBJECT, ms", "search_subject_ms", 0), ("SEARCH FROM, ms", "search_from_ms", 0), ("SEARCH SINCE, ms", "search_since_ms", 0),
             ("STORE one by one, a second", "store_single_per_s", 1), ("STORE of all, ms", "store_all_ms", 0)]


def imap(ours, theirs):
    a, b = ours["imap"], theirs["imap"]
    lines = [[what, figure(a[key]), figure(b[key]), times(a[key], b[key]) if more else times(b[key], a[key])] for what, key, more in IMAP_ROWS]
    for key in (k for k in a if k.endswith("_hits") and a[k] != b[k]):
        lines.append([f"**not the same answer**: {key}", figure(a[key]), figure(b[key]), ""])
    e, f = ours["exists"], theirs["exists"]
    lines.append(["from the last 250 to EXISTS in 20 idle clients, p50 ms", figure(e["p50_ms"]), figure(f["p50_ms"]), times(f["p50_ms"], e["p50_ms"])])
    return table([f"{os.environ.get('BIG', '20000')} messages", "Pillarbox", "Postfix + Dovecot", "times better"], lines)


def promises(ours, theirs):
    """The numbers of the design, each with what was measured."""
    d, t, a, b = ours["delivery"], theirs["delivery"], ours["imap"], theirs["imap"]
    slower = [what for what, key, more in IMAP_ROWS if key != "append_disk_kb" and ((a[key] < b[key]) if more else (a[key] > b[key]))]
    checks = [("5 KB at 64 connections: at least 10 x Postfix + Dovecot", d[64, 5_000]["per_s"] / t[64, 5_000]["per_s"], lambda x: x >= 10, "x"),
              ("5 KB at 20 connections: at most 0.4 ms CPU a message", d[20, 5_000]["cpu_ms"], lambda x: x <= 0.4, "ms"),
              ("5 KB at 20 connections: at most 7 KB written a message (by the process; " + figure(d[20, 5_000]["disk_kb"]) + " at the device)", d[20, 5_000]["written_kb"], lambda x: x <= 7, "KB"),
              ("50 KB in batches: at most 1.10 octets to the disk per octet of mail, the index apart", d[64, 50_000]["disk_kb"] * 1024 / 50_000, lambda x: x <= 1.10, "with the index"),
              ("idle, just started: at most 8 MiB PSS", ours["idle"], lambda x: x <= 8, "MiB (20 accounts)"), ("200 idle IMAPS clients: at most 16 MiB, whole process", ours["idlers"]["pss_mib"], lambda x: x <= 16, "MiB PSS"),
              ("at most 5 ms from delivery to EXISTS", ours["exists"]["p50_ms"], lambda x: x is not None and x <= 5, "ms"), ("header FETCH at least 2 x Dovecot", b["headers_ms"] / a["headers_ms"], lambda x: x >= 2, "x"),
              ("bodies at least 2 x Dovecot", a["bodies_mb_per_s"] / b["bodies_mb_per_s"], lambda x: x >= 2, "x"), ("slower in no IMAP row", len(slower), lambda x: x == 0, "slower: " + ", ".join(slower) if slower else "slower")]
    return table(["promise", "measured", ""], [[what, f"{figure(x)} {unit}", "kept" if good(x) else "**missed**"] for what, x, good, unit in checks])
