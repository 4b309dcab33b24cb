"""What must hold of the broker's topics after a schedule, compared with the pure core over the same log."""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import uvloop
from faust.types import TP

from tests.support.engine import Sent
from tests.support.oracle import answers_in, match
from worker.audit import snapshot
from worker.audit.history import kept_until_ms
from worker.audit.room import Room
from worker.audit.sessions import SILENCE_MS
from worker.engine.identities import partition_of
from worker.partition.rooms import MemoryRooms
from worker.partition.rooms import PartitionProcessor as Core
from worker.records import OutRecord
from worker.state.codec import ChangelogError
from worker.state.identities import MatchStore
from worker.topics import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    IDENTITIES_TOPIC,
    REGISTRY_TOPIC,
    ROOMS_TOPIC,
    VIOLATIONS_TOPIC,
)

from . import corpus
from .broker import Stored
from .schedule import Ran, Schedule, describe, judge, recover
from .worker import CHANGELOG, IDENTITIES_CHANGELOG, SimulatedWorker

Content = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...], int | None]


@dataclass
class Expected:
    """What the core makes of one partition, record by record, single-threaded."""

    violations: list[OutRecord] = field(default_factory=list)
    dead_letters: list[OutRecord] = field(default_factory=list)
    rooms: list[OutRecord] = field(default_factory=list)
    identities: list[OutRecord] = field(default_factory=list)
    state: dict[str, Room] = field(default_factory=dict)
    encoded: dict[str, bytes] = field(default_factory=dict)


def expect_all(ran: Ran) -> list[Expected]:
    """By partition."""
    if not ran.matched:
        return _expect_corpus(corpus.number_of(ran.seed))
    return [expect(p, ran.broker.topic(EVENTS_TOPIC)[p].records) for p in range(ran.broker.partitions)]


@lru_cache(maxsize=2)
def _expect_corpus(number: int) -> list[Expected]:
    return [expect(partition, log) for partition, log in enumerate(corpus.logs_of(number))]


def expect(partition: int, log: Sequence[Sent | Stored]) -> Expected:
    memory, expected = MemoryRooms(), Expected()
    core = Core(topic=EVENTS_TOPIC, partition=partition, rooms=memory, judge=judge())
    for record in log:
        out = core.process([record])
        expected.violations += out.of(VIOLATIONS_TOPIC)
        expected.dead_letters += out.of(DEAD_LETTERS_TOPIC)
        expected.rooms += out.of(ROOMS_TOPIC)
        expected.identities += out.of(IDENTITIES_TOPIC)
    expected.state = memory.live
    expected.encoded = {room_id: snapshot.encode(room) for room_id, room in memory.live.items()}
    return expected


def content(record: OutRecord | Stored) -> Content:
    timestamp = record.timestamp_ms if isinstance(record, OutRecord) else record.timestamp
    return record.key, record.value, tuple(record.headers), timestamp


def check(ran: Ran) -> Counter[str]:
    """Raises AssertionError with the schedule; returns what there was to see."""
    seen: Counter[str] = Counter(ran.faults)
    everywhere = expect_all(ran)
    for partition, expected in enumerate(everywhere):
        try:
            seen += check_partition(ran, partition, expected)
        except AssertionError as wrong:
            raise AssertionError(describe(ran.seed, f"partition {partition}: {wrong}", ran.trace)) from None
    try:
        seen += check_identities(ran, everywhere)
    except AssertionError as wrong:
        raise AssertionError(describe(ran.seed, str(wrong), ran.trace)) from None
    repeats, bound = seen["repeats"], seen["zombie writes"] + ran.hidden
    assert repeats <= bound, describe(ran.seed, f"{repeats} violations came again, {bound} may", ran.trace)
    return seen


def check_partition(ran: Ran, partition: int, expected: Expected) -> Counter[str]:
    sent = ran.broker.topic(VIOLATIONS_TOPIC)[partition].records
    wanted, found = [content(r) for r in expected.violations], Counter(map(content, sent))
    assert len(set(wanted)) == len(wanted), "the core repeats itself"
    assert not wanted or set(wanted) - found.keys() == set(), f"{len(set(wanted) - found.keys())} violations are lost"
    assert found.keys() - set(wanted) == set(), (
        f"{len(found.keys() - set(wanted))} violations that the core does not know"
    )
    assert by_room(list(dict.fromkeys(map(content, sent)))) == by_room(wanted), "violations of a room changed places"
    letters = {content(r) for r in ran.broker.topic(DEAD_LETTERS_TOPIC)[partition].records}
    assert letters == {content(r) for r in expected.dead_letters}, "dead letters differ"
    rooms = {content(r) for r in ran.broker.topic(ROOMS_TOPIC)[partition].records}
    extra, gone = rooms - {content(r) for r in expected.rooms}, {content(r) for r in expected.rooms} - rooms
    assert not extra and not gone, f"room records differ: {len(gone)} lost, {len(extra)} unknown"
    check_state(ran, partition, expected)
    return Counter({
        "violations": len(wanted),
        "repeats": len(sent) - len(wanted),
        "events": len(ran.broker.topic(EVENTS_TOPIC)[partition].records),
        "zombie writes": sum(record.zombie for record in sent),
    })  # fmt: skip


def check_identities(ran: Ran, everywhere: Sequence[Expected]) -> Counter[str]:
    """What rooms tell of themselves is the core's; so are the answers to it, and what is left of both."""
    partitions = ran.broker.partitions
    told = [record for expected in everywhere for record in expected.identities]
    seen = Counter(told=len(told))
    for partition in range(partitions):
        here = {content(record) for record in told if partition_of(record.key or b"", partitions) == partition}
        there = {content(record) for record in ran.broker.topic(IDENTITIES_TOPIC)[partition].records}
        assert there == here, f"identities[{partition}]: {len(here - there)} lost, {len(there - here)} unknown"
    if not ran.matched:
        return seen
    answers: set[tuple[int, Content]] = set()
    for partition in range(partitions):
        topics = {topic: ran.broker.topic(topic)[partition].records for topic in (REGISTRY_TOPIC, IDENTITIES_TOPIC)}
        store, placed = match(partition, partitions, topics)
        answers |= {(p, content(r)) for p, r in placed}
        left = MatchStore(IDENTITIES_CHANGELOG, partition)
        try:
            left.apply(ran.broker.topic(IDENTITIES_CHANGELOG)[partition].records)
        except ChangelogError as unreadable:
            raise AssertionError(f"identities[{partition}]: {unreadable}") from unreadable
        assert left.kept == store.kept, f"the state of identities[{partition}] differs"
    logs = enumerate(ran.broker.topic(EVENTS_TOPIC))
    found = {(p, content(record)) for p, log in logs for record in answers_in(log.records)}
    assert found == answers, f"{len(answers - found)} answers are lost, {len(found - answers)} unknown"
    return seen + Counter(answers=len(answers))


def by_room(contents: list[Content]) -> dict[bytes | None, list[Content]]:
    rooms: dict[bytes | None, list[Content]] = {}
    for one in contents:
        rooms.setdefault(one[0], []).append(one)
    return rooms


def check_state(ran: Ran, partition: int, expected: Expected) -> None:
    """What is left in the changelog is the state of the core, to the byte."""
    store = recover(ran.broker, partition)
    committed = ran.broker.group.committed.get(TP(EVENTS_TOPIC, partition), 0)
    assert (store.meta.applied_offset if store.meta else 0) >= committed, "offsets lead the state"
    newest_ms = max((room.max_at_ms for room in expected.state.values()), default=0)
    changelog = ran.broker.topic(CHANGELOG)[partition].records
    overwritten = {(record.key or b"").decode() for record in changelog if record.zombie}
    for room_id, room in expected.state.items():
        kept = store.load(room_id)
        silent = newest_ms - room.max_at_ms > SILENCE_MS - 600_000
        forgotten = silent and kept_until_ms(room) <= newest_ms - SILENCE_MS
        if kept is None or (forgotten and room_id in overwritten and kept.offset < room.offset):
            # What a zombie wrote behind the tombstone is older than the silence, too.
            assert forgotten, f"{room_id} is lost"
        else:
            assert snapshot.encode(kept) == expected.encoded[room_id], f"the state of {room_id} differs"
            if kept.session.speech is not None and kept.session.speech.store is not None:
                assert room.session.speech is not None and room.session.speech.store is not None
                assert kept.session.speech.store.bands == room.session.speech.store.bands, (
                    f"the speech of {room_id} differs"
                )


def simulate(seed: int, make_worker: Callable[..., SimulatedWorker] = SimulatedWorker) -> Counter[str]:
    """Runs one seed and checks it. Raises AssertionError with the schedule."""
    with corpus.small_speech_ring():
        return check(uvloop.run(Schedule(seed, make_worker).run()))


def prepare_process() -> None:
    """A process of the pool: tails that cannot be read are part of the game; code need not be collected again."""
    logging.disable(logging.WARNING)
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def attempt(seed: int) -> Counter[str] | str:
    """What there was to see, or what went wrong."""
    try:
        return simulate(seed)
    except AssertionError as failed:
        return str(failed)
