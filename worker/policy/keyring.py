"""Who may sign what, and when: a list of public keys, published as a link of the policies' chain.

A key counts by the append time of what it signed. From the keyring on that revokes it, or leaves it out, it counts no
more. What was accepted before stays accepted.
"""

import re
from base64 import b64encode
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from worker.policy.signing import Roots, Signature, is_by, kid_of, read_public

Role = Literal["policy", "relay", "operator", "archive"]
KEYS_MAX = 64
MILLIS_MAX = 4_102_444_800_000
Millis = Annotated[int, Meta(ge=0, le=MILLIS_MAX)]
_KID = re.compile(r"[0-9a-f]{16}", re.ASCII)


class Key(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One public key: it counts from `not_before_ms` until `not_after_ms` (excluded), and not once it is revoked."""

    kid: str
    role: Role
    key: str  # base64 of 32 bytes
    not_before_ms: Millis = 0
    not_after_ms: Millis | None = None
    revoked_ms: Millis | None = None


class Keyring(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All keys that are known; the highest version holds."""

    kind: Literal["keyring"] = "keyring"
    version: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    keys: Annotated[tuple[Key, ...], Meta(max_length=KEYS_MAX)]

    def find(self, kid: str) -> Key | None:
        """Return the key of that name."""
        return next((key for key in self.keys if key.kid == kid), None)


_decoder = msgspec.json.Decoder(Keyring)


def new_key(public: bytes, role: Role, *, not_before_ms: int = 0, not_after_ms: int | None = None) -> Key:
    """Return the entry of a raw public key."""
    text = b64encode(public).decode()
    return Key(kid=kid_of(public), role=role, key=text, not_before_ms=not_before_ms, not_after_ms=not_after_ms)


def read_keyring(value: bytes) -> Keyring:
    """Return the keyring in a record's value. Raises ValueError that says what is wrong with it."""
    try:
        found = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is no keyring: {error}") from None
    seen: set[str] = set()
    for key in found.keys:
        if _KID.fullmatch(key.kid) is None or key.kid != kid_of(read_public(key.key)):
            raise ValueError(f"key {key.kid[:32]!r} is not named after its public key")
        if key.kid in seen:
            raise ValueError(f"key {key.kid} is listed twice")
        seen.add(key.kid)
    return found


def write_keyring(keyring: Keyring) -> bytes:
    """Return a record's value."""
    return msgspec.json.encode(keyring)


def why_not(keyring: Keyring, signature: Signature | None, message: bytes, *, role: Role, at_ms: int) -> str:
    """Say why what was appended at `at_ms` is not signed by a key of that role; nothing when it is."""
    if signature is None:
        return f"is not signed; a key of the role {role} must sign it"
    key = keyring.find(signature.kid)
    if key is None:
        return f"is signed by {signature.kid}, which keyring {keyring.version} does not list"
    if key.role != role:
        return f"is signed by {key.kid} of the role {key.role}; it takes the role {role}"
    if key.revoked_ms is not None:
        return f"is signed by {key.kid}, which keyring {keyring.version} revokes"
    if at_ms < key.not_before_ms:
        return f"is signed by {key.kid}, which counts only from {key.not_before_ms} ms on"
    if key.not_after_ms is not None and at_ms >= key.not_after_ms:
        return f"is signed by {key.kid}, which ended at {key.not_after_ms} ms"
    return "" if is_by(read_public(key.key), signature.raw, message) else f"has a false signature of {key.kid}"


def why_not_root(roots: Roots, signature: Signature | None, message: bytes) -> str:
    """Say why a keyring is not signed by a root key; nothing when it is."""
    if not roots:
        return "is a keyring, and no root key is known here: set STREAM_AUDIT_ROOT_KEYS"
    if signature is None:
        return "is not signed; a root key must sign a keyring"
    if signature.kid not in roots:
        return f"is signed by {signature.kid}, which is no root key"
    return "" if is_by(roots[signature.kid], signature.raw, message) else f"has a false signature of {signature.kid}"
