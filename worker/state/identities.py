"""One partition's identities: fleets, hosts, platforms by `kind:identity`, and the changelog that keeps them.

    key                value
    <kind>:<identity>  1 byte version, 8 bytes checksum (xxh3), then msgpack of the fleet, host or platform
    #registry          8 bytes: every offset of the registry below it is in the state
    #activation        offset below which an earlier release has answered
    #meta              msgpack of `codec.Meta`, of the identities' topic: the last record of every flush

Each key is written whole when it changed, and remembers the offset that it has applied: records that are read again are
skipped, and a zombie's late flush loses against what is newer.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from xxhash import xxh3_64_digest

from worker.audit.announce import TTL_MS
from worker.audit.elond import Platform
from worker.audit.history import REMEMBERED_MS
from worker.identities.fleets import Fleet
from worker.identities.hosts import Host
from worker.records import Record
from worker.state import codec
from worker.state.codec import ChangelogEnd, ChangelogError, Meta, Write

VERSION = 1
REGISTRY_KEY = b"#registry"
BUCKET_MS = 300_000
_BODY = 9

Kept = Fleet | Host | Platform

_encode = msgspec.msgpack.Encoder().encode
_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "host": msgspec.msgpack.Decoder(Host),
    "platform": msgspec.msgpack.Decoder(Platform),
}
_fleets = msgspec.msgpack.Decoder(Fleet)


class MatchStore:
    """The identities of one partition; the store that `MatchProcessor` works on.

    Attributes:
        kept: by `kind:identity`. dirty: keys changed since the last capture.
        meta: of the newest flush that was recovered or captured; None before the first.
        activation: offset of the identities' topic below which an earlier release has answered; 0 without one.
        registry_applied: every offset of the registry below it is in the state that was flushed; 0 before the first.
        fleets, fleet_rooms: identities shared by two rooms or more, and their rooms, by kind, as of the last capture.
        stale: changelog records that lost against newer ones. expired: identities forgotten.
        changelog_end: how far the changelog was read and written.
    """

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.kept: dict[str, Kept] = {}
        self.dirty: set[str] = set()
        self.meta: Meta | None = None
        self.activation = 0
        self.registry_applied = 0
        self.fleets: dict[str, int] = {}
        self.fleet_rooms: dict[str, int] = {}
        self.stale = 0
        self.expired = 0
        self.changelog_end = ChangelogEnd(topic, partition)
        self._activation_written = 0
        self._sizes: dict[str, int] = {}
        self._buckets: dict[int, set[str]] = {}  # append time of the newest record // BUCKET_MS at a capture → keys
        self._bucket: dict[str, int] = {}

    def begin(self, kept: Mapping[str, Kept], activation: int) -> None:
        """Begin where an earlier release stopped. What a torn flush has written already stays as it is."""
        self.activation = activation
        for key, one in kept.items():
            if key not in self.kept:
                self.kept[key] = one
                self.dirty.add(key)

    # ---- recovery
    def apply(self, records: Iterable[Record]) -> None:
        """Takes consecutive changelog records. Raises ChangelogError for what cannot be read or is from the future."""
        for record in records:
            self.changelog_end.read(record.offset)
            key = record.key or b""
            try:
                if key == codec.META_KEY:
                    self._apply_meta(record)
                elif key == REGISTRY_KEY:
                    self.registry_applied = max(self.registry_applied, codec.split(record.value or b"")[0])
                elif key == codec.ACTIVATION_KEY:
                    self.activation = self._activation_written = codec.split(record.value or b"")[0]
                elif record.value is None:
                    self._apply_tombstone(key.decode(), codec.tombstone_offset(record))
                else:
                    self._apply_kept(key.decode(), record.value)
            except ValueError as unreadable:
                raise ChangelogError(
                    f"changelog {self.topic}[{self.partition}] offset {record.offset}, key {repr(key)[2:-1]}: "
                    f"{unreadable}"
                ) from unreadable

    def _apply_meta(self, record: Record) -> None:
        meta = codec.decode_meta(record.value or b"")
        if self.meta is None or meta.applied_offset >= self.meta.applied_offset:
            self.meta = meta
        else:
            self.stale += 1

    def _apply_kept(self, key: str, value: bytes) -> None:
        found, held = decode(key, value), self.kept.get(key)
        if held is not None and _stamp(found) < _stamp(held):
            self.stale += 1
            self.dirty.add(key)  # what a zombie overwrote is written again
            return
        self.kept[key] = found
        self._move(key, found)

    def _apply_tombstone(self, key: str, offset: int) -> None:
        held = self.kept.get(key)
        if held is None:
            return
        if held.offset <= offset:
            self._forget(key)
        else:
            self.stale += 1
            self.dirty.add(key)

    # ---- flush
    def capture(self, applied: int, registry_applied: int, watermark_ms: int, committed: int) -> list[Write]:
        """Everything to write so that state covers both offsets; the partition's meta is last.

        Identities of which no room has told for two times to live of append time (`watermark_ms` is the partition's)
        go, if `committed` has passed what was said of them. What their rooms are told then depends on when the flush
        came, and is in their logs, so replay agrees.
        """
        writes = []
        if self.activation != self._activation_written:
            self._activation_written = self.activation
            writes.append(codec.encode_activation(self.activation))
        for key in sorted(self.dirty):
            kept = self.kept[key]
            self._move(key, kept)
            writes.append(Write(key.encode(), encode(kept)))
        self.dirty.clear()
        writes += self._expire(watermark_ms, committed)
        if registry_applied > self.registry_applied:
            self.registry_applied = registry_applied
            writes.append(Write(REGISTRY_KEY, codec.prefixed(registry_applied, b"")))
        self.meta = Meta(codec.META_VERSION, applied, watermark_ms)
        writes.append(codec.encode_meta(self.meta))
        return writes

    def _expire(self, watermark_ms: int, committed: int) -> list[Write]:
        writes: list[Write] = []
        before_ms = watermark_ms - 2 * TTL_MS
        for bucket in sorted(b for b in self._buckets if (b + 1) * BUCKET_MS <= before_ms):
            for key in sorted(self._buckets[bucket]):
                kept = self.kept[key]
                if kept.offset < committed and _may_go(kept, watermark_ms):
                    writes.append(codec.tombstone(key.encode(), kept.offset))
                    self._forget(key)
                    self.expired += 1
        return writes

    def _forget(self, key: str) -> None:
        self.kept.pop(key, None)
        self.dirty.discard(key)
        self._count(key, 0)
        bucket = self._bucket.pop(key, None)
        if bucket is not None:
            self._leave(bucket, key)

    def _count(self, key: str, size: int) -> None:
        before = self._sizes.pop(key, 0)
        if size >= 2:
            self._sizes[key] = size
        kind = key.partition(":")[0]
        for totals, change in (
            (self.fleets, (size >= 2) - (before >= 2)),
            (self.fleet_rooms, (size if size >= 2 else 0) - before),
        ):
            if change:
                totals[kind] = totals.get(kind, 0) + change

    def _move(self, key: str, kept: Kept) -> None:
        if isinstance(kept, Fleet):
            self._count(key, kept.size())
        if isinstance(kept, Platform) or (isinstance(kept, Host) and kept.registered is not None):
            return  # these stay
        told_ms = kept.appended_ms or kept.max_at_ms  # releases before kept event time alone
        bucket, before = told_ms // BUCKET_MS, self._bucket.get(key)
        if before != bucket:
            if before is not None:
                self._leave(before, key)
            self._bucket[key] = bucket
            self._buckets.setdefault(bucket, set()).add(key)

    def _leave(self, bucket: int, key: str) -> None:
        keys = self._buckets[bucket]
        keys.discard(key)
        if not keys:
            del self._buckets[bucket]

    # ---- takeover
    def check_committed(self, committed: int | None, registry_committed: int | None) -> None:
        """Raises ChangelogError when offsets lead the state: what lies between would be known to nobody."""
        applied = self.meta.applied_offset if self.meta is not None else 0
        for what, offset, reached in (
            ("the identities' topic", committed or 0, applied),
            ("the registry", registry_committed or 0, self.registry_applied),
        ):
            if offset > reached:
                raise ChangelogError(
                    f"partition {self.partition} of {what}: offset {offset} is committed, but changelog {self.topic} "
                    f"reaches only offset {reached}: records of it were lost. Restore the changelog, or reset the "
                    f"group's offset of this partition to {reached} or earlier."
                )


def encode(kept: Kept) -> bytes:
    """Version, checksum, msgpack."""
    body = _encode(kept)
    return bytes((VERSION,)) + xxh3_64_digest(body) + body


def decode(key: str, value: bytes) -> Kept:
    """Inverse of `encode`. Raises ValueError when it is corrupt, or of a version that this code does not know."""
    if not value or value[0] != VERSION:
        raise ValueError(f"version {value[0] if value else 'none'}, this worker reads version {VERSION}")
    body = value[_BODY:]
    if xxh3_64_digest(body) != value[1:_BODY]:
        raise ValueError(f"{len(value)} bytes do not match their checksum: cut or altered")
    try:
        kept: Kept = _decoders.get(key.partition(":")[0], _fleets).decode(body)
    except msgspec.MsgspecError as unreadable:
        raise ValueError(str(unreadable)) from unreadable
    return kept


def _stamp(kept: Kept) -> tuple[int, int]:
    """Which of two states of a key is newer: both offsets only grow."""
    return kept.offset, kept.registry_offset if isinstance(kept, Host) else -1


def _may_go(kept: Kept, watermark_ms: int) -> bool:
    if not isinstance(kept, Host):
        return True
    if kept.registered is not None:
        return False
    return not kept.upheld or kept.upheld[-1][0] <= watermark_ms - REMEMBERED_MS
