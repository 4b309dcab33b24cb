"""A changelog partition in memory: what a store writes, another may read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest

from worker.audit import speech
from worker.audit.room import Room
from worker.state.codec import Write
from worker.state.rooms import RoomStore

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Logged:
    """One record of the changelog, as the driver would hand it over."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp: int = 0


@dataclass
class Changelog:
    """Appends writes; reads all, or what compaction would leave."""

    records: list[Logged] = field(default_factory=list)

    def append(self, writes: Iterable[Write]) -> None:
        for write in writes:
            self.records.append(Logged(len(self.records), write.key, write.value, write.headers))

    def compacted(self) -> list[Logged]:
        newest = {record.key: record for record in self.records}
        return [record for record in self.records if newest[record.key] is record]

    def recover(self, records: Iterable[Logged] | None = None) -> RoomStore:
        store = RoomStore("changelog", 3)
        store.apply(self.records if records is None else records)
        return store


@pytest.fixture
def changelog() -> Changelog:
    return Changelog()


def room_at(offset: int, *, room_id: str = "douyin:1", max_at_ms: int = HOUR_MS, said: int = 0) -> Room:
    """A room that has applied `offset` and heard `said` segments."""
    room = Room(room_id, 3, offset=offset, max_at_ms=max_at_ms, appended_ms=max_at_ms)
    if said:
        room.session.speech = speech.new_ring()
        speak(room, said)
    return room


def speak(room: Room, segments: int) -> None:
    assert room.session.speech is not None
    for _ in range(segments):
        count = room.session.speech.count
        speech.add(room.session.speech, count * 7, (count + 1) * 0x9E3779B97F4A7C15 & 0xFFFF_FFFF_FFFF_FFFF)


def keep(store: RoomStore, room: Room) -> None:
    """What the processor does after it applied an event."""
    store.live[room.room_id] = room
    store.dirty.add(room.room_id)


def flush(store: RoomStore, *, applied: int = 0, watermark_ms: int = HOUR_MS, committed: int = 0) -> list[Write]:
    return store.capture(applied, watermark_ms, committed, -1)
