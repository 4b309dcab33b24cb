"""Switches: records of the room log that say from where on a partition is judged by which book.

A switch has the key `#policies`, which no room can have. It names a place in the policies' topic and the chain's head
there, so a worker with another chain notices, and no one can name what was not published.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from worker.policy.chain import Digest, Headers, Offset
from worker.policy.keyring import Keyring, why_not
from worker.policy.signing import SIGNATURE, Signer, only_header, read_signature, sealed
from worker.records import Record

SWITCH_KEY = b"#policies"
KIND = "stream-audit/switch"
VALUE_BYTES_MAX = 1_024


class Switch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From here on `partition` goes by the book of the policies' topic up to `offset`, where the head is `chain`."""

    type: Literal["policies.activated"] = "policies.activated"
    offset: Offset
    chain: Digest
    partition: Annotated[int, Meta(ge=0)]


_decoder = msgspec.json.Decoder(Switch)


def read_switch(record: Record) -> Switch | None:
    """Return what a record with the key of switches says; None when it says nothing."""
    if record.key != SWITCH_KEY or record.value is None or len(record.value) > VALUE_BYTES_MAX:
        return None
    try:
        return _decoder.decode(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def write_switch(switch: Switch, signer: Signer | None) -> tuple[bytes, Headers]:
    """Return a record's value and headers, signed if there is a signer."""
    value = msgspec.json.encode(switch)
    return value, ((SIGNATURE, signer.sign(sealed(KIND, value))),) if signer is not None else ()


def why_unsigned(record: Record, keyring: Keyring | None) -> str:
    """Say why a switch does not count under the keyring of the book that it names; nothing when it does."""
    if keyring is None:
        return ""
    signature = read_signature(only_header(record.headers, SIGNATURE))
    message = sealed(KIND, record.value or b"")
    return why_not(keyring, signature, message, role="policy", at_ms=record.timestamp)
