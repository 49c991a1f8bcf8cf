"""What the world was told: which messages were answered, which UIDs were seen, which changes may or may not have happened.

Every message carries `X-Crash: N` as its first line. SMTP delivers to INBOX, APPEND goes to Work, COPY and MOVE to Copies.
One IMAP client an account makes one change at a time, so that at a crash at most one change an account is in doubt.
"""
import collections, hashlib, random, re

MAILBOXES = ("INBOX", "Work", "Copies")


def digest(octets):
    return hashlib.sha256(octets).hexdigest()


class Seen:
    """One UID of one mailbox. flags: None while they were never read; doubt: other sets of flags that are possible."""
    __slots__ = ("number", "flags", "doubt")

    def __init__(self, number, flags=None):
        self.number, self.flags, self.doubt = number, flags, []


class Mailbox:
    def __init__(self):
        self.validity, self.live, self.highest, self.read = None, {}, 0, 0
        self.gone = set()        # UIDs whose end was answered: never again
        self.going = set()       # UIDs whose end was asked for and not answered
        self.numbers = collections.Counter()  # N -> how many UIDs ever had it


class Account:
    def __init__(self, address, password):
        self.address, self.password = address, password
        self.boxes = {name: Mailbox() for name in MAILBOXES}
        self.maybe = collections.Counter()  # (mailbox, N) -> further copies that an unanswered change may have made
        self.moving = {}  # UID in Work -> (N, copies of N in Copies before): an unanswered MOVE


class Ledger:
    """All accounts of one data directory."""

    def __init__(self, accounts):
        self.accounts = [Account(*a) for a in accounts]
        self.digests = {}   # N -> digest of the content
        self.answered = {}  # N -> indices of accounts whose INBOX must have it
        self.sending = {}   # N -> indices of accounts whose INBOX may have it: in all or in none
        self.next = 1
        self.faults = []

    def fault(self, text):
        self.faults.append(text)

    def content(self, rnd, size):
        """A new message; returns (N, octets)."""
        number = self.next
        self.next += 1
        head = b"X-Crash: %d\r\nFrom: <a@elsewhere.example>\r\nSubject: crash %d\r\n\r\n" % (number, number)
        line = b"%x" % rnd.getrandbits(256) + b"\r\n.dot\r\n"
        octets = head + line * max(1, (size - len(head)) // len(line))
        self.digests[number] = digest(octets)
        return number, octets

    def appeared(self, account, name, uid, number, flags=None):
        """A client saw this UID: from now on it means this message."""
        box = account.boxes[name]
        known = box.live.get(uid)
        if known is not None:
            if known.number != number:
                self.fault(f"{account.address} {name}: UID {uid} was message {known.number} and is now {number}")
            return known
        if uid in box.gone:
            self.fault(f"{account.address} {name}: UID {uid} (message {number}) is back after its expunge was answered")
        box.live[uid] = seen = Seen(number, flags)
        box.highest = max(box.highest, uid)
        box.numbers[number] += 1
        return seen

    def select(self, account, name, facts):
        """What SELECT said."""
        box = account.boxes[name]
        if box.validity not in (None, facts.get("uidvalidity")):
            self.fault(f"{account.address} {name}: UIDVALIDITY was {box.validity} and is {facts.get('uidvalidity')}")
        box.validity = facts.get("uidvalidity")
        if facts.get("uidnext", 0) <= box.highest:
            self.fault(f"{account.address} {name}: UIDNEXT {facts.get('uidnext')} but UID {box.highest} was given out")
        box.highest = max(box.highest, facts.get("uidnext", 0) - 1 if facts.get("exists") == 0 else box.highest)

    def compare_flags(self, account, name, now):
        """now: {uid: flags} of the whole mailbox after a restart. Settles every doubt."""
        box = account.boxes[name]
        for uid in sorted(set(box.live) - set(now)):
            if uid not in box.going:
                self.fault(f"{account.address} {name}: UID {uid} (message {box.live[uid].number}) was seen and is gone")
            box.gone.add(uid)
            del box.live[uid]
        box.going.clear()
        for uid, flags in now.items():
            flags, seen = flags - {"\\Recent"}, box.live.get(uid)
            if seen is None:
                continue
            if seen.flags is not None and flags != seen.flags and flags not in seen.doubt:
                self.fault(f"{account.address} {name}: UID {uid} has flags {sorted(flags)}, answered were {sorted(seen.flags)}" + (f" or {[sorted(d) for d in seen.doubt]}" if seen.doubt else ""))
            seen.flags, seen.doubt = flags, []

    def settle(self):
        """After all mailboxes were read: every answered message once, every unanswered one everywhere or nowhere."""
        for index, account in enumerate(self.accounts):
            inbox = account.boxes["INBOX"].numbers
            for number, count in inbox.items():
                if count > 1:
                    self.fault(f"{account.address}: message {number} is in INBOX {count} times")
                if index not in self.answered.get(number, ()) and index not in self.sending.get(number, ()):
                    self.fault(f"{account.address}: message {number} was never sent there")
            for number, who in self.answered.items():
                if index in who and not inbox[number]:
                    self.fault(f"{account.address}: message {number} got its 250 and is not in INBOX")
        for number, who in self.sending.items():
            have = [i for i in who if self.accounts[i].boxes["INBOX"].numbers[number]]
            if have and len(have) != len(who):
                self.fault(f"message {number} (unanswered) is with {len(have)} of {len(who)} recipients")
            if have:
                self.answered[number] = who
        self.sending.clear()
        for account in self.accounts:
            for uid, (number, before) in account.moving.items():
                have = (uid in account.boxes["Work"].live) + account.boxes["Copies"].numbers[number] - before
                if have != 1:
                    self.fault(f"{account.address}: an unanswered MOVE of UID {uid} left message {number} in {have} mailboxes")
            account.moving.clear()
            account.maybe.clear()


def number_of(octets):
    """N of a message or of a header fetch; None when it has none (the welcome message)."""
    found = re.search(rb"^X-Crash: (\d+)\r\n", octets, re.M)
    return int(found.group(1)) if found else None


def seeded(*words):
    return random.Random("/".join(map(str, words)))
