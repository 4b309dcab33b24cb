"""Bytes of `live.audit.identities` and `live.host.registry` → what they say, or the reason why not."""

from typing import TypeVar

import msgspec

from worker.audit.announce import Identity
from worker.identities.hosts import Registration
from worker.ingress.decode import refusal, too_large
from worker.ingress.reject import Reason, Reject

T = TypeVar("T")

_identities = msgspec.json.Decoder(Identity)
_registrations = msgspec.json.Decoder(Registration)


def decode_identity(key: bytes | None, value: bytes | None) -> Identity | Reject:
    """What a room said of itself. The key must be `kind:identity`."""
    if value is None:
        return Reject(Reason.NOT_JSON, "the value is null")
    said = _decode(_identities, value)
    if isinstance(said, Identity) and key != f"{said.kind}:{said.identity}".encode():
        return Reject(Reason.KEY_MISMATCH, "the key is not kind:identity")
    return said


def decode_registration(key: bytes | None, value: bytes | None) -> Registration | str | Reject:
    """The registry's record of a host; the host's id alone when the registry has removed him."""
    try:
        host_id = (key or b"").decode()
    except UnicodeDecodeError:
        return Reject(Reason.BAD_UTF8, "the key is not UTF-8")
    if not 1 <= len(host_id) <= 64:
        return Reject(Reason.KEY_MISMATCH, "the key is not the host_id")
    if value is None:
        return host_id
    found = _decode(_registrations, value)
    if isinstance(found, Registration) and found.host_id != host_id:
        return Reject(Reason.KEY_MISMATCH, "the key is not the host_id")
    return found


def _decode(decoder: msgspec.json.Decoder[T], value: bytes) -> T | Reject:
    if (reject := too_large(value, len(value))) is not None:
        return reject
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return refusal(error)
