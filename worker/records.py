"""Kafka records as everybody here sees them: one on its way in, one on its way out. No client's types, no I/O."""

from base64 import b32encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple, Protocol


class Record(Protocol):
    """A record on its way in, as aiokafka's record objects are. A header may be null.

    `timestamp` is in Unix ms. In the room log it is the append time: what a producer wrote is bounded before
    (`partition.append_time`).
    """

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class OutRecord(NamedTuple):
    """A record on its way out: where to, and what.

    Attributes:
        topic: its name as `worker.topics` has it, without a deployment's prefix.
        key, value: the bytes on the wire; a `value` of None is a tombstone.
        headers: in their order; a name may occur twice.
        timestamp_ms: event time in Unix ms; None is the time of sending.
        caused_ms: timestamp of the room log's record that led to this one, for metrics. It is not sent; 0 = not known.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp_ms: int | None = None
    caused_ms: int = 0


def record_id(*cause: str) -> str:
    """The id of a record with this cause: base32 of 128 bits of BLAKE2b over it, 26 lower-case characters.

    The same cause gives the same id on every worker and in every replay.
    """
    digest = blake2b("\x1f".join(cause).encode(), digest_size=16).digest()
    return b32encode(digest).decode().rstrip("=").lower()
