"""libopendkim as a signer and a verifier, keys given by us: no DNS is asked."""

import ctypes
import ctypes.util

OK = 0
ALGORITHMS = {"rsa-sha256": 1, "ed25519-sha256": 2}
CANONS = {"simple": 0, "relaxed": 1}
FEATURE_ED25519 = 11
KEY_LOOKUP = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_ubyte), ctypes.c_size_t
)


class OpenDkim:
    """One library handle."""

    def __init__(self):
        # By the name of its ABI: the plain name is only there with the development package.
        lib = self.lib = ctypes.CDLL("libopendkim.so.11")
        lib.dkim_init.restype = lib.dkim_sign.restype = lib.dkim_verify.restype = ctypes.c_void_p
        lib.dkim_sig_getselector.restype = lib.dkim_sig_getdomain.restype = ctypes.c_char_p
        lib.dkim_libfeature.restype = ctypes.c_bool
        self.keys = {}
        self.handle = ctypes.c_void_p(lib.dkim_init(None, None))
        self.lookup = KEY_LOOKUP(self.find_key)
        lib.dkim_set_key_lookup(self.handle, self.lookup)
        self.has_ed25519 = lib.dkim_libfeature(self.handle, FEATURE_ED25519)

    def find_key(self, _dkim, signature, buffer, size):
        """Called back: puts the record into the buffer."""
        signature = ctypes.c_void_p(signature)
        selector = self.lib.dkim_sig_getselector(signature).decode("utf-8", "replace")
        domain = self.lib.dkim_sig_getdomain(signature).decode("utf-8", "replace")
        record = self.keys.get(f"{selector}._domainkey.{domain}".lower())
        if record is None or len(record) + 1 > size:
            return 3
        ctypes.memmove(buffer, record.encode() + b"\0", len(record) + 1)
        return 0

    def feed(self, dkim, message):
        header, _, body = message.partition(b"\r\n\r\n")
        fields = []
        for line in header.split(b"\r\n"):
            if line[:1] in (b" ", b"\t") and fields:
                fields[-1] += b"\r\n" + line
            else:
                fields.append(line)
        for field in fields:
            status = self.lib.dkim_header(dkim, field, ctypes.c_size_t(len(field)))
            if status != OK:
                return status
        status = self.lib.dkim_eoh(dkim)
        if status != OK:
            return status
        if body:
            self.lib.dkim_body(dkim, body, ctypes.c_size_t(len(body)))
        return self.lib.dkim_eom(dkim, None)

    def sign(self, message, selector, domain, key, algorithm, canons):
        """The field, without its CRLF."""
        status = ctypes.c_int()
        header, body = (ctypes.c_int(CANONS[canon]) for canon in canons)
        dkim = self.lib.dkim_sign(
            self.handle, b"test", None, key, selector.encode(), domain.encode(), header, body,
            ctypes.c_int(ALGORITHMS[algorithm]), ctypes.c_ssize_t(-1), ctypes.byref(status),
        )
        dkim = ctypes.c_void_p(dkim)
        assert status.value == OK, f"dkim_sign says {status.value}"
        status = self.feed(dkim, message)
        assert status == OK, f"signing says {status}"
        text, length = ctypes.c_char_p(), ctypes.c_size_t()
        self.lib.dkim_getsighdr_d(dkim, ctypes.c_size_t(16), ctypes.byref(text), ctypes.byref(length))
        field = b"DKIM-Signature: " + ctypes.string_at(text, length.value)
        self.lib.dkim_free(dkim)
        return field.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def verify(self, message, keys):
        """Whether a signature is good; `keys` is {name: record}."""
        self.keys = keys
        status = ctypes.c_int()
        dkim = ctypes.c_void_p(self.lib.dkim_verify(self.handle, b"test", None, ctypes.byref(status)))
        found = self.feed(dkim, message)
        self.lib.dkim_free(dkim)
        return found == OK
