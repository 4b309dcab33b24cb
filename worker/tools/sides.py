"""Several sets of policies look at the same rooms: the audit core does not depend on policies, so each event is decoded
and applied once, and every side judges what came of it with episodes, history and marks of its own.

What a side decides is what a worker with its policies decides; `tests/cli/test_backtest.py` compares the two.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from msgspec import Struct

from worker.audit.episode import Episode
from worker.audit.facts import History
from worker.audit.room import Room
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.book import PolicyBook
from worker.policy.caps import Ledger, is_counted, park
from worker.policy.judge import Judge
from worker.policy.model import Control, Decision

REVIEW = b'"review.decided"'


class _Own(Struct):
    """What one side keeps of one room."""

    session_id: str = ""
    episodes: dict[str, Episode] = {}
    past: tuple[Episode, ...] = ()
    upheld: dict[str, list[int]] = {}
    marks: dict[str, list[tuple[int, bool | None]]] = {}


class Side:
    """One set of policies. `found` is called with each decision, caps and pauses applied, in the order of the log."""

    def __init__(self, judge: Judge, found: Callable[[Room, Decision], None]) -> None:
        self.judge = judge
        self.ledger = Ledger()
        self._found = found
        self._own: dict[str, _Own] = {}
        self._waiting: list[tuple[int, Room, list[Decision]]] = []

    def look(self, room: Room, now_ms: int) -> None:
        """Judge a room with what is this side's own of it."""
        own = self._own.get(room.room_id)
        if own is None:
            own = self._own[room.room_id] = _Own()
        if own.session_id != room.session.id:
            own.session_id, own.marks = room.session.id, {}
        room.episodes, room.past, room.session.marks = own.episodes, own.past, own.marks
        room.history = History(own.upheld, room.history.host)
        decisions = self.judge.evaluate(room, now_ms)
        own.marks, own.past, own.upheld = room.session.marks, room.past, room.history.room
        room.answers.clear()
        if decisions:
            self._waiting.append((room.offset, room, decisions))

    def settle(self, next_offset: int, times: Mapping[int, int]) -> None:
        """The records below `next_offset` are judged: count what they led to against caps, and tell.

        `times` has the partition's time at each of the offsets that came since the last call.
        """
        for offset, room, decisions in sorted(self._waiting, key=lambda waiting: waiting[0]):
            room.episodes = self._own[room.room_id].episodes
            for decision in decisions:
                parked = is_counted(decision) and not self.ledger.let_through(decision, offset, times[offset])
                self._found(room, park(room, decision) if parked else decision)
        self._waiting.clear()
        self.ledger.forget_below(next_offset)


class _Sides(Judge):
    """Takes the place of a processor's judge. What leaves the processor belongs to no side: nothing was decided."""

    def __init__(self, sides: Sequence[Side]) -> None:
        super().__init__(PolicyBook([]))
        self.sides = sides

    def evaluate(self, room: Room, now_ms: int) -> list[Decision]:
        changed, reviews = room.changed, room.reviews
        for side in self.sides:
            room.changed, room.reviews = changed, list(reviews)
            side.look(room, now_ms)
        return []

    def control(self, room: Room, now_ms: int) -> Control:
        return Control()


class SharedPartition:
    """One partition of a room log before several sides."""

    def __init__(self, topic: str, partition: int, sides: Sequence[Side]) -> None:
        self._sides = sides
        self._processor = PartitionProcessor(topic=topic, partition=partition, rooms=MemoryRooms(), judge=_Sides(sides))

    def process(self, records: Sequence[Any]) -> None:
        """Judge consecutive records. A batch ends before a review, which may ask what a cap has parked."""
        first = 0
        for n, record in enumerate(records):
            if REVIEW in (record.value or b"") and n > first:
                self._batch(records[first:n])
                first = n
        self._batch(records[first:])

    def _batch(self, records: Sequence[Any]) -> None:
        before_ms = self._processor.watermark_ms
        times = accumulate((record.timestamp for record in records), max, initial=before_ms)
        next(times)
        self._processor.process(records)
        at = {record.offset: time_ms for record, time_ms in zip(records, times, strict=True)}
        for side in self._sides:
            side.settle(records[-1].offset + 1, at)
