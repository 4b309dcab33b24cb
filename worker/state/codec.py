"""The changelog's records: what a partition writes before its offsets are committed, and reads back.

    key                value: 8 bytes checksum (xxh3) of what follows, 8 bytes of a number, data
    <room_id>          append time A of its newest record (ms), the room's core (`audit.snapshot`)
    <room_id>#c<k>     source offset, chunk k of the room's speech ring
    #caps              source offset, msgpack of `Caps`: the first record of a flush that changes it
    #meta              applied offset, msgpack of `Meta`: the last record of every flush
    #activation        offset below which an earlier release has spoken (`audit.succession`)
    #~<name>           of a later release, which says that others can do without it: left alone

A room's id has no `#`. A tombstone carries the source offset up to which its writer knew the room, so that a late one
cannot take a room which lives on. Integers are big-endian.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from xxhash import xxh3_64_digest

from worker.policy.caps import Ledger
from worker.policy.switch import Switch
from worker.records import Record

META_KEY = b"#meta"
META_VERSION = 1
CAPS_KEY = b"#caps"
CAPS_VERSION = 1
ACTIVATION_KEY = b"#activation"
OPTIONAL_PREFIX = b"#~"
OFFSET_HEADER = "offset"
CHECKSUM_BYTES = 8
PREFIX_BYTES = 16


class ChangelogError(Exception):
    """A changelog record cannot be read, or says what cannot be. The worker must not go on: it would judge from
    less than it has seen. Or another worker has written to it. The message names partition, offset and key."""


class ChangelogEnd:
    """Where a partition of a changelog ends, as far as its owner has read and written it; there always is a meta."""

    __slots__ = ("offset", "where")

    def __init__(self, topic: str, partition: int) -> None:
        self.where = f"{topic}[{partition}]"
        self.offset = 0

    def read(self, offset: int) -> None:
        """The record at `offset` was read."""
        self.offset = max(self.offset, offset + 1)

    def wrote(self, count: int, last_offset: int) -> None:
        """A flush of `count` records ended at `last_offset`.

        Raises ChangelogError when they do not follow what was known: a worker that was put out of the group has woken
        up and written. Whatever it overwrote is found when the changelog is read again, until compaction removes it.
        """
        first_offset = last_offset - count + 1
        if first_offset > self.offset:
            raise ChangelogError(
                f"changelog {self.where}: another worker wrote offsets {self.offset} to {first_offset - 1}, which this "
                f"one has not read. Nothing is lost: start again to read them."
            )
        self.offset = last_offset + 1


class Write(NamedTuple):
    """A changelog record to send; `value` None is a tombstone."""

    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Meta(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How far a partition's state goes. New fields are added at the end, with defaults.

    Attributes:
        applied_offset: every source offset below it is in the state that was flushed with this record.
        watermark_ms: the partition's time P, the latest append time of its records; for caps, eviction and metrics.
        outputs_end: in the same partition of the violations, the offset after the last one this state knows to be
            written; -1 when none is known.
        baseline_ms: the append time of the partition's first LogAppendTime batch, which bounds the times that
            producers wrote before it; 0 when it is not known.
        policies, chain: the book of policies that the partition goes by: a place in the policies' topic and the head
            there, as its last switch named them; -1 and empty before the first.
    """

    version: int
    applied_offset: int
    watermark_ms: int
    outputs_end: int = -1
    baseline_ms: int = 0
    policies: int = -1
    chain: str = ""


class Caps(msgspec.Struct, frozen=True, array_like=True):
    """What the partition has counted against the rules' caps. New fields are added at the end, with defaults."""

    version: int
    ledger: Ledger


class _Versioned(msgspec.Struct, array_like=True):
    """The beginning of both; what follows may be of any number and kind."""

    version: int


_caps_decoder = msgspec.msgpack.Decoder(Caps)
_meta_decoder = msgspec.msgpack.Decoder(Meta)
_version_decoder = msgspec.msgpack.Decoder(_Versioned)


def encode_meta(meta: Meta) -> Write:
    """The record that ends a flush: its presence implies the rest."""
    return Write(META_KEY, prefixed(meta.applied_offset, msgspec.msgpack.encode(meta)))


def decode_meta(value: bytes) -> Meta:
    """Raises ValueError when it is unreadable or from a later version."""
    _, data = split(value)
    try:
        version = _version_decoder.decode(data).version
        if version > META_VERSION:
            raise ValueError(f"version {version}, this worker knows up to {META_VERSION}")
        return _meta_decoder.decode(data)
    except msgspec.MsgspecError as unreadable:
        raise ValueError(str(unreadable)) from unreadable


def switch_of(meta: Meta, partition: int) -> Switch | None:
    """The last switch of policies that the partition has taken; None before the first."""
    return Switch(offset=meta.policies, chain=meta.chain, partition=partition) if meta.policies >= 0 else None


def book_of(switch: Switch | None) -> tuple[int, str]:
    """The last two fields of a meta."""
    return (-1, "") if switch is None else (switch.offset, switch.chain)


def encode_caps(ledger: Ledger, applied_offset: int) -> Write:
    """The caps as of a source offset. It goes first: verdicts that are ahead of their rooms are found again by id,
    rooms that are ahead of their verdicts would have been counted by nobody."""
    return Write(CAPS_KEY, prefixed(applied_offset, msgspec.msgpack.encode(Caps(CAPS_VERSION, ledger))))


def decode_caps(data: bytes) -> Ledger:
    """From what stands behind the offset. Raises ValueError when it is unreadable or from a later version."""
    try:
        version = _version_decoder.decode(data).version
        if version > CAPS_VERSION:
            raise ValueError(f"version {version}, this worker knows up to {CAPS_VERSION}")
        return _caps_decoder.decode(data).ledger
    except msgspec.MsgspecError as unreadable:
        raise ValueError(str(unreadable)) from unreadable


def encode_activation(offset: int) -> Write:
    """Where an earlier release stopped: what lies before is judged in silence, also by who comes later."""
    return Write(ACTIVATION_KEY, prefixed(offset, b""))


def room_key(room_id: str) -> bytes:
    """Key of a room's core."""
    return room_id.encode()


def chunk_key(room_id: str, chunk: int) -> bytes:
    """Key of one chunk of a room's speech ring."""
    return f"{room_id}#c{chunk}".encode()


def parse_key(key: bytes) -> tuple[str, int | None]:
    """(room_id, chunk); chunk None for the core. Raises ValueError for any other key.

    A key that this release does not know may hold what it must not go on without, so it is refused.
    """
    room_id, mark, chunk = key.decode().partition("#c")
    if not room_id or "#" in room_id or (mark and not (chunk.isascii() and chunk.isdigit() and len(chunk) <= 4)):
        raise ValueError("the key is neither a room nor one of its chunks: roll forward to the release that wrote it")
    return room_id, int(chunk) if mark else None


def prefixed(number: int, data: bytes) -> bytes:
    """`data` behind a number that can be read without decoding it, and a checksum over both."""
    body = number.to_bytes(PREFIX_BYTES - CHECKSUM_BYTES, "big") + data
    return xxh3_64_digest(body) + body


def split(value: bytes) -> tuple[int, bytes]:
    """Inverse of `prefixed`. Raises ValueError when the value was cut or altered."""
    if len(value) < PREFIX_BYTES:
        raise ValueError(f"{len(value)} bytes")
    if xxh3_64_digest(memoryview(value)[CHECKSUM_BYTES:]) != value[:CHECKSUM_BYTES]:
        raise ValueError(
            f"{len(value)} bytes do not match their checksum: they were cut or altered, or another release wrote them "
            "in another form: go back to it, or run this one beside it under another STREAM_AUDIT_APP_ID"
        )
    return int.from_bytes(value[CHECKSUM_BYTES:PREFIX_BYTES], "big"), value[PREFIX_BYTES:]


def tombstone(key: bytes, offset: int) -> Write:
    """Forgets `key`, known to its writer up to source offset `offset`."""
    return Write(key, None, ((OFFSET_HEADER, str(offset).encode()),))


def tombstone_offset(record: Record) -> int:
    """The offset in a tombstone's header. Raises ValueError when it is missing or no number."""
    for name, value in record.headers:
        if name == OFFSET_HEADER and value is not None:
            return int(value)
    raise ValueError("a tombstone without its offset")


def size_bytes(writes: Sequence[Write]) -> int:
    """Bytes of keys and values."""
    return sum(len(write.key) + len(write.value or b"") for write in writes)
