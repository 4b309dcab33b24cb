"""Bytes of one partition in, records to send out. No I/O: the engine, `replay`, `explain` and the tests all drive it.

    record → decode → (reject → dead letter) → room → replay guard → apply → rules → violations, rooms, requests

Everything that is read is accounted for: read = applied + duplicate + late + foreign + replay_skipped + dead_lettered.
Foreign records are of another session than the room's. Of each of eight such sessions the first ten are written as dead
letters, to show who sends them; they count as foreign.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol

from msgspec import Struct, field

from worker import __version__
from worker.audit.announce import announce
from worker.audit.apply import apply
from worker.audit.arrival import AHEAD_MS
from worker.audit.events import Event
from worker.audit.requests import Request, take
from worker.audit.room import Room
from worker.audit.sessions import Status, take_letter
from worker.audit.succession import await_succession, is_spoken_for, take_up
from worker.egress.identities import encode_identity
from worker.egress.requests import encode_request
from worker.egress.reviews import encode_answer_to_review
from worker.egress.rooms import encode_room
from worker.egress.violation import encode_violation
from worker.ingress.breaker import Breaker
from worker.ingress.decode import decode
from worker.ingress.reject import Reason, Reject, dead_letter
from worker.partition.books import Books
from worker.partition.log_order import LogOrder, Steps
from worker.partition.output import Output, Silence
from worker.partition.sources import WATCHED, SourceCounts, Sources
from worker.policy.caps import Ledger, is_counted, park
from worker.policy.feed import PolicyFeed
from worker.policy.judge import Judge
from worker.policy.switch import SWITCH_KEY, Switch
from worker.records import Record

ROOM_RECORD_EVERY_MS = 10_000

_APPLIED, _DUPLICATE, _LATE = Status.APPLIED, Status.DUPLICATE, Status.LATE
_AHEAD, _SESSION_ENDED, _FOREIGN = Status.AHEAD, Status.SESSION_ENDED, Status.FOREIGN
_SESSION_OVER = "the event's session was closed more than ten minutes ago"
_OTHER_SESSION = "the event is of another session than the one that the room is leased to"


Entry = tuple[Record, Event, int, int]
"""A record, its event, its timestamp, and the partition's time with this record in it."""
ByRoom = defaultdict[bytes | None, list[Entry]]
"""By the records' key, of which the hash is known already."""


class Rooms(Protocol):
    """Where a partition's rooms are kept. `live` holds those in memory, `dirty` the ids of those changed since the last
    snapshot; `caps` is what the partition has counted against the rules' caps. Of records below `activation` an earlier
    release has said what there was to say. `switch` says by which book of policies the partition goes."""

    live: dict[str, Room]
    dirty: set[str]
    caps: Ledger
    activation: int
    switch: Switch | None

    def load(self, room_id: str) -> Room | None:
        """A room that is not in `live`, put there; None when it has no state anywhere."""


class MemoryRooms:
    """Rooms in a dictionary and nowhere else."""

    def __init__(self) -> None:
        self.live: dict[str, Room] = {}
        self.dirty: set[str] = set()
        self.caps = Ledger()
        self.activation = 0
        self.switch: Switch | None = None

    def load(self, room_id: str) -> Room | None:
        """Nothing is kept elsewhere."""
        return None


class Counts(Struct):
    """What became of the records of one partition; plain integers, only ever added to."""

    read: int = 0
    applied: int = 0
    duplicate: int = 0
    late: int = 0
    foreign: int = 0
    replay_skipped: int = 0
    dead_lettered: int = 0
    violations: int = 0
    rejected: dict[str, int] = {}
    events: dict[type, int] = {}
    violations_by: dict[tuple[str, str, str, int], int] = {}  # platform, rule, mode, step
    withheld: dict[str, int] = {}  # because
    requests: dict[tuple[str, str], int] = {}  # action, reason
    reviews: dict[tuple[str, str], int] = {}  # outcome, result
    sources: SourceCounts = field(default_factory=SourceCounts)

    def balanced(self) -> bool:
        """The accounting identity."""
        found = self.applied + self.duplicate + self.late + self.foreign + self.replay_skipped + self.dead_lettered
        return self.read == found

    def violations_by_rule(self) -> dict[tuple[str, str, int], int]:
        """Violations of all platforms together, by (rule, mode, step)."""
        found: dict[tuple[str, str, int], int] = {}
        for (_, rule, mode, step), count in self.violations_by.items():
            found[rule, mode, step] = found.get((rule, mode, step), 0) + count
        return found


class BreakerTripped(Exception):
    """Too many records were rejected; the partition must not progress. The message says how many and why."""


class PartitionProcessor:
    """Judges the records of one partition in order. One per partition and assignment; not thread-safe."""

    def __init__(
        self,
        *,
        topic: str,
        partition: int,
        rooms: Rooms,
        judge: Judge,
        counts: Counts | None = None,
        feed: PolicyFeed | None = None,
    ) -> None:
        """`feed` holds the books that switches in the log name. Without it the judge keeps its own."""
        self.topic = topic
        self.partition = partition
        self.rooms = rooms
        self.judge = judge
        self.counts = counts or Counts()
        self.books = Books(feed, judge, rooms, partition)
        self.sources = Sources(self.counts.sources)
        self.breaker = Breaker()
        self._silence = Silence()
        self.watermark_ms = 0  # the partition's time P: the latest append time of its records

    def process(self, records: Iterable[Record]) -> Output:
        """Judge a batch of consecutive records.

        Rooms are independent of each other, so a batch is judged room by room: a room's state is fetched into the
        processor's cache once, not once per event. Within a room the order of the log holds, and what goes out is put
        back into the order of the log, so batch sizes change nothing. Only caps tie rooms together: a room that comes
        to one waits until all others have come as far (`_apply` yields), so that caps count in the order of the log.
        A switch of policies cuts the batch: what lies behind it is judged by another book.

        Raises:
            UnknownBook: the partition's state goes by policies that are not known here.
            BreakerTripped: more than a fifth of the last 1,000 records, or 500 in a row, could not be decoded. What
                the batch had led to is lost with it: nothing of it may be acknowledged.
        """
        out = Output()
        rest = iter(records)
        for first in rest:
            self.books.begin(first.offset)
            rest = chain((first,), rest)
            while (switch := self._process(rest, out)) is not None:
                self._switch(out, switch)
        out.sort()
        return out

    def _process(self, records: Iterator[Record], out: Output) -> Record | None:
        """Judge records up to the next with the key of switches, and return that one."""
        by_room: ByRoom = defaultdict(list)
        switch = self._decode(records, by_room, out)
        live, load = self.rooms.live, self.rooms.load
        log_order = LogOrder()
        for entries in by_room.values():
            room_id = entries[0][1].room_id
            room = live.get(room_id) or load(room_id)
            if room is None:
                room = live[room_id] = Room(room_id, self.partition)
            log_order.start(self._apply(room, entries, out))
        log_order.finish()
        return switch

    def _switch(self, out: Output, record: Record) -> None:
        """Take a switch. One that is refused is not the breaker's business: it needs no producer to be bad."""
        taken = self.books.take(record)
        if isinstance(taken, Reject):
            self._dead_letter(out, record, taken)
        elif taken:
            self.counts.applied += 1
        else:
            self.counts.duplicate += 1

    def _decode(self, records: Iterator[Record], by_room: ByRoom, out: Output) -> Record | None:
        read = good_from = 0
        switch = None
        watermark_ms = self.watermark_ms
        note_source, source_of = self.sources.note, WATCHED.get
        for read, record in enumerate(records, 1):
            key, appended_ms = record.key, record.timestamp
            if appended_ms > watermark_ms:
                watermark_ms = appended_ms
            event = decode(key, record.value, appended_ms)
            if type(event) is Reject:
                if key == SWITCH_KEY:
                    switch = record
                    good_from += 1  # it is neither good nor bad
                    break
                self.breaker.note_good(read - 1 - good_from)
                good_from = read
                self._reject(out, record, event)
                continue
            source = source_of(type(event))
            if source is not None:
                note_source(source, event, watermark_ms)
            by_room[key].append((record, event, appended_ms, watermark_ms))
        self.watermark_ms = watermark_ms
        self.sources.turn(watermark_ms)
        self.breaker.note_good(read - good_from)
        self.counts.read += read
        return switch

    def _apply(self, room: Room, entries: list[Entry], out: Output) -> Steps:
        """Apply one room's events in the order of the log, letting rules look whenever something changed.

        Yields the offset at which a cap must be asked; goes on when every room has been applied up to there.
        """
        counts = self.counts
        by_type = counts.events
        others = 0
        loud = out
        speaks = room.inherited is None and entries[0][0].offset >= self.rooms.activation
        for record, event, appended_ms, watermark_ms in entries:
            offset = record.offset
            if offset <= room.offset:
                counts.replay_skipped += 1
                others += 1
                continue
            room.offset = offset
            if not speaks:
                out = self._voice(room, offset, loud)
            status = apply(room, event, offset, appended_ms)
            if status is not _APPLIED:
                if status is _SESSION_ENDED:
                    yield from self._judge(out, room, record, watermark_ms)
                    self._announce(out, room, offset)
                    status = apply(room, event, offset, appended_ms)
                if status is not _APPLIED:
                    others += 1
                    self._refuse(out, room, record, event, status)
                    if status is _LATE and room.changed:
                        yield from self._judge(out, room, record, watermark_ms)
                    continue
            kind = type(event)
            if kind in by_type:
                by_type[kind] += 1
            else:
                by_type[kind] = 1
            if room.changed:
                yield from self._judge(out, room, record, watermark_ms)
            if room.max_at_ms >= room.session.identities_due_ms:
                self._announce(out, room, offset)
        counts.applied += len(entries) - others
        self.sources.note_hold(room)
        self.rooms.dirty.add(room.room_id)

    def _refuse(self, out: Output, room: Room, record: Record, event: Event, status: Status) -> None:
        """Count an event that the room did not take, and write its dead letter if it has one."""
        if status is _DUPLICATE:
            self.counts.duplicate += 1
        elif status is _LATE:
            self.counts.late += 1
            self.sources.note_late(event)
        elif status is _FOREIGN:
            self._note_foreign(out, room, record, event)
        elif status is _AHEAD:
            ahead_ms = event.at_ms - room.appended_ms
            why = f"at_ms is {ahead_ms} ms after the record's append time, more than {AHEAD_MS}"
            self._dead_letter(out, record, Reject(Reason.FUTURE_TIMESTAMP, why))
        else:
            # Not the breaker's business: who leaves after a close is no sign of a bad producer.
            self._dead_letter(out, record, Reject(Reason.OUT_OF_SESSION, _SESSION_OVER, "session"))

    def _voice(self, room: Room, offset: int, loud: Output) -> Output:
        """Where goes what a record leads to, in a room of which an earlier release may have said it already."""
        if offset < self.rooms.activation or is_spoken_for(room, offset):
            await_succession(room)
            return self._silence
        take_up(room)
        return loud

    def _judge(self, out: Output, room: Room, cause: Record, watermark_ms: int) -> Steps:
        # A room that was silent for hours has no time of its own left, and people may still decide about it.
        now_ms, offset = room.max_at_ms or room.appended_ms, cause.offset
        if room.session.closed:
            self.sources.note_closed(room.session)
        decisions = self.judge.evaluate(room, room.appended_ms)
        if room.answers:
            self._answer(out, room, offset)
        if any(map(is_counted, decisions)):
            yield offset
            caps = self.rooms.caps
            decisions = [
                park(room.episodes.get(d.rule.id), d)
                if is_counted(d) and not caps.let_through(d, offset, watermark_ms)
                else d
                for d in decisions
            ]
        if out.silent:
            self._withhold(len(decisions))
            decisions = []
        for decision in decisions:
            record = encode_violation(
                room,
                decision,
                topic=self.topic,
                partition=self.partition,
                first_offset=room.session.first_offset,
                last_offset=offset,
                control=self.judge.control(room, now_ms),
                caused_ms=cause.timestamp,
            )
            out.add(offset, record)
            counts = self.counts
            counts.violations += 1
            by = (room.session.platform, decision.rule.id, decision.mode, decision.step)
            counts.violations_by[by] = counts.violations_by.get(by, 0) + 1
            for withheld in decision.withheld:
                counts.withheld[withheld.because] = counts.withheld.get(withheld.because, 0) + 1
        if room.max_at_ms and (now_ms - room.published_ms >= ROOM_RECORD_EVERY_MS or decisions):
            room.published_ms = now_ms
            out.add(offset, encode_room(room))
        if room.session.asking is not None and room.session.asking.pending:
            self._request(out, room, take(room.session.asking), offset)

    def _withhold(self, decisions: int) -> None:
        """Count what an earlier release has decided in this one's place."""
        if decisions:
            self.counts.withheld["activation"] = self.counts.withheld.get("activation", 0) + decisions

    def _request(self, out: Output, room: Room, requests: list[Request], offset: int) -> None:
        if out.silent:
            return
        for request in requests:
            out.add(offset, encode_request(room, request, offset=offset))
            by = (request.action, request.reason)
            self.counts.requests[by] = self.counts.requests.get(by, 0) + 1

    def _answer(self, out: Output, room: Room, offset: int) -> None:
        """Answer the reviews that were taken, unless an earlier release was to."""
        for answer in () if out.silent else room.answers:
            record = encode_answer_to_review(room.room_id, answer, topic=self.topic, partition=self.partition)
            out.add(offset, record)
            by = (answer.review.outcome, answer.result)
            self.counts.reviews[by] = self.counts.reviews.get(by, 0) + 1
        room.answers.clear()

    def _announce(self, out: Output, room: Room, offset: int) -> None:
        for said in announce(room):
            out.add(offset, encode_identity(said))

    def _note_foreign(self, out: Output, room: Room, record: Record, event: Event) -> None:
        self.counts.foreign += 1
        if take_letter(room, event):
            self._write_letter(out, record, Reject(Reason.OUT_OF_SESSION, _OTHER_SESSION, "session"))

    def _dead_letter(self, out: Output, record: Record, reject: Reject) -> None:
        counts = self.counts
        counts.dead_lettered += 1
        counts.rejected[reject.reason] = counts.rejected.get(reject.reason, 0) + 1
        self._write_letter(out, record, reject)

    def _write_letter(self, out: Output, record: Record, reject: Reject) -> None:
        if record.offset >= self.rooms.activation:
            letter = dead_letter(record, reject, topic=self.topic, partition=self.partition, worker_version=__version__)
            out.add(record.offset, letter)

    def _reject(self, out: Output, record: Record, reject: Reject) -> None:
        self._dead_letter(out, record, reject)
        if self.breaker.note_bad():
            raise BreakerTripped(
                f"{self.topic}[{self.partition}] stops before offset {record.offset}: {self.breaker.why}; "
                f"last reason {reject.reason}. Nothing was committed past the last flush. Look at "
                f"`stream-audit dlq ls`, mend the producer, then restart."
            )
