"""Room logs through the processor that the engine runs: same bytes in, same bytes out, no Kafka.

A partition of the log has a `PartitionProcessor` and a `RoomStore` of its own, as in the engine.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from worker.audit.evidence import FAMILIES
from worker.audit.room import Room
from worker.partition.output import Output
from worker.partition.past import HistoryError, rooms_left
from worker.partition.rooms import Counts, PartitionProcessor
from worker.policy.feed import PolicyFeed
from worker.policy.judge import Judge
from worker.records import OutRecord
from worker.state.rooms import RoomStore
from worker.tools.roomlog import LogRecord, RoomLogError
from worker.topics import EVENTS_TOPIC, HISTORY_TOPIC

CHUNK_RECORDS = 1_000
CAPTURE_RECORDS = 50_000  # between two looks at which rooms may rest or go, a partition
Key = TypeVar("Key")


class Met(msgspec.Struct):
    """What is kept of a room once it was met, whatever becomes of the room.

    Attributes:
        peaks: highest level by family. rules: those that opened in its latest session, shadow ones marked so.
    """

    room_id: str
    platform: str = ""
    events: int = 0
    peaks: dict[str, int] = {}
    rules: list[str] = []


class Replay:
    """Feeds records to one processor per partition, and keeps a little about each room.

    Records of `live.audit.history` are what an earlier release left: the partition begins with them, as the engine's.

    Rooms are kept as the engine keeps them (`state.rooms`): quiet ones rest as bytes, and those without a record for
    hours go. What "now" is there, is the append time of the room furthest behind of those that had a record of late:
    logs of several rooms may follow each other in one file.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        topic: str = EVENTS_TOPIC,
        capture_records: int = CAPTURE_RECORDS,
        feed: PolicyFeed | None = None,
    ) -> None:
        """`feed` holds what was published; without it policies come from the judge's book alone."""
        self._judge = judge
        self._feed = feed
        self._topic = topic
        self._capture_records = capture_records
        self._processors: dict[int, PartitionProcessor] = {}
        self._stores: dict[int, RoomStore] = {}
        self._uncaptured: dict[int, int] = {}
        self._met: dict[str, Met] = {}
        self._left: dict[int, list[LogRecord]] = {}

    def run(self, records: Iterable[LogRecord]) -> Iterator[Output]:
        """Judge `records` in order, a chunk at a time; yields what each chunk of a partition leads to.

        Raises BreakerTripped as the processor does, RoomLogError as reading does, once all before it is judged, and
        RoomLogError for a history that is not complete or comes too late.
        """
        for chunk in _chunks(self._without_history(records)):
            by_partition: dict[int, list[LogRecord]] = {}
            for record in chunk:
                by_partition.setdefault(record.partition, []).append(record)
            for partition, slice_ in by_partition.items():
                yield self._processor(partition).process(slice_)
                self._note(partition, slice_)
                self._uncaptured[partition] += len(slice_)
                if self._uncaptured[partition] >= self._capture_records:
                    self._capture(partition, slice_[-1].offset)

    def _without_history(self, records: Iterable[LogRecord]) -> Iterator[LogRecord]:
        for record in records:
            if record.topic != HISTORY_TOPIC:
                yield record
            elif record.partition in self._processors:
                raise RoomLogError(f"partition {record.partition}: {HISTORY_TOPIC} comes after records of the room log")
            else:
                self._left.setdefault(record.partition, []).append(record)

    def _processor(self, partition: int) -> PartitionProcessor:
        if partition not in self._processors:
            store = self._stores[partition] = RoomStore(self._topic, partition)
            try:
                store.begin(*rooms_left(self._left.pop(partition, ()), partition))
            except HistoryError as wrong:
                raise RoomLogError(str(wrong)) from wrong
            self._uncaptured[partition] = 0
            self._processors[partition] = PartitionProcessor(
                topic=self._topic, partition=partition, rooms=store, judge=self._judge, feed=self._feed
            )
        return self._processors[partition]

    def _note(self, partition: int, records: list[LogRecord]) -> None:
        """What a slice of a partition made of its rooms."""
        store = self._stores[partition]
        touched = set()
        for record in records:
            if record.key is not None:
                room_id = record.key.decode("utf-8", "replace")
                touched.add(room_id)
                met = self._met.get(room_id)
                if met is None:
                    met = self._met[room_id] = Met(room_id)
                met.events += 1
        for room_id in touched & store.live.keys():
            room, met = store.live[room_id], self._met[room_id]
            met.platform = room.session.platform
            for family in FAMILIES:
                met.peaks[family] = max(met.peaks.get(family, 0), room.level(family))
            if room.episodes or met.rules:
                met.rules = _rules(room)

    def _capture(self, partition: int, last_offset: int) -> None:
        """Let quiet rooms rest and forgotten ones go; what the engine would write is not needed here."""
        store = self._stores[partition]
        now_ms = min((store.live[room_id].appended_ms for room_id in store.dirty), default=0)
        store.capture(last_offset, now_ms, last_offset + 1, 0)
        self._uncaptured[partition] = 0

    @property
    def peaks(self) -> dict[str, dict[str, int]]:
        """The highest level that each family reached, by room."""
        return {room_id: met.peaks for room_id, met in self._met.items() if met.peaks}

    @property
    def rooms_kept(self) -> int:
        """Rooms in memory, decoded or as bytes."""
        return sum(map(len, self._stores.values()))

    def rooms(self) -> list[Met]:
        """Every room that had state, by platform and id."""
        return sorted((met for met in self._met.values() if met.peaks), key=lambda met: (met.platform, met.room_id))

    def counts(self) -> Counts:
        """What became of the records, over all partitions."""
        total = Counts()
        for processor in self._processors.values():
            one = processor.counts
            fates = ("applied", "duplicate", "late", "foreign", "replay_skipped", "dead_lettered")
            for name in ("read", *fates, "violations"):
                setattr(total, name, getattr(total, name) + getattr(one, name))
            _add(total.rejected, one.rejected)
            _add(total.events, one.events)
            _add(total.violations_by, one.violations_by)
            _add(total.withheld, one.withheld)
            _add(total.requests, one.requests)
            _add(total.reviews, one.reviews)
        return total


def _chunks(records: Iterable[LogRecord]) -> Iterator[list[LogRecord]]:
    """Records by the thousand; where they cannot be read on, first those before."""
    chunk: list[LogRecord] = []
    try:
        for record in records:
            chunk.append(record)
            if len(chunk) >= CHUNK_RECORDS:
                yield chunk
                chunk = []
    except RoomLogError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def original_of(letter: OutRecord) -> LogRecord:
    """The refused record of a dead letter as it stood in its log, with the letter's headers."""
    named = dict(letter.headers)
    partition, offset, timestamp = (
        int(named[f"dlq.original.{what}"] or b"") for what in ("partition", "offset", "timestamp")
    )
    return LogRecord(partition, offset, timestamp, letter.key, letter.value, tuple(letter.headers))


def _rules(room: Room) -> list[str]:
    """Every rule that opened in the room's session, whatever became of it."""
    return sorted(
        episode.rule if episode.mode == "live" else f"{episode.rule} (shadow)" for episode in room.episodes.values()
    )


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
    return encode_line(line_of(record))


def line_of(record: OutRecord) -> ViolationLine:
    """A violation record as what its line says."""
    return ViolationLine(
        topic=record.topic,
        key=(record.key or b"").decode(),
        timestamp_ms=record.timestamp_ms or 0,
        headers={name: (value or b"").decode() for name, value in record.headers},
        value=msgspec.Raw(record.value or b"null"),
    )


def encode_line(line: ViolationLine) -> bytes:
    """A line as bytes, without its line break."""
    return _encoder.encode(line)


def parse_violation_line(line: bytes) -> ViolationLine:
    """The inverse of `violation_line`. Raises msgspec.MsgspecError when it is none."""
    return _decoder.decode(line)
