"""Runs rooms through the engine's processor, one room or one log at a time."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType

import msgspec
import orjson
from msgspec import Struct
from msgspec.structs import replace

from worker.audit.evidence import DESIGNS
from worker.audit.signals import bots, loop
from worker.lab.evaluate.watch import Outcome, Watch
from worker.lab.simulate import ARCHETYPES, FULL, SPARSE, STARTED_AT_MS, Ask, Event, Truth, at_ms_of, simulate, truth
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.judge import Judge
from worker.records import OutRecord
from worker.tools import roomlog
from worker.tools.policyfiles import read_policies
from worker.tools.roomlog import LogRecord
from worker.topics import EVENTS_TOPIC, REQUESTS_TOPIC, VIOLATIONS_TOPIC

LOOK_MS = 5_000  # how often outcomes are looked at, event time
SPARSE_LOOK_MS = 10_000  # a pane: no family steps twice within one
HOUR_MS = 3_600_000
CHUNK_RECORDS = 200

SIGNALS = ("voice", "visual", "unanswered", "excitation", "locked", "fail")
"""What families bet on."""
DISCOUNTS = ("allowance", "fake_viewers", "envelope")
"""What speaks for a room beforehand: the allowance for replays, prompts by bots, the higher norm after a high value."""
_UNDISCOUNTED: dict[str, tuple[ModuleType, dict[str, float]]] = {
    "allowance": (loop, {"TOKENS_MAX": 0, "TOKENS_LONG_MAX": 0}),
    "fake_viewers": (bots, {"CROWD_MIN": bots.REMEMBERED + 1}),
}


class Job(Struct, frozen=True):
    """One simulated room to judge, for `hours` after its start, or after its switch.

    Attributes:
        challenged: the platform challenges hosts.
        without: a signal that no family bets on, or a discount that is not given; empty for neither.
        sparse: the room at the pace of the mass run (`simulate.SPARSE`).
    """

    archetype: str
    seed: int
    hours: float
    challenged: bool = True
    without: str = ""
    sparse: bool = False


@contextmanager
def nobody_bets_on(signal: str) -> Iterator[None]:
    """Takes a signal out of the evidence: every expert's stake on it is 0, which is to abstain."""
    designs = dict(DESIGNS)
    for name, design in designs.items():
        bets = tuple(
            tuple(0.0 if s == signal else stake for s, stake in zip(design.signals, bet, strict=True))
            for bet in design.bets
        )
        DESIGNS[name] = replace(design, bets=bets)
    try:
        yield
    finally:
        DESIGNS.update(designs)


@contextmanager
def nothing_discounts(discount: str) -> Iterator[None]:
    """Takes a discount away: no replay is allowed for, no crowd is ever large enough for bots, norms stay."""
    if discount == "envelope":
        designs = dict(DESIGNS)
        DESIGNS.update({name: replace(design, envelope=False) for name, design in designs.items()})
        try:
            yield
        finally:
            DESIGNS.update(designs)
        return
    module, numbers = _UNDISCOUNTED[discount]
    kept = {name: getattr(module, name) for name in numbers}
    try:
        for name, number in numbers.items():
            setattr(module, name, number)
        yield
    finally:
        for name, number in kept.items():
            setattr(module, name, number)


@cache
def shipped_judge() -> Judge:
    """The judge of the policies that ship, one a process."""
    return Judge(read_policies())


class Asked:
    """What the worker has asked for and the platform has not looked at yet."""

    def __init__(self) -> None:
        self._waiting: list[Ask] = []

    def note(self, requests: list[OutRecord]) -> None:
        """What a batch of events led to."""
        for record in requests:
            request = orjson.loads(record.value or b"")
            self._waiting.append(Ask(request["action"], tuple(request["kinds"]), request["deadline_ms"]))

    def take(self) -> list[Ask]:
        """What there is since the last call."""
        waiting, self._waiting = self._waiting, []
        return waiting


def judge_room(job: Job) -> Outcome:
    """Simulate one room and judge it as it happens; the simulated platform challenges when the worker asks it to."""
    with nothing_discounts(job.without) if job.without in DISCOUNTS else nobody_bets_on(job.without):
        return _judge_room(job)


def _judge_room(job: Job) -> Outcome:
    fact = truth(job.archetype, job.seed)
    watch, asked = Watch(fact, STARTED_AT_MS), Asked()
    log = simulate(
        job.archetype,
        job.seed,
        duration_ms=ARCHETYPES[job.archetype].switch_ms + int(job.hours * HOUR_MS),
        pace=SPARSE if job.sparse else FULL,
        asked=asked.take if job.challenged else lambda: (),
    )
    rooms = MemoryRooms()
    processor = PartitionProcessor(topic=EVENTS_TOPIC, partition=0, rooms=rooms, judge=shipped_judge())
    key, watches = fact.room_id.encode(), {fact.room_id: watch}
    offset = 0
    for batch in batches(log, SPARSE_LOOK_MS if job.sparse else LOOK_MS):
        records = []
        for event in batch:
            records.append(LogRecord(0, offset, at_ms_of(event), key, orjson.dumps(event)))
            if event["type"] == "challenge.issued":
                watch.challenged(at_ms_of(event))
            elif _settles(event):
                watch.fact(offset)
            offset += 1
        out = processor.process(records)
        _note_rules(out.of(VIOLATIONS_TOPIC), watches)
        asked.note(out.of(REQUESTS_TOPIC))
        watch.look(rooms.live[fact.room_id])
    outcome = watch.end()
    outcome.events, outcome.sparse = offset, job.sparse
    return outcome


def _settles(event: Event) -> bool:
    """Whether an event says by itself what a guilty room is: watermark, provenance, registration."""
    kind = event["type"]
    if kind == "watermark.read":
        return event["outcome"] == "detected"
    if kind == "provenance.read":
        return bool(event.get("tampered") or event.get("trusted"))
    return kind == "registration.state" and event["avatar_registered"] is False


def batches(events: Iterable[Event], look_ms: int) -> Iterator[list[Event]]:
    """Events in batches of event time; the generator behind them never runs ahead of its consumer's batch."""
    batch: list[Event] = []
    until_ms = 0
    for event in events:
        if batch and at_ms_of(event) >= until_ms:
            yield batch
            batch = []
        if not batch:
            until_ms = at_ms_of(event) + look_ms
        batch.append(event)
    if batch:
        yield batch


def _note_rules(violations: list[OutRecord], watches: Mapping[str, Watch]) -> None:
    for record in violations:
        violation = msgspec.json.decode(record.value or b"")
        if violation["mode"] == "live" and violation["transition"] == "opened":
            watch = watches.get((record.key or b"").decode())
            if watch is not None:
                watch.opened(violation["rule"]["id"], record.timestamp_ms or 0, violation["log"]["last_offset"])


def read_truths(path: str) -> dict[str, Truth]:
    """The truth about each room of a log, by room id, as `simulate --truth` writes it.

    Raises roomlog.RoomLogError as reading does, ValueError when a line is no truth.
    """
    found = {}
    for record in roomlog.read(path):
        try:
            fact = msgspec.convert(orjson.loads(record.value or b""), Truth)
        except msgspec.ValidationError as error:
            raise ValueError(f"{path}: line {record.offset + 1} is no truth about a room: {error}") from error
        found[fact.room_id] = fact
    return found


def judge_log(path: str, truths: Mapping[str, Truth], faults: roomlog.Faults | None = None) -> list[Outcome]:
    """Judge a labelled room log, read as `roomlog.read` does; rooms without a truth are judged, but not counted."""
    rooms = MemoryRooms()
    processor = PartitionProcessor(topic=EVENTS_TOPIC, partition=0, rooms=rooms, judge=shipped_judge())
    watches: dict[str, Watch] = {}
    batch: list[LogRecord] = []

    def judge_batch() -> None:
        _note_rules(processor.process(batch).of(VIOLATIONS_TOPIC), watches)
        for room_id in rooms.dirty & watches.keys():
            watches[room_id].look(rooms.live[room_id])
        rooms.dirty.clear()
        batch.clear()

    for record in roomlog.read(path, faults=faults):
        room_id = (record.key or b"").decode("utf-8", "replace")
        if room_id in truths:
            watch = watches.setdefault(room_id, Watch(truths[room_id], record.timestamp))
            watch.outcome.events += 1
            if b'"challenge.issued"' in (record.value or b""):
                watch.challenged(record.timestamp)
        batch.append(record)
        if len(batch) >= CHUNK_RECORDS:
            judge_batch()
    judge_batch()
    return [watch.end() for watch in watches.values()]
