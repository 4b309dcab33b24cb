"""Ed25519 over bytes that say what they are. Source: RFC 8032, and DSSE's pre-authentication encoding (PAE).

A signature stands in the header `sa-sig`: `1;<kid>;<base64>`. A `kid` is the first 16 hexadecimal digits of the SHA-256
of the raw public key, so no one chooses it.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE = "sa-sig"
KEY_BYTES = 32
SIGNATURE_BYTES = 64
KID_CHARS = 16
ROOTS_MAX = 8
_HEADER_BYTES_MAX = 128

Roots = Mapping[str, bytes]
"""kid → raw public key of those who may publish a keyring."""


class Signature(NamedTuple):
    """Who signed, by its own word, and the 64 bytes."""

    kid: str
    raw: bytes


class Signer:
    """A private key. It shows itself nowhere."""

    __slots__ = ("_private", "kid", "public")

    def __init__(self, seed: bytes) -> None:
        """`seed` is the raw private key, 32 bytes. Raises ValueError for another length."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw()
        self.kid = kid_of(self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the header's value for a message; the same one each time."""
        return b"1;" + self.kid.encode() + b";" + b64encode(self._private.sign(message))


def sealed(kind: str, body: bytes) -> bytes:
    """Return the bytes that are hashed and signed: no body of one kind has those of another."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(body), body)


def kid_of(public: bytes) -> str:
    """Return the short name of a raw public key."""
    return sha256(public).hexdigest()[:KID_CHARS]


def only_header(headers: Sequence[tuple[str, bytes | None]], name: str) -> bytes | None:
    """Return the value of a header that stands there once; None when it is absent, null or there twice."""
    found = [value for key, value in headers if key == name]
    return found[0] if len(found) == 1 else None


def read_signature(header: bytes | None) -> Signature | None:
    """Return what a header's value holds; None when it holds no signature in the one form that is written."""
    if header is None or len(header) > _HEADER_BYTES_MAX:
        return None
    try:
        version, kid, text = header.decode("ascii").split(";")
        raw = b64decode(text, validate=True)
    except ValueError:
        return None
    well_formed = version == "1" and len(kid) == KID_CHARS and len(raw) == SIGNATURE_BYTES
    return Signature(kid, raw) if well_formed and b64encode(raw).decode() == text else None


def is_by(public: bytes, raw: bytes, message: bytes) -> bool:
    """Tell whether `raw` is the signature of a raw public key under a message."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(raw, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_public(text: str) -> bytes:
    """Return a raw public key from base64. Raises ValueError when it is none."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES or b64encode(raw).decode() != text:
        raise ValueError("a public key is 32 bytes in base64, as `stream-audit keys new` prints it")
    return raw


def read_roots(text: str) -> Roots:
    """Return root keys from base64 with commas between. Raises ValueError when one is wrong, or there are too many."""
    keys = [read_public(part.strip()) for part in text.split(",") if part.strip()]
    if len(keys) > ROOTS_MAX:
        raise ValueError(f"{len(keys)} root keys, at most {ROOTS_MAX} are taken")
    return {kid_of(key): key for key in keys}
