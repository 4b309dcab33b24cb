"""A record on its way out, before any Kafka client has seen it."""

from typing import NamedTuple


class OutRecord(NamedTuple):
    """One record to send: where to, and what.

    `key` and `value` are the bytes on the wire (`value` None is a tombstone); `headers` keep their order and may
    repeat a name; `timestamp_ms` is Unix milliseconds, event time.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp_ms: int
