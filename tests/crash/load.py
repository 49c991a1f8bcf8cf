"""The load of one round: SMTP connections that deliver and IMAP clients that change, all until the server dies."""
import re, threading, time
from imap import Imap
from ledger import number_of
from smtp import Smtp

FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Forwarded", "crash-test")
LOST = (OSError, ValueError)  # what a killed server looks like from here (ValueError: a closed TLS or file object)


class Load:
    """Threads that begin at once; `stop` ends them, as does the death of the server."""

    def __init__(self, box, ledger, rnd, senders=3, messages=40):
        self.box, self.ledger, self.lock, self.over, self.left, self.accepted, self.changes = box, ledger, threading.Lock(), False, messages, 0, 0
        self.troubles = []
        jobs = [(self.send, n) for n in range(senders)] + [(self.change, n) for n in range(len(ledger.accounts))]
        self.threads = [threading.Thread(target=self.guard, args=(job, n, type(rnd)(rnd.getrandbits(64))), daemon=True) for job, n in jobs]
        [t.start() for t in self.threads]

    def guard(self, job, number, rnd):
        try:
            job(number, rnd)
        except LOST:
            pass
        except Exception as error:
            self.troubles.append(f"{job.__name__}: {type(error).__name__}: {error}")

    def stop(self):
        self.over = True
        [t.join(20) for t in self.threads]
        if any(t.is_alive() for t in self.threads):
            self.troubles.append("a client still waits 20 s after the server's death")

    def send(self, number, rnd):
        s = Smtp(self.box.smtp, timeout=15).ehlo()
        while not self.over:
            large = rnd.random() < 0.06
            who = sorted(rnd.sample(range(len(self.ledger.accounts)), rnd.randint(1, len(self.ledger.accounts))))
            with self.lock:
                if self.left <= 0:
                    return
                self.left -= 1
                n, octets = self.ledger.content(rnd, rnd.randint(150_000, 600_000) if large else rnd.choice((200, 900, 5_000, 30_000)))
                self.ledger.sending[n] = who
            code, text = s.deliver("a@elsewhere.example", [self.ledger.accounts[i].address for i in who], octets, by=rnd.choice(("data", "bdat")), chunk=40_000)
            with self.lock:
                del self.ledger.sending[n]
                if code == 250:
                    self.ledger.answered[n] = who
                    self.accepted += 1
                elif code == 421:
                    return  # it is stopping: not taken, and said so
                else:
                    self.troubles.append(f"delivery got {code} {text}")

    def change(self, number, rnd):
        account = self.ledger.accounts[number]
        c = Imap(self.box.imap, timeout=15).login(account.address, account.password)
        client = Changes(c, account, self, rnd)
        while not self.over:
            client.step()
            self.changes += 1


class Changes:
    """One client's random changes, each written down as doubtful before it is sent and as done when it is answered."""

    def __init__(self, connection, account, load, rnd):
        self.c, self.account, self.ledger, self.lock, self.rnd = connection, account, load.ledger, load.lock, rnd
        self.name = None

    def step(self):
        if self.name is None or self.rnd.random() < 0.2:
            self.name = self.rnd.choice(("INBOX", "INBOX", "Work", "Copies"))
            with self.lock:
                self.ledger.select(self.account, self.name, self.c.select(self.name))
        self.rnd.choice((self.look, self.store, self.store, self.append, self.copy, self.move, self.expunge))()

    def some(self, most):
        live = sorted(self.account.boxes[self.name].live)
        return sorted(self.rnd.sample(live, min(len(live), self.rnd.randint(1, most))))

    def look(self):
        """Learn of new messages: a UID that a client has seen must mean the same for ever."""
        box = self.account.boxes[self.name]
        answer = self.c.ok(f"UID FETCH {max(box.live, default=0) + 1}:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (X-Crash)])")
        with self.lock:
            for parts in answer.lines:
                uid = re.search(rb"UID (\d+)", parts[0] + parts[-1])
                flags = re.search(rb"FLAGS \(([^)]*)\)", parts[0] + parts[-1])
                n = number_of(parts[1]) if len(parts) > 1 else None
                if uid and n is not None:
                    self.ledger.appeared(self.account, self.name, int(uid.group(1)), n, frozenset(flags.group(1).decode().split()) - {"\\Recent"} if flags else None)

    def store(self):
        uids = self.some(5)
        if not uids:
            return self.look()
        verb, flags = self.rnd.choice(("+FLAGS", "-FLAGS", "FLAGS")), frozenset(self.rnd.sample(FLAGS, self.rnd.randint(1, 3)))
        live = self.account.boxes[self.name].live
        after = {}
        for uid in uids:
            old = live[uid].flags
            after[uid] = flags if verb == "FLAGS" else None if old is None else old | flags if verb[0] == "+" else old - flags
            if old is not None:
                live[uid].doubt = [after[uid]]
        self.done(self.c.ok(f"UID STORE {','.join(map(str, uids))} {verb}{self.rnd.choice(('', '.SILENT'))} ({' '.join(sorted(flags))})"))
        for uid in uids:
            live[uid].flags, live[uid].doubt = after[uid], []

    def append(self):
        with self.lock:
            n, octets = self.ledger.content(self.rnd, self.rnd.choice((300, 4_000, 200_000) if self.rnd.random() < 0.2 else (300, 4_000)))
        self.account.maybe["Work", n] += 1
        answer = self.done(self.c.append("Work", octets, "\\Flagged"))
        uid = re.search(r"APPENDUID (\d+) (\d+)", answer.text)
        if answer.status != "OK" or not uid:
            raise AssertionError(f"APPEND got {answer.status} {answer.text}")
        self.account.maybe["Work", n] -= 1
        with self.lock:
            self.ledger.appeared(self.account, "Work", int(uid.group(2)), n, frozenset({"\\Flagged"}))

    def copied(self, answer, uids, what):
        """Write down where COPYUID says that the copies are."""
        found = re.search(r"COPYUID (\d+) (\S+) ([\d,:]+)", answer.text) or re.search(r"COPYUID (\d+) (\S+) ([\d,:]+)", b"".join(answer.flat()).decode("utf-8", "replace"))
        if not found:
            raise AssertionError(f"no COPYUID in {answer.text!r}")
        pairs = list(zip(numbers(found.group(2)), numbers(found.group(3))))
        if sorted(a for a, _ in pairs) != uids:
            self.ledger.fault(f"{what} of {uids} answered {found.group(0)}")
        with self.lock:
            for old, new in pairs:
                source = self.account.boxes[self.name].live[old]
                self.ledger.appeared(self.account, "Copies", new, source.number, source.flags)
                self.account.maybe["Copies", source.number] -= 1

    def copy(self):
        uids = self.some(3)
        if not uids or self.name == "Copies":
            return self.look()
        for uid in uids:
            self.account.maybe["Copies", self.account.boxes[self.name].live[uid].number] += 1
        self.copied(self.done(self.c.ok(f"UID COPY {','.join(map(str, uids))} Copies")), uids, "COPY")

    def move(self):
        uids = self.some(3)
        if not uids or self.name != "Work":
            return self.look()
        box = self.account.boxes[self.name]
        for uid in uids:
            number = box.live[uid].number
            self.account.maybe["Copies", number] += 1
            self.account.moving[uid] = number, self.account.boxes["Copies"].numbers[number]
        box.going |= set(uids)
        self.copied(self.done(self.c.ok(f"UID MOVE {','.join(map(str, uids))} Copies")), uids, "MOVE")
        self.ended(box, uids)
        self.account.moving.clear()

    def expunge(self):
        uids = self.some(3)
        if not uids or len(self.account.boxes[self.name].live) < 40:
            return self.look()
        box, text = self.account.boxes[self.name], ",".join(map(str, uids))
        for uid in uids:
            old = box.live[uid].flags
            box.live[uid].doubt = [old | {"\\Deleted"}] if old is not None else []
        self.c.ok(f"UID STORE {text} +FLAGS.SILENT (\\Deleted)")
        for uid in uids:
            box.live[uid].flags, box.live[uid].doubt = (box.live[uid].flags | {"\\Deleted"} if box.live[uid].flags is not None else None), []
        box.going |= set(uids)
        self.done(self.c.ok(f"UID EXPUNGE {text}"))
        self.ended(box, uids)

    def ended(self, box, uids):
        for uid in uids:
            box.gone.add(uid)
            box.live.pop(uid, None)
        box.going -= set(uids)

    def done(self, answer):
        time.sleep(self.rnd.random() * 0.004)
        return answer


def numbers(text):
    """The numbers of a UID set, in its order."""
    out = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        step = range(int(first), int(last or first) + 1) if int(last or first) >= int(first) else range(int(first), int(last) - 1, -1)
        out += step
    return out
