"""After a restart: read everything back and hold it against the ledger."""
import re
from imap import Imap
from ledger import MAILBOXES, digest, number_of


def verify(box, ledger, everything):
    """Compare the server with the ledger. everything: read every body again, not only those of new UIDs."""
    for account in ledger.accounts:
        with Imap(box.imap, timeout=60).login(account.address, account.password) as c:
            for name in MAILBOXES:
                if c.command(f"STATUS {name} (MESSAGES)").status == "NO":
                    c.ok(f"CREATE {name}")
                ledger.select(account, name, c.select(name))
                now = c.flags()
                read(c, ledger, account, name, now, everything)
                ledger.compare_flags(account, name, now)
    ledger.settle()


def read(c, ledger, account, name, now, everything):
    """Fetch new (or all) messages: each is one that somebody put there, and its octets are what they sent."""
    mailbox = account.boxes[name]
    wanted = sorted(now if everything else [u for u in now if u not in mailbox.live])
    got = {}
    for at in range(0, len(wanted), 200):
        got.update(c.bodies(ranges(wanted[at:at + 200])))
    for uid in wanted:
        if uid not in got:
            ledger.fault(f"{account.address} {name}: UID {uid} has flags but no octets")
            continue
        octets = got[uid][1]
        number = number_of(octets)
        if number is None:
            mailbox.highest = max(mailbox.highest, uid)
            continue  # not of ours: the welcome message
        content = octets[re.search(rb"^X-Crash: ", octets, re.M).start():]
        if number not in ledger.digests or digest(content) != ledger.digests[number]:
            ledger.fault(f"{account.address} {name}: UID {uid}, message {number}: its octets changed ({len(content)})")
        if uid not in mailbox.live:
            if name != "INBOX":
                if account.maybe[name, number] <= 0:
                    ledger.fault(f"{account.address} {name}: UID {uid} holds message {number}, which nobody put there")
                account.maybe[name, number] -= 1
            if uid <= mailbox.read and uid not in mailbox.gone:
                ledger.fault(f"{account.address} {name}: UID {uid} (message {number}) came after higher ones were read")
            ledger.appeared(account, name, uid, number, None)
    mailbox.read = max([mailbox.read, *now])


def ranges(uids):
    """A compact UID set."""
    out, start, last = [], None, None
    for uid in uids:
        if last is not None and uid == last + 1:
            last = uid
            continue
        if start is not None:
            out.append((start, last))
        start = last = uid
    out.append((start, last))
    return ",".join(f"{a}:{b}" if a != b else str(a) for a, b in out)
