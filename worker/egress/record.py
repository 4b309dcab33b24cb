"""A record on its way out, before any Kafka client has seen it."""

from collections.abc import Sequence
from typing import NamedTuple


class OutRecord(NamedTuple):
    """One record to send: where to, and what.

    `key` and `value` are the bytes on the wire (`value` None is a tombstone); `headers` keep their order and may
    repeat a name; `timestamp_ms` is Unix milliseconds, event time. `caused_ms` is the timestamp of the record in the
    room log that led to it, for metrics; it is not sent, and 0 where nobody asks.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp_ms: int
    caused_ms: int = 0
