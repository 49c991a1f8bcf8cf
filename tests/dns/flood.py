"""Random names by the ten thousand: what the process holds before and after, and who is still remembered."""
import os, pathlib, random, re
from asker import Asker

FLOODS = {  # what a stranger makes us ask for: how a name is made, how many
    "names that are not there": ("{r}.insecure.test A", 20_000),
    "the same, signed": ("{r}.ecdsa.test A", 10_000),
    "wildcard answers": ("{r}.wild.insecure.test A", 10_000),
    "3,000 octets of text each": ("{r}.wild.big.test TXT", 4_000),
    "a zone each": ("www.{r}.zones.test A", 4_000),
}
REMEMBERED = [f"{name} A" for name in ("www.ecdsa.test", "www.insecure.test", "www.three.example", "nothere.single.test")]
GROWTH_KIB_MAX = 6 * 1024   # all that floods may add to a process that has asked a few names: the tables' bounds, and the allocator's holes
AGAIN_KIB_MAX = 1024        # what the same flood may add when it comes again
LIMITS = pathlib.Path(__file__).resolve().parents[2] / "src/limits/dns.rs"
QUESTIONS_MAX = int(re.search(r"DNS_QUESTIONS_MAX: usize = (\d+);", LIMITS.read_text()).group(1))


def flood(run):
    """Yields (what, fault or None, figures)."""
    asker = Asker(os.environ["DNS_ASK"], run.anchors["root"], options=["--quiet", "--window", "32"], log=open(run.top / "flood.log", "a"))
    try:
        for _ in range(3):
            asker.load(REMEMBERED)
        _, before = asker.memory_kib()
        for what, (form, count) in FLOODS.items():
            sizes, bad = [], 0
            for round in range(2):
                made = random.Random(f"{what}{round}")
                names = [form.format(r=f"{made.getrandbits(60):x}") for _ in range(count // 2)]
                for at in range(0, len(names), 500):
                    got = asker.load(names[at:at + 500] + REMEMBERED)
                    bad += sum(n for kind, n in got.items() if kind not in ("records", "NODATA", "NXDOMAIN"))
                sizes.append(asker.memory_kib())
            (rss, first), (_, second) = sizes[0], sizes[1]
            figures = f"{count} questions, {bad} without answer; anonymous {before} KiB before, {first} after half, {second} after all; RSS {sizes[1][0]} KiB"
            faults = []
            if second - before > GROWTH_KIB_MAX:
                faults.append(f"{second - before} KiB more than at first, {GROWTH_KIB_MAX} are the bound")
            if second - first > AGAIN_KIB_MAX:
                faults.append(f"the second half added {second - first} KiB: it grows")
            if bad > count // 100:
                faults.append(f"{bad} of {count} had no answer")
            yield f"flood of {what}", "; ".join(faults) or None, figures
        mark = run.sniffer.mark()
        asker.load(REMEMBERED)
        run.sniffer.mark()
        asked = run.sniffer.count(mark)
        yield "names that are asked for all the time survive the floods", None if asked == 0 else f"{asked} questions left for {len(REMEMBERED)} names", f"{asked} asked"
        crowd = Asker(os.environ["DNS_ASK"], run.anchors["root"], options=["--quiet", "--window", "100"])
        crowd.load(REMEMBERED)
        got = crowd.load([f"n{n}.silent.test A" for n in range(60)])
        yield "more different questions at once than may be under way are refused, not queued", None if got.get("busy", 0) == 60 - QUESTIONS_MAX else "another number was refused", f"{got}"
        crowd.stop()
    finally:
        code = asker.stop()
        if code != 0:
            yield "the end", f"the resolver ended with {code}", ""
