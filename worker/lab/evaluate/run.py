"""Runs rooms through the engine's processor, in parallel processes, one room or one log at a time."""

import multiprocessing
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache

import msgspec
import orjson

from worker.egress.record import OutRecord
from worker.lab import roomlog
from worker.lab.evaluate.watch import Outcome, Suspicion, Watch
from worker.lab.policyfiles import read_policies
from worker.lab.roomlog import LogRecord
from worker.lab.simulate import ARCHETYPES, STARTED_AT_MS, Event, Truth, at_ms_of, simulate, truth
from worker.policy.judge import Judge
from worker.processor import EVENTS_TOPIC, MemoryRooms, PartitionProcessor

LOOK_MS = 5_000  # how often outcomes are looked at, event time
HOUR_MS = 3_600_000
CHUNK_RECORDS = 200

PASSIVE_SOURCES = ("voice", "face", "speech", "prompts")
SOURCES = (*PASSIVE_SOURCES, "challenges")
"""What can be switched off: a source of events, and with it the signals that rest on it. The voice and face detectors;
recognised speech (loop_lock, and what unanswered hears); single comments, gifts and orders (unanswered); challenges."""

ABLATIONS: tuple[tuple[str, ...], ...] = (
    *((source,) for source in SOURCES),
    *(("challenges", source) for source in PASSIVE_SOURCES),
)
"""Each source off alone; and each passive one on a platform that challenges nobody, where it has to carry more."""

_PROMPTS = frozenset({"viewer.comment", "viewer.gift", "viewer.order"})


@dataclass(frozen=True)
class Job:
    """One simulated room to judge, for `hours` after its start, or after its switch.

    `without` names the sources that are switched off.
    """

    archetype: str
    seed: int
    hours: float
    without: tuple[str, ...] = ()


def dropped(event: Mapping[str, object], source: str) -> bool:
    """Whether an event comes from `source`, and is missing when that is switched off."""
    kind = str(event["type"])
    if source in ("voice", "face"):
        return kind == "detector.score" and event["modality"] == source
    if source == "challenges":
        return kind.startswith("challenge.")
    if source == "speech":
        return kind == "host.speech"
    return source == "prompts" and kind in _PROMPTS


@cache
def _judge() -> Judge:
    return Judge(read_policies())


def judge_room(job: Job) -> Outcome:
    """Simulate one room and judge it as it happens; the simulated platform asks when passive suspicion rises."""
    fact = truth(job.archetype, job.seed)
    watch, suspicion = Watch(fact, STARTED_AT_MS), Suspicion()
    log = simulate(
        job.archetype,
        job.seed,
        duration_ms=ARCHETYPES[job.archetype].switch_ms + int(job.hours * HOUR_MS),
        suspicion=suspicion.nats,
    )
    rooms = MemoryRooms()
    processor = PartitionProcessor(topic=EVENTS_TOPIC, partition=0, rooms=rooms, judge=_judge())
    offset = 0
    for batch in _batches(e for e in log if not any(dropped(e, source) for source in job.without)):
        records = [
            LogRecord(0, offset + i, at_ms_of(event), fact.room_id.encode(), orjson.dumps(event))
            for i, event in enumerate(batch)
        ]
        offset += len(records)
        for event in batch:
            if event["type"] == "challenge.issued":
                watch.challenged(at_ms_of(event))
        _note_rules(processor.process(records).violations, {fact.room_id: watch})
        room = rooms.live[fact.room_id]
        watch.look(room)
        suspicion.look(room)
    outcome = watch.end()
    outcome.events = offset
    return outcome


def _batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Events in batches of 5 s of event time; the generator behind them never runs ahead of its consumer's batch."""
    batch: list[Event] = []
    until_ms = 0
    for event in events:
        if batch and at_ms_of(event) >= until_ms:
            yield batch
            batch = []
        if not batch:
            until_ms = at_ms_of(event) + LOOK_MS
        batch.append(event)
    if batch:
        yield batch


def _note_rules(violations: list[OutRecord], watches: Mapping[str, Watch]) -> None:
    for record in violations:
        violation = msgspec.json.decode(record.value or b"")
        if violation["mode"] == "live" and violation["transition"] == "opened":
            watch = watches.get((record.key or b"").decode())
            if watch is not None:
                watch.opened(violation["rule"]["id"], record.timestamp_ms)


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


def judge_log(path: str, truths: Mapping[str, Truth]) -> list[Outcome]:
    """Judge a labelled room log; rooms without a truth are judged, but not counted."""
    rooms = MemoryRooms()
    processor = PartitionProcessor(topic=EVENTS_TOPIC, partition=0, rooms=rooms, judge=_judge())
    watches: dict[str, Watch] = {}
    batch: list[LogRecord] = []

    def judge_batch() -> None:
        _note_rules(processor.process(batch).violations, watches)
        for room_id in rooms.dirty & watches.keys():
            watches[room_id].look(rooms.live[room_id])
        rooms.dirty.clear()
        batch.clear()

    for record in roomlog.read(path):
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


def run(jobs: Iterable[Job], processes: int) -> Iterator[tuple[Job, Outcome]]:
    """Judge the rooms in `processes` parallel processes, one CPU each; outcomes come as they are ready."""
    wanted = list(jobs)
    if processes <= 1:
        for job in wanted:
            yield job, judge_room(job)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        pending = {pool.submit(judge_room, job): job for job in wanted}
        for done in as_completed(pending):
            yield pending[done], done.result()
