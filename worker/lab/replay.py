"""Room logs through the processor that the engine runs: same bytes in, same bytes out, no Kafka.

A partition of the log has a `PartitionProcessor` of its own, as in the engine, and rooms live in memory.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import msgspec

from worker.audit.evidence import FAMILIES
from worker.audit.room import Room
from worker.egress.record import OutRecord
from worker.lab.roomlog import LogRecord
from worker.policy.judge import Judge
from worker.processor import EVENTS_TOPIC, Counts, MemoryRooms, Output, PartitionProcessor

CHUNK_RECORDS = 1_000
Key = TypeVar("Key")


class Replay:
    """Feeds records to one processor per partition, and keeps the highest level that each room reached."""

    def __init__(self, judge: Judge, *, topic: str = EVENTS_TOPIC) -> None:
        self._judge = judge
        self._topic = topic
        self._processors: dict[int, PartitionProcessor] = {}
        self._rooms: dict[int, MemoryRooms] = {}
        self.peaks: dict[str, dict[str, int]] = {}
        self.events_by_room: dict[str, int] = {}

    def run(self, records: Iterable[LogRecord]) -> Iterator[Output]:
        """Judge `records` in order, a chunk at a time; yields what each chunk of a partition leads to.

        Raises BreakerTripped as the processor does.
        """
        source = iter(records)
        while chunk := list(islice(source, CHUNK_RECORDS)):
            by_partition: dict[int, list[LogRecord]] = {}
            for record in chunk:
                by_partition.setdefault(record.partition, []).append(record)
                if record.key is not None:
                    room_id = record.key.decode("utf-8", "replace")
                    self.events_by_room[room_id] = self.events_by_room.get(room_id, 0) + 1
            for partition, slice_ in by_partition.items():
                yield self._processor(partition).process(slice_)
                self._rooms[partition].caps.forget_below(slice_[-1].offset + 1)
                self._note_levels(self._rooms[partition])

    def _processor(self, partition: int) -> PartitionProcessor:
        if partition not in self._processors:
            rooms = self._rooms[partition] = MemoryRooms()
            self._processors[partition] = PartitionProcessor(
                topic=self._topic, partition=partition, rooms=rooms, judge=self._judge
            )
        return self._processors[partition]

    def _note_levels(self, rooms: MemoryRooms) -> None:
        for room_id in rooms.dirty:
            room = rooms.live[room_id]
            peak = self.peaks.setdefault(room_id, {})
            for family in FAMILIES:
                peak[family] = max(peak.get(family, 0), room.level(family))
        rooms.dirty.clear()

    def rooms(self) -> list[Room]:
        """Every room met, by platform and id."""
        found = [room for rooms in self._rooms.values() for room in rooms.live.values()]
        return sorted(found, key=lambda room: (room.platform, room.room_id))

    def counts(self) -> Counts:
        """What became of the records, over all partitions."""
        total = Counts()
        for processor in self._processors.values():
            one = processor.counts
            for name in ("read", "applied", "duplicate", "late", "replay_skipped", "dead_lettered", "violations"):
                setattr(total, name, getattr(total, name) + getattr(one, name))
            _add(total.rejected, one.rejected)
            _add(total.events, one.events)
            _add(total.violations_by, one.violations_by)
            _add(total.withheld, one.withheld)
        return total


def _add(total: dict[Key, int], one: dict[Key, int]) -> None:
    for key, count in one.items():
        total[key] = total.get(key, 0) + count


class ViolationLine(msgspec.Struct, kw_only=True):
    """One line of a file of violations: the record as it stands in `live.audit.violations`.

    `value` holds the violation's bytes untouched, `headers` the CloudEvents attributes.
    """

    topic: str
    key: str
    timestamp_ms: int
    headers: dict[str, str]
    value: msgspec.Raw


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ViolationLine)


def violation_line(record: OutRecord) -> bytes:
    """A violation record as a line of JSON, without its line break."""
    return encode_line(
        ViolationLine(
            topic=record.topic,
            key=(record.key or b"").decode(),
            timestamp_ms=record.timestamp_ms,
            headers={name: value.decode() for name, value in record.headers},
            value=msgspec.Raw(record.value or b"null"),
        )
    )


def encode_line(line: ViolationLine) -> bytes:
    """A line as bytes, without its line break."""
    return _encoder.encode(line)


def parse_violation_line(line: bytes) -> ViolationLine:
    """The inverse of `violation_line`. Raises msgspec.MsgspecError when it is none."""
    return _decoder.decode(line)
