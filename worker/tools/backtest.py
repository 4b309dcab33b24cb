"""A log judged under old and under new policies: what would fire more, what less, and what it costs.

No one has said what is true of these rooms, so nothing here is right or wrong: rules *would fire*.
Both sets of policies are taken as in force throughout, whatever their `effective_from_ms` says; of several versions
of one policy the highest counts. Each set has rooms of its own: what was decided about a room outlives its sessions
and its silence, so two sets cannot share one.
"""

import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec
import orjson
from msgspec import Struct
from msgspec.structs import replace

from worker.clock import monotonic_s
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.book import PolicyBook
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.records import OutRecord
from worker.tools.kafkalog import KafkaLog
from worker.tools.roomlog import Faults, LogRecord, read
from worker.topics import EVENTS_TOPIC, VIOLATIONS_TOPIC

CHUNK_RECORDS = 1_000
END_OF_TIME_MS = 1 << 62

Episode = tuple[str, str, str]
"""Room, session and rule; a rule that opens again in the same session is the same."""


class Source(Struct, frozen=True):
    """One partition of a room log: a file, or a partition of a topic when `bootstrap` is given. Times are those of the
    records (Unix ms), `to_ms` excluded. A bad line ends a `strict` one."""

    path: str = ""
    bootstrap: str = ""
    topic: str = EVENTS_TOPIC
    partition: int = 0
    from_ms: int = 0
    to_ms: int = END_OF_TIME_MS
    strict: bool = False


class Tally(Struct):
    """What one set of policies made of a log.

    Attributes:
        live, shadow: episodes that would open.
        actions: how often each action would be recommended.
        parked: decisions that a cap would hold back, by rule. rule_seconds: time spent on each rule, estimated from
            one look in sixteen.
    """

    live: set[Episode] = set()
    shadow: set[Episode] = set()
    actions: dict[str, int] = {}
    parked: dict[str, int] = {}
    rule_seconds: dict[str, float] = {}

    def add(self, other: "Tally") -> None:
        """Takes in what another part of the log led to."""
        self.live |= other.live
        self.shadow |= other.shadow
        for mine, theirs in ((self.actions, other.actions), (self.parked, other.parked)):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        for rule, seconds in other.rule_seconds.items():
            self.rule_seconds[rule] = self.rule_seconds.get(rule, 0.0) + seconds


class Outcome(Struct):
    """One source, or all of them, judged under both sets of policies."""

    events: int = 0
    old: Tally = msgspec.field(default_factory=Tally)
    new: Tally = msgspec.field(default_factory=Tally)
    faults: Faults = msgspec.field(default_factory=Faults)

    def add(self, other: "Outcome") -> None:
        """Takes in another source's outcome."""
        self.events += other.events
        self.old.add(other.old)
        self.new.add(other.new)
        self.faults.add(other.faults)


def partitions_of(bootstrap: str, topic: str) -> list[int]:
    """Partitions of a topic. Raises KafkaLogError or KafkaException when it cannot be asked."""
    with KafkaLog(bootstrap) as log:
        return log.partitions(topic)


def throughout(files: Mapping[str, str]) -> PolicyBook:
    """The policies of some files, as if they had always been in force. Raises PolicyErrors."""
    newest = {policy.ref.id: policy for policy in load_policies(files, run_tests=False).policies}
    return PolicyBook(replace(policy, effective_from_ms=0) for policy in newest.values())


@lru_cache(maxsize=4)
def _compiled(files: tuple[tuple[str, str], ...]) -> PolicyBook:
    """Compiling takes longer than judging a short log: once in each process."""
    return throughout(dict(files))


def judge_source(source: Source, old: Mapping[str, str], new: Mapping[str, str]) -> Outcome:
    """One source under both sets of policy files (name → text).

    Raises RoomLogError, KafkaLogError or BreakerTripped when the log cannot be read or is mostly rubbish.
    """
    outcome = Outcome()
    books = [_compiled(tuple(files.items())) for files in (old, new)]
    tallies = (outcome.old, outcome.new)
    sides = [
        PartitionProcessor(
            topic=source.topic, partition=source.partition, rooms=MemoryRooms(), judge=Judge(book, clock=monotonic_s)
        )
        for book in books
    ]
    faults = None if source.strict else outcome.faults
    records = (r for r in _records(source, faults) if source.from_ms <= r.timestamp < source.to_ms)
    while chunk := list(islice(records, CHUNK_RECORDS)):
        outcome.events += len(chunk)
        for side, tally in zip(sides, tallies, strict=True):
            for violation in side.process(chunk).of(VIOLATIONS_TOPIC):
                _count(tally, violation)
    for side, tally in zip(sides, tallies, strict=True):
        tally.rule_seconds = side.judge.rule_seconds
    return outcome


def _records(source: Source, faults: Faults | None) -> Iterator[LogRecord]:
    if not source.bootstrap:
        for record in read(source.path, partition=source.partition, faults=faults):
            if not record.topic:  # both sides judge without what earlier releases left
                yield record
        return
    with KafkaLog(source.bootstrap) as log:
        yield from log.read_rooms(source.topic, source.partition)


def _count(tally: Tally, violation: OutRecord) -> None:
    said = orjson.loads(violation.value or b"")
    rule = said["rule"]["id"]
    if said["transition"] in ("opened", "parked", "escalated"):
        side = tally.live if said["mode"] == "live" else tally.shadow
        side.add((said["room_id"], said["session_id"] or "", rule))
    if said["transition"] == "parked":
        tally.parked[rule] = tally.parked.get(rule, 0) + 1
    for wish in said["actions"]:
        tally.actions[wish["action"]] = tally.actions.get(wish["action"], 0) + 1


def run(sources: list[Source], old: Mapping[str, str], new: Mapping[str, str], processes: int) -> Iterator[Outcome]:
    """The outcome of each source as it is ready, judged in up to `processes` processes. Raises as `judge_source`."""
    if processes <= 1 or len(sources) <= 1:
        for source in sources:
            yield judge_source(source, old, new)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        pending = [pool.submit(judge_source, source, old, new) for source in sources]
        for done in as_completed(pending):
            yield done.result()


def summary(total: Outcome, samples: int) -> dict[str, Any]:
    """The comparison as plain values: rooms, rules and actions, old beside new."""
    old, new = total.old, total.new
    before, after = ({room for room, _, _ in side.live} for side in (old, new))
    rules = sorted({rule for side in (old, new) for _, _, rule in side.live | side.shadow} | old.rule_seconds.keys()
                   | new.rule_seconds.keys())  # fmt: skip
    return {
        "events": total.events,
        "bad_lines": total.faults.bad,
        "rooms_live": {"old": len(before), "new": len(after), "gained": len(after - before),
                       "lost": len(before - after)},
        "rules": [_of_rule(rule, total, samples) for rule in rules],
        "actions": [
            {"action": action, "old": old.actions.get(action, 0), "new": new.actions.get(action, 0)}
            for action in sorted(old.actions.keys() | new.actions.keys())
        ],
    }  # fmt: skip


def _of_rule(rule: str, total: Outcome, samples: int) -> dict[str, Any]:
    old, new = total.old, total.new
    row: dict[str, Any] = {"rule": rule}
    for mode in ("live", "shadow"):
        before, after = ({e for e in getattr(side, mode) if e[2] == rule} for side in (old, new))
        row[mode] = {
            "old": len(before), "new": len(after), "gained": len(after - before), "lost": len(before - after),
            "rooms_gained": sorted({e[0] for e in after - before})[:samples],
            "rooms_lost": sorted({e[0] for e in before - after})[:samples],
        }  # fmt: skip
    row["parked"] = {"old": old.parked.get(rule, 0), "new": new.parked.get(rule, 0)}
    row["seconds"] = {name: round(side.rule_seconds.get(rule, 0.0), 6) for name, side in (("old", old), ("new", new))}
    return row
