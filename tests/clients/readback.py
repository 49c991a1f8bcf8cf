"""What every client test asks in the end: is the message there, once, and is it what was sent?"""
import time
from imap import Imap


def open_mailbox(box, mailbox="INBOX", account=None, password=None):
    """A logged-in connection with the mailbox selected."""
    connection = Imap(box.imap)
    connection.login(account or box.account, password or box.password)
    connection.select(mailbox)
    return connection


def found(box, marker, mailbox="INBOX", seconds=15, **login):
    """[(uid, flags, octets)] of the messages that contain the marker; waits for the first one."""
    marker = marker.encode() if isinstance(marker, str) else marker
    end = time.monotonic() + seconds
    while True:
        with open_mailbox(box, mailbox, **login) as connection:
            hits = [(uid, flags, octets) for uid, (flags, octets) in connection.bodies().items() if marker in octets]
        if hits or time.monotonic() > end:
            return hits
        time.sleep(0.2)


def once(box, marker, mailbox="INBOX", **login):
    """The octets of the one message with this marker."""
    hits = found(box, marker, mailbox, **login)
    assert len(hits) == 1, f"{len(hits)} messages with {marker!r} in {mailbox}, expected 1"
    return hits[0][2]
