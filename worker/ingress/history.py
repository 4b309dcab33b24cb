"""Bytes of `live.audit.history` → what an earlier release knew, or the reason why not."""

import msgspec

from worker.audit.past import Past, key_of
from worker.ingress.decode import refusal
from worker.ingress.reject import Reason, Reject

_past: msgspec.json.Decoder[Past] = msgspec.json.Decoder(Past)


def decode_past(key: bytes | None, value: bytes | None) -> Past | Reject:
    """What a record says. Its key must be the one that its value asks for."""
    if value is None:
        return Reject(Reason.NOT_JSON, "the value is null")
    try:
        past = _past.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return refusal(error)
    if key != key_of(past).encode():
        return Reject(Reason.KEY_MISMATCH, f"the key is not {key_of(past).partition(':')[0]}: and what the value names")
    return past
