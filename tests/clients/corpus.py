"""The real messages, from PILLARBOX_TESTDATA (default ../shared/testdata beside the repository).

They are other people's: only hashes and counts of them are ever printed. Without them the tests fail: they are the point.
"""
import hashlib, os, pathlib, re, tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MESSAGE_SUFFIXES = {".eml", ".msg", ".txt"}


def testdata():
    return pathlib.Path(os.environ.get("PILLARBOX_TESTDATA") or ROOT.parent / "shared/testdata")


def originals(limit=None):
    """Octets of every message as it lies there, in a stable order."""
    top, count = testdata(), 0
    if not (top / "mime").is_dir():
        raise SystemExit(f"no messages in {top}: set PILLARBOX_TESTDATA")
    for path in sorted((top / "mime").rglob("*")):
        if path.suffix.lower() in MESSAGE_SUFFIXES and path.is_file():
            if limit is not None and count >= limit:
                return
            count += 1
            yield path.read_bytes()
    for archive in sorted((top / "spam").glob("*.tar.xz")):
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile():
                    if limit is not None and count >= limit:
                        return
                    count += 1
                    yield tar.extractfile(member).read()


def crlf(raw):
    """Lone LF made CRLF; a lone CR stays."""
    return re.sub(rb"(?<!\r)\n", b"\r\n", raw)


def forbidden(content):
    """What must be refused in a message that is CRLF already: a bare CR, a bare LF or NUL."""
    return b"\0" in content or re.search(rb"\r(?!\n)|(?<!\r)\n", content) is not None


def digest(content):
    return hashlib.sha256(content).hexdigest()[:16]
