"""Reading and writing a Maildir as mbsync and offlineimap keep it."""
import os, pathlib, re


def messages(top):
    """{path: octets} of new/ and cur/ (line ends as stored, which is LF)."""
    out = {}
    for part in ("new", "cur"):
        directory = pathlib.Path(top) / part
        if directory.is_dir():
            for path in directory.iterdir():
                out[path] = path.read_bytes()
    return out


def flags(path):
    """The flag letters of a file."""
    return set(path.name.rpartition(":2,")[2]) if ":2," in path.name else set()


def with_flags(path, letters):
    """Rename a file so that it carries exactly these flags; returns the new path."""
    target = path.parent.parent / "cur" / (path.name.split(":2,")[0] + ":2," + "".join(sorted(letters)))
    path.rename(target)
    return target


def put(top, name, octets, letters=""):
    """A new message in cur/."""
    for part in ("new", "cur", "tmp"):
        os.makedirs(os.path.join(top, part), exist_ok=True)
    path = pathlib.Path(top) / "cur" / f"{name}:2,{letters}"
    path.write_bytes(octets)
    return path


def without_tuid(octets):
    """mbsync writes one X-TUID line of its own into every message that it stores; this takes it out again."""
    return re.sub(rb"^X-TUID: [A-Za-z0-9+/]{12}\r?\n", b"", octets, count=1, flags=re.M)


def has_header_end(octets):
    """mbsync passes over a message whose header has no empty line behind it ("incomplete header"), on any server."""
    return octets.startswith(b"\r\n") or b"\r\n\r\n" in octets
