"""A full disk: new mail is refused for now, what frees space works, nothing is lost, and it recovers by itself.

The data directory is a small file system of its own in memory, which needs the right to mount (as root, or in a user
namespace of one's own). Without it this fails: it is not skipped.
"""
import os, subprocess, sys, tempfile, time
from box import Box
from imap import Imap
from ledger import digest
from smtp import Smtp

SIZE_MB = 192
WAIT_S = 90


def disk_full(t):
    """Run the scenario in a mount namespace, so that nothing of it is left behind."""
    if os.environ.get("PILLARBOX_FULL_DISK"):
        return scenario(t, os.environ["PILLARBOX_FULL_DISK"])
    where = tempfile.mkdtemp(prefix="pillarbox-full-")
    flags = ["-m"] if os.geteuid() == 0 else ["-rm"]
    script = 'mount -t tmpfs -o size=%dm,mode=700 none "$1" && exec env PILLARBOX_TALLY=inner PILLARBOX_FULL_DISK="$1" "$2" "$3" full' % SIZE_MB
    done = subprocess.run(["unshare", *flags, "sh", "-c", script, "sh", where, sys.executable, os.path.abspath(sys.argv[0])], timeout=600)
    os.rmdir(where)
    return t.check(done.returncode == 0, "the full disk (its own lines above)", f"exit {done.returncode}")


def free_mb(top):
    s = os.statvfs(top)
    return s.f_bavail * s.f_frsize / 1e6


class Ballast:
    """A file that takes the free space down to `leave` bytes."""

    def __init__(self, top, leave):
        self.path = os.path.join(top, "ballast")
        left = int(free_mb(top) * 1e6) - leave
        with open(self.path, "wb") as f:
            try:
                while left > 0:
                    left -= f.write(b"\0" * min(left, 1 << 20))
            except OSError:
                pass

    def drop(self):
        os.unlink(self.path)


def scenario(t, top):
    box, kept = Box(top), {}
    box.start()

    def deliver(number, size):
        content = b"X-Full: %d\r\nSubject: full\r\n\r\n" % number + (b"%060d\r\n" % number) * (size // 62)
        try:
            with Smtp(box.smtp, timeout=30) as s:
                code, text = s.ehlo().deliver("a@elsewhere.example", [box.account], content)
        except (OSError, AssertionError) as error:
            return 0, str(error)
        if code == 250:
            kept[number] = digest(content)
        return code, text

    def there():
        """{N: uid}; raises when something is missing or changed."""
        found = {}
        with Imap(box.imap).login(box.account, box.password) as c:
            c.select()
            for uid, (_, octets) in c.bodies().items():
                if b"X-Full: " in octets:
                    content = octets[octets.index(b"X-Full: "):]
                    number = int(content.split(b"\r\n", 1)[0].split()[1])
                    assert number not in found, f"message {number} twice"
                    assert kept.get(number, digest(content)) == digest(content), f"message {number} changed"
                    found[number] = uid
        missing = set(kept) - set(found)
        assert not missing, f"{len(missing)} answered messages are missing"
        return found

    def expunge(uids):
        with Imap(box.imap, timeout=120).login(box.account, box.password) as c:
            c.select()
            c.ok(f"UID STORE {','.join(map(str, uids))} +FLAGS.SILENT (\\Deleted)")
            c.ok("EXPUNGE")

    def until_accepted(number, what):
        end = time.monotonic() + WAIT_S
        while (answer := deliver(number, 2000))[0] != 250:
            assert time.monotonic() < end, f"{what}: still {answer} after {WAIT_S} s, {free_mb(top):.0f} MB free"
            time.sleep(0.5)

    def below_reserve():
        for n in range(5):
            assert deliver(n, 3000)[0] == 250
        ballast = Ballast(top, 20_000_000)
        time.sleep(1.5)
        for size in (2000, 400_000):
            code, text = deliver(100, size)
            assert code == 452, f"a message of {size} octets got {code} {text} with {free_mb(top):.0f} MB free, expected 452"
        with Imap(box.imap).login(box.account, box.password) as c:
            answer = c.append("INBOX", b"Subject: no room\r\n\r\nx\r\n", sync=True)
            assert answer.status == "NO" and "OVERQUOTA" in answer.text, f"APPEND got {answer.status} {answer.text}, expected NO [OVERQUOTA]"
        uids = there()
        expunge([uids[0]])
        kept.pop(0)
        assert 0 not in there(), "the expunged message is there"
        ballast.drop()
        until_accepted(101, "after the ballast went")

    def nothing_left():
        there()  # what a client has seen must stay; what nobody saw yet may wait in the log for room in the index
        ballast = Ballast(top, 0)
        code, text = deliver(200, 3000)
        assert 400 <= code < 500, f"with no octet free a message got {code} {text}, expected 4xx"
        there()
        ballast.drop()
        until_accepted(201, "after the ballast went")
        there()

    def filled_by_mail():
        number, refused = 1000, 0
        while refused < 3 and number < 1000 + 2 * SIZE_MB:
            code, text = deliver(number, 1_000_000)
            number += 1
            assert code in (250, 452), f"got {code} {text}"
            refused += code == 452
        assert refused == 3, "the disk never became full"
        before = len(kept)
        uids = there()
        big = [n for n in uids if n >= 1000]
        expunge([uids[n] for n in big])
        for n in big:
            kept.pop(n)
        until_accepted(5000, "after expunging what filled the disk")
        return f"{before} messages fitted, room again after expunging {len(big)}"

    def after_kill():
        box.kill()
        box.process.stdout.close()
        box.start()
        there()
        assert deliver(6000, 2000)[0] == 250
        assert box.stop() == 0, "no clean end"
        code, out, err = box.command("store", "check", check=False)
        assert code == 0, f"store check: {(out + err)[-600:]}"

    for what, act in (("below the reserve: 452, NO [OVERQUOTA], expunging works, recovers by itself", below_reserve), ("not one octet free: nothing is lost, recovers by itself", nothing_left),
                      ("filled by mail itself, emptied by expunging", filled_by_mail), ("after SIGKILL everything is still there", after_kill)):
        if not t.attempt(what, act) and not box.alive():
            t.check(False, "the server lives", box.tail())
            break
        if os.path.exists(os.path.join(top, "ballast")):
            os.unlink(os.path.join(top, "ballast"))
    box.kill()
