"""One partition's rooms: live as structs, or recovered and still bytes until they are needed.

A live room is changed in place and marked dirty; `capture` serialises the dirty ones at once, without letting the
event loop in: one consistent cut of the partition. A record of the changelog counts only if its source offset is not
below what is held: a zombie's late flush loses, and what it tried to overwrite is written again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from worker.audit import snapshot
from worker.audit.history import kept_until_ms
from worker.audit.room import Phase, Room
from worker.audit.sessions import SILENCE_MS
from worker.audit.snapshot import SnapshotError
from worker.audit.speech import CHUNKS, chunks_of
from worker.policy.caps import Ledger
from worker.policy.switch import Switch
from worker.records import Record
from worker.state import codec
from worker.state.chunks import Versions
from worker.state.codec import ChangelogEnd, ChangelogError, Meta, Write
from worker.state.idle import BUCKET_MS, IdleIndex

IDLE_MAX_MS = SILENCE_MS + 600_000
"""How long a room is silent when it goes: it would begin again anyway, and ten minutes are for brokers' clocks."""
RESTING_BYTES = 2_048
"""A room without speech whose core takes no more rests as bytes, a third of what objects take. So does a closed one."""


class _Cold(NamedTuple):
    """A recovered room: its append time A, its core, and where in the changelog it stood."""

    appended_ms: int
    core: bytes
    at: int


class RoomStore:
    """Rooms of one partition of the room log; the store that `PartitionProcessor` works on.

    Attributes:
        live: decoded rooms by id. dirty: ids of rooms changed since the last capture.
        caps: what has been counted against the rules' caps.
        activation: offset below which an earlier release has spoken; 0 without one.
        switch: the last one of policies that counted; None before the first.
        meta: of the newest flush that was recovered or captured; None before the first.
        by_level: rooms in session by (family, level above 0), as of the last capture.
        stale: changelog records that lost against newer ones. expired, shed: rooms forgotten.
        changelog_end: how far the changelog was read and written.
    """

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.live: dict[str, Room] = {}
        self.dirty: set[str] = set()
        self.caps = Ledger()
        self.activation = 0
        self.switch: Switch | None = None
        self.meta: Meta | None = None
        self.by_level: dict[tuple[str, int], int] = {}
        self.stale = self.expired = self.shed = 0
        self.changelog_end = ChangelogEnd(topic, partition)
        self._caps_at = -1  # source offset of the caps that were recovered
        self._caps_written: Write | None = None
        self._activation_written = 0
        self._cold: dict[str, _Cold] = {}
        self._chunks: dict[str, dict[int, Versions]] = {}  # of cold rooms
        self._chunks_written: dict[str, int] = {}  # room → number of chunk keys that the changelog may hold
        self._rewrite: set[str] = set()  # cold rooms that a zombie overwrote in the changelog
        self._levels: dict[str, list[tuple[str, int]]] = {}
        self._idle = IdleIndex()
        self._kept: dict[str, int] = {}  # rooms that outlive their idleness, until when (ms)
        self._swept = 0  # bucket below which the idle have been looked at

    def __len__(self) -> int:
        return len(self.live) + len(self._cold)

    def __iter__(self) -> Iterator[str]:
        """Ids of all rooms kept, decoded or not."""
        yield from self.live
        yield from self._cold

    # ---- the processor's side
    def load(self, room_id: str) -> Room | None:
        """A recovered room, decoded and put into `live`; None without state. Raises ChangelogError for bad bytes."""
        cold = self._cold.get(room_id)
        if cold is None:
            return None
        room = self._decoded(room_id, cold)
        if room_id in self._rewrite:
            self.dirty.add(room_id)
            _touch_chunks(room)
        self._forget_cold(room_id)
        self.live[room_id] = room
        return room

    def _decoded(self, room_id: str, cold: _Cold) -> Room:
        offset = snapshot.offset_of(cold.core)
        chunks = {chunk: versions.as_of(offset) for chunk, versions in self._chunks.get(room_id, {}).items()}
        try:
            return snapshot.decode(cold.core, chunks)
        except SnapshotError as unreadable:
            raise self._error(cold.at, room_id, str(unreadable)) from unreadable

    def begin(self, rooms: Iterable[Room], activation: int) -> None:
        """Begin where an earlier release stopped. Rooms that a torn flush has written already stay as they are."""
        self.activation, known = activation, set(self)
        new = {room.room_id: room for room in rooms if room.room_id not in known}
        self.live |= new
        self.dirty |= new.keys()

    # ---- recovery
    def apply(self, records: Iterable[Record]) -> None:
        """Takes consecutive changelog records. Raises ChangelogError for what cannot be read or is from the future."""
        for record in records:
            self.changelog_end.read(record.offset)
            key = record.key or b""
            try:
                if key == codec.META_KEY:
                    self._apply_meta(record)
                elif key == codec.CAPS_KEY:
                    self._apply_caps(record.value or b"")
                elif key == codec.ACTIVATION_KEY:
                    self.activation = self._activation_written = codec.split(record.value or b"")[0]
                elif key.startswith(codec.OPTIONAL_PREFIX):
                    continue  # of a later release, which says that it can be done without
                else:
                    room_id, chunk = codec.parse_key(key)
                    if record.value is None:
                        self._apply_tombstone(room_id, chunk, codec.tombstone_offset(record))
                    elif chunk is None:
                        self._apply_core(record.offset, room_id, record.value)
                    else:
                        self._apply_chunk(room_id, chunk, record.value)
            except (SnapshotError, ValueError) as unreadable:
                raise self._error(record.offset, repr(key)[2:-1], str(unreadable)) from unreadable

    def _apply_meta(self, record: Record) -> None:
        meta = codec.decode_meta(record.value or b"")
        if self.meta is None or meta.applied_offset >= self.meta.applied_offset:
            self.meta, self.switch = meta, codec.switch_of(meta, self.partition)
        else:
            self.stale += 1

    def _apply_caps(self, value: bytes) -> None:
        offset, data = codec.split(value)
        if offset >= self._caps_at:
            self._caps_at, self.caps = offset, codec.decode_caps(data)
        else:
            self.stale += 1
        self._caps_written = None  # whatever it was, the next flush says how it is

    def _apply_core(self, at: int, room_id: str, value: bytes) -> None:
        appended_ms, core = codec.split(value)
        offset, held = snapshot.offset_of(core), self._offset(room_id)
        if offset > held:
            self._cool(room_id)
            self._rewrite.discard(room_id)
            self._cold[room_id] = _Cold(appended_ms, core, at)
            for versions in self._chunks.get(room_id, {}).values():
                versions.drop_older(offset)
            self._move(room_id, appended_ms)
        else:
            if room_id in self.live:
                self._chunks.pop(room_id, None)
            if offset < held:
                self._overwritten(room_id)

    def _cool(self, room_id: str) -> None:
        """A newer core has come for a live room: of the live one, only chunks that did not change since are of use."""
        room = self.live.pop(room_id, None)
        self.dirty.discard(room_id)
        if room is not None:
            _touch_chunks(room)
            for chunk, data in snapshot.take_changed_chunks(room).items():
                self._hold_chunk(room_id, chunk, room.offset, data)

    def _apply_chunk(self, room_id: str, chunk: int, value: bytes) -> None:
        offset, data = codec.split(value)
        self._chunks_written[room_id] = max(self._chunks_written.get(room_id, 0), chunk + 1)
        self._hold_chunk(room_id, chunk, offset, data)

    def _hold_chunk(self, room_id: str, chunk: int, offset: int, data: bytes) -> None:
        versions = self._chunks.setdefault(room_id, {}).setdefault(chunk, Versions())
        versions.hold(offset, data, self._offset(room_id))

    def _apply_tombstone(self, room_id: str, chunk: int | None, offset: int) -> None:
        if chunk is not None:
            self._forget_chunk(room_id, chunk, offset)
        elif self._offset(room_id) <= offset:
            self._forget(room_id)
        else:
            self._overwritten(room_id)

    def _forget_chunk(self, room_id: str, chunk: int, offset: int) -> None:
        chunks = self._chunks.get(room_id, {})
        newer = Versions({at: data for at, data in chunks.get(chunk, {}).items() if at > offset})
        if newer:
            chunks[chunk] = newer
            return
        chunks.pop(chunk, None)
        if not chunks:
            self._chunks.pop(room_id, None)
        if self._chunks_written.get(room_id) == chunk + 1:
            self._set_chunks_written(room_id, chunk)

    def _overwritten(self, room_id: str) -> None:
        self.stale += 1
        room = self.live.get(room_id)
        if room is None:
            self._rewrite.add(room_id)
        else:
            self.dirty.add(room_id)
            _touch_chunks(room)

    def _offset(self, room_id: str) -> int:
        """Source offset that the held state of a room has applied; -1 where that is none yet, -2 without state."""
        room = self.live.get(room_id)
        if room is not None:
            return room.offset
        cold = self._cold.get(room_id)
        return snapshot.offset_of(cold.core) if cold is not None else -2

    # ---- flush
    def capture(
        self, applied_offset: int, watermark_ms: int, committed_offset: int, outputs_end: int, baseline_ms: int = 0
    ) -> list[Write]:
        """Everything to write so that state covers `applied_offset`: caps first, the partition's meta last.

        Rooms without a record for 6 h 10 min of the partition's time (`watermark_ms`) go, if `committed_offset` has
        passed them. Those in which people have decided something, or may, are kept longer (`audit.history`).
        """
        writes = self._write_caps(applied_offset, committed_offset)
        if self.activation != self._activation_written:
            self._activation_written = self.activation
            writes.append(codec.encode_activation(self.activation))
        for room_id in sorted(self._rewrite):
            self.load(room_id)
        for room_id in sorted(self.dirty):
            room = self.live[room_id]
            self._move(room_id, room.appended_ms)
            core = snapshot.encode(room)
            writes += self._write(room, core)
            if room.session.phase == Phase.CLOSED or (room.session.speech is None and len(core) <= RESTING_BYTES):
                self._rest(room, core)
            if room.session.phase == Phase.CLOSED:
                self._count_levels(room_id, [])
            else:
                self._count_levels(room_id, [(name, f.level) for name, f in room.session.families.items() if f.level])
        self.dirty.clear()
        writes += self._expire(watermark_ms - IDLE_MAX_MS, committed_offset)
        book = codec.book_of(self.switch)
        self.meta = Meta(codec.META_VERSION, applied_offset, watermark_ms, outputs_end, baseline_ms, *book)
        writes.append(codec.encode_meta(self.meta))
        return writes

    def _write_caps(self, applied_offset: int, committed_offset: int) -> list[Write]:
        self.caps.forget_below(committed_offset)
        self._caps_at = max(self._caps_at, applied_offset)
        write = codec.encode_caps(self.caps, 0)
        if not self.caps.windows or write == self._caps_written:
            return []
        self._caps_written = write
        return [codec.encode_caps(self.caps, self._caps_at)]

    def _write(self, room: Room, core: bytes) -> Iterator[Write]:
        # Chunks first: a torn flush may leave them newer than their core, never older (`state.chunks`). Those of a
        # session that has ended go after the core that needs them no more, the last one first.
        room_id, written = room.room_id, self._chunks_written.get(room.room_id, 0)
        for chunk, data in snapshot.take_changed_chunks(room).items():
            written = max(written, chunk + 1)
            yield Write(codec.chunk_key(room_id, chunk), codec.prefixed(room.offset, data))
        yield Write(codec.room_key(room_id), codec.prefixed(room.appended_ms, core))
        needed = chunks_of(room.session.speech)
        for chunk in range(written - 1, needed - 1, -1):
            yield codec.tombstone(codec.chunk_key(room_id, chunk), room.offset)
        self._set_chunks_written(room_id, needed)

    def _set_chunks_written(self, room_id: str, number: int) -> None:
        if number:
            self._chunks_written[room_id] = number
        else:
            self._chunks_written.pop(room_id, None)

    def _rest(self, room: Room, core: bytes) -> None:
        """A room that was written goes on as the bytes that were written."""
        _touch_chunks(room)
        chunks = {chunk: Versions({room.offset: data}) for chunk, data in snapshot.take_changed_chunks(room).items()}
        self.live.pop(room.room_id)
        self._cold[room.room_id] = _Cold(room.appended_ms, core, 0)
        if chunks:
            self._chunks[room.room_id] = chunks

    # ---- forgetting
    def idle_rooms(self) -> Counter[int]:
        """How many rooms had their newest record in each bucket of append time, in units of `idle.BUCKET_MS`."""
        return self._idle.sizes()

    def _expire(self, before_ms: int, committed_offset: int) -> list[Write]:
        if before_ms // BUCKET_MS == self._swept:
            return []
        writes: list[Write] = []
        everything = True
        for room_id in self._idle.before(before_ms):
            if self._kept.get(room_id, 0) > before_ms:
                continue
            if self._offset(room_id) >= committed_offset:
                everything = False
            elif self._keep(room_id) <= before_ms:
                writes += self._tombstones(room_id)
                self.expired += 1
        if everything:
            self._swept = before_ms // BUCKET_MS
        return writes

    def _keep(self, room_id: str) -> int:
        """Time until which an idle room is kept, in Unix ms; beyond its idleness it rests as bytes."""
        if room_id not in self._kept:
            room = self.live.get(room_id)
            until_ms = kept_until_ms(room or self._decoded(room_id, self._cold[room_id]))
            self._kept[room_id] = until_ms
            self._count_levels(room_id, [])
            if room is not None:
                self._rest(room, snapshot.encode(room))
        return self._kept[room_id]

    def shed_oldest(self, count: int, newest_bucket: int, committed_offset: int) -> list[Write]:
        """Forgets up to `count` rooms that are behind the committed offset and not dirty, the longest idle first; none
        of a newer bucket (`idle.BUCKET_MS`) than `newest_bucket`."""
        writes: list[Write] = []
        for room_id in self._idle.before((newest_bucket + 1) * BUCKET_MS):
            if count <= 0:
                break
            if self._offset(room_id) < committed_offset and room_id not in self.dirty:
                writes += self._tombstones(room_id)
                self.shed += 1
                count -= 1
        return writes

    def _tombstones(self, room_id: str) -> list[Write]:
        offset = self._offset(room_id)
        chunks = self._chunks_written.get(room_id, 0)
        self._forget(room_id)
        keys = [codec.room_key(room_id), *(codec.chunk_key(room_id, chunk) for chunk in range(chunks))]
        return [codec.tombstone(key, offset) for key in keys]

    def _forget(self, room_id: str) -> None:
        self.live.pop(room_id, None)
        self.dirty.discard(room_id)
        self._forget_cold(room_id)
        self._count_levels(room_id, [])
        self._chunks_written.pop(room_id, None)
        self._kept.pop(room_id, None)
        self._idle.remove(room_id)

    def _forget_cold(self, room_id: str) -> None:
        self._cold.pop(room_id, None)
        self._chunks.pop(room_id, None)
        self._rewrite.discard(room_id)

    def _move(self, room_id: str, appended_ms: int) -> None:
        self._kept.pop(room_id, None)
        self._idle.move(room_id, appended_ms)

    def _count_levels(self, room_id: str, levels: list[tuple[str, int]]) -> None:
        before = self._levels.get(room_id, [])
        if before != levels:
            for level in before:
                self.by_level[level] -= 1
            for level in levels:
                self.by_level[level] = self.by_level.get(level, 0) + 1
            if levels:
                self._levels[room_id] = levels
            else:
                del self._levels[room_id]

    # ---- takeover
    def check_committed(self, committed_offset: int | None) -> None:
        """Raises ChangelogError when offsets lead the state: what lies between would never be judged."""
        applied = self.meta.applied_offset if self.meta is not None else None
        if committed_offset is not None and committed_offset > 0 and (applied is None or committed_offset > applied):
            reached = "has no state" if applied is None else f"reaches only offset {applied}"
            raise ChangelogError(
                f"partition {self.partition}: offset {committed_offset} is committed, but changelog {self.topic} "
                f"{reached}: records of it were lost. Restore the changelog, or reset the group's offset of this "
                f"partition to {applied or 0} or earlier."
            )

    def _error(self, offset: int, key: str, why: str) -> ChangelogError:
        return ChangelogError(f"changelog {self.topic}[{self.partition}] offset {offset}, key {key}: {why}")


def _touch_chunks(room: Room) -> None:
    """Marks every chunk of the room's speech ring as changed."""
    if room.session.speech is not None and room.session.speech.store is not None:
        room.session.speech.store.changed = (1 << CHUNKS) - 1
