"""Why an input record is refused, and the dead letter that keeps it.

The reasons are a closed list: metric label and dead-letter class alike. A `Reject` carries a detail for the
operator; the detail names the place in the record and what was expected there, never what was found, because the
found value may be a viewer's comment.
"""

from enum import StrEnum
from typing import NamedTuple, final

from worker.records import OutRecord, Record
from worker.topics import DEAD_LETTERS_TOPIC

DETAIL_CHARS_MAX = 300


class Reason(StrEnum):
    """Every way to be rejected (`schemas/README.md`)."""

    NOT_JSON = "not_json"
    """No JSON text: empty, null value, syntax error, byte-order mark, NaN, lone surrogate, rubbish behind."""
    NOT_OBJECT = "not_object"
    """JSON, but no object."""
    UNKNOWN_TYPE = "unknown_type"
    """`type` names no event type that this version knows."""
    MISSING_FIELD = "missing_field"
    """A required field, or `type`, is absent."""
    WRONG_TYPE = "wrong_type"
    """A field has another JSON type than the schema says (1.0 is no integer)."""
    OUT_OF_RANGE = "out_of_range"
    """A number beyond its bounds, a word outside its list, an empty or ill-formed identifier."""
    TOO_LONG = "too_long"
    """A text or list is longer than its bound."""
    TOO_LARGE = "too_large"
    """The record is beyond 64 KiB, or nests deeper than 256."""
    KEY_MISMATCH = "key_mismatch"
    """The record's key is not the room_id."""
    BAD_UTF8 = "bad_utf8"
    """A text that the worker reads is not UTF-8."""
    FUTURE_TIMESTAMP = "future_timestamp"
    """at_ms is more than 5 min after the record's timestamp."""
    OUT_OF_SESSION = "out_of_session"
    """The event belongs to a session that was closed more than ten minutes ago, or to another than the room's."""
    UNKNOWN_POLICIES = "unknown_policies"
    """A switch names what the policies' topic does not have, or is none."""
    BAD_SIGNATURE = "bad_signature"
    """What needs a signature has none, or one that does not count: another key's, ended, revoked or false."""


@final
class Reject(NamedTuple):
    """A refused record: the reason, a detail without any of its values, and the stage that refused it."""

    reason: Reason
    detail: str
    stage: str = "decode"


def dead_letter(record: Record, reject: Reject, *, topic: str, partition: int, worker_version: str) -> OutRecord:
    """The dead letter of `record`: key, value and headers untouched, `dlq.*` headers behind them.

    `topic` and `partition` are where the record was read. `dlq.*` headers of the same names that the record already
    carries (it was replayed once) are replaced, so that a reader finds each name once. The timestamp stays the
    record's own: the output is a function of the log.
    """
    about = {
        "dlq.original.topic": topic,
        "dlq.original.partition": str(partition),
        "dlq.original.offset": str(record.offset),
        "dlq.original.timestamp": str(record.timestamp),
        "dlq.error.class": reject.reason.value,
        "dlq.error.message": reject.detail[:DETAIL_CHARS_MAX],
        "dlq.stage": reject.stage,
        "dlq.worker.version": worker_version,
    }
    headers: list[tuple[str, bytes | None]] = [(name, value) for name, value in record.headers if name not in about]
    headers += [(name, text.encode()) for name, text in about.items()]
    return OutRecord(DEAD_LETTERS_TOPIC, record.key, record.value, headers, record.timestamp)
