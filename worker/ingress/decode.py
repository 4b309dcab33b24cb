"""Bytes from `live.room.events` → an event, or the one reason why not.

The structs of `worker.audit.events` do the validation while msgspec parses; here stand the checks that a type
cannot express (size, depth, key, clock) and the translation of msgspec's errors into the closed list of reasons.
The good path costs one decode and three comparisons; everything else happens only for a record that is refused.

A verdict must be a function of the log, so the outcome may not depend on how deep the caller's stack is: nesting is
bounded here, far below the interpreter's recursion limit.
"""

import re

import msgspec

from worker.audit.events import Event
from worker.ingress.reject import Reason, Reject

RECORD_BYTES_MAX = 64 * 1024
DEPTH_MAX = 256  # a worker's own stack is far from the interpreter's remaining 700 frames
SHALLOW_BYTES_MAX = 2 * DEPTH_MAX
"""Well-formed JSON of depth d is at least 2d bytes long: a common record needs no look at its depth."""
FUTURE_MS_MAX = 24 * 3_600_000
KNOWN_KEYS_MAX = 65_536

_events: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_event_in = _events.decode  # bound once: a look-up less per record
_ROOM_ID = re.compile(rb"[A-Za-z0-9:_.-]{1,64}")
_PATH = re.compile(r"`?\$[\w.\[\]-]*`?", re.ASCII)

# Keys seen and found well formed → the room_id they stand for. Only a memory of a pure check: emptied when full.
_known_keys: dict[bytes | None, str] = {}
_room_id_of = _known_keys.get


def decode(key: bytes | None, value: bytes | None, timestamp_ms: int) -> Event | Reject:
    """The event in a record's `value`, or why it is refused. Never raises on any input.

    `key` is the record's key, which must be the event's room_id; `timestamp_ms` the record's timestamp (Unix ms).
    Checks run in this order: size, depth, JSON and schema, key, clock; the first that fails gives the reason.
    """
    if value is None:
        return Reject(Reason.NOT_JSON, "the value is null")
    size = len(value)
    if size > SHALLOW_BYTES_MAX and (reject := too_large(value, size)) is not None:
        return reject
    try:
        event = _event_in(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return refusal(error)
    if _room_id_of(key) != event.room_id and (mismatch := _check_key(key, event.room_id)) is not None:
        return mismatch
    ahead_ms = event.at_ms - timestamp_ms
    if ahead_ms > FUTURE_MS_MAX:
        return Reject(Reason.FUTURE_TIMESTAMP, f"at_ms is {ahead_ms} ms after the record's timestamp")
    return event


def too_large(value: bytes, size: int) -> Reject | None:
    """Why a value of `size` bytes is not even parsed; None when it may be."""
    if size > RECORD_BYTES_MAX:
        return Reject(Reason.TOO_LARGE, f"{size} bytes, more than {RECORD_BYTES_MAX}")
    # Nesting to depth d takes d opening brackets: almost no record has so many, so few are walked.
    if value.count(b"[") + value.count(b"{") > DEPTH_MAX and _deeper_than(DEPTH_MAX, value):
        return Reject(Reason.TOO_LARGE, f"nested deeper than {DEPTH_MAX}")
    return None


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def _deeper_than(limit: int, value: bytes) -> bool:
    """Whether brackets outside of strings nest deeper than `limit`, in well-formed or broken JSON alike."""
    depth = 0
    for token in _TOKEN.finditer(value):
        first = token[0][0]
        if first in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif first in b"]}":
            depth -= 1
    return False


def _check_key(key: bytes | None, room_id: str) -> Reject | None:
    """A key not met before: is it a well-formed room_id, and this event's?"""
    if _ROOM_ID.fullmatch(room_id.encode()) is None:
        return Reject(Reason.OUT_OF_RANGE, "room_id may hold only A-Z a-z 0-9 : _ . -, at `$.room_id`")
    if key is None:
        return Reject(Reason.KEY_MISMATCH, "the key is null, but must be the room_id")
    if key != room_id.encode():
        return Reject(Reason.KEY_MISMATCH, "the key is not the room_id")
    if len(_known_keys) >= KNOWN_KEYS_MAX:
        _known_keys.clear()
    _known_keys[key] = room_id
    return None


def refusal(error: msgspec.DecodeError | UnicodeDecodeError) -> Reject:
    """What a decoder raised, as a reason."""
    if isinstance(error, msgspec.ValidationError):
        return _invalid(str(error))
    if isinstance(error, UnicodeDecodeError):
        return Reject(Reason.BAD_UTF8, f"a text is not UTF-8: {error.reason}")
    return Reject(Reason.NOT_JSON, str(error))


def _invalid(message: str) -> Reject:
    """msgspec's validation message → reason, and a detail without the found value.

    The messages are part of msgspec's behaviour, not of its interface: the invalid examples under `schemas/` pin each.
    Only two of them repeat what was found ("Invalid value '…'", "Invalid enum value '…'"): they are replaced.
    """
    what, _, path = message.rpartition(" - at ")
    if not what:
        what, path = message, "`$`"
    if what.startswith("Invalid "):
        if _PATH.fullmatch(path) is None:
            path = "`$`"
        if path == "`$.type`":
            return Reject(Reason.UNKNOWN_TYPE, "no such event type, at `$.type`")
        return Reject(Reason.OUT_OF_RANGE, f"not one of the allowed words, at {path}")
    detail = f"{what}, at {path}"
    if what.startswith("Object missing required field"):
        return Reject(Reason.MISSING_FIELD, detail)
    if "of length <=" in what:
        return Reject(Reason.TOO_LONG, detail)
    if "of length >=" in what or "` <= " in what or "` >= " in what or what.endswith("out of range"):
        return Reject(Reason.OUT_OF_RANGE, detail)
    if path == "`$`" and what.startswith("Expected `object`"):
        return Reject(Reason.NOT_OBJECT, detail)
    return Reject(Reason.WRONG_TYPE, detail)
