"""The oracle: what the pure core makes of a room log, single-threaded and in memory, to compare a worker with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from tests.support.engine import Log, Sent
from worker.audit.events import ANSWERS
from worker.engine.identities import partition_of
from worker.partition.identities import MatchProcessor, Placed
from worker.partition.rooms import Counts, MemoryRooms, PartitionProcessor
from worker.policy.judge import Judge
from worker.records import OutRecord, Record
from worker.state.identities import MatchStore
from worker.tools.policyfiles import read_policies
from worker.topics import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    IDENTITIES_TOPIC,
    REQUESTS_TOPIC,
    ROOMS_TOPIC,
    VIOLATIONS_TOPIC,
)

_ANSWER_TYPES = tuple(f'{{"type":"{answer.__struct_config__.tag}"'.encode() for answer in ANSWERS)


class _Valued(Protocol):
    @property
    def value(self) -> bytes | None: ...


R = TypeVar("R", bound=_Valued)


@dataclass
class Expected:
    """What should be there. `answers`: of the identity agent, in the room log; `answered`: those that the log holds."""

    violations: list[Sent] = field(default_factory=list)
    dead_letters: list[Sent] = field(default_factory=list)
    rooms: list[Sent] = field(default_factory=list)
    requests: list[Sent] = field(default_factory=list)
    identities: list[Sent] = field(default_factory=list)
    answers: list[Sent] = field(default_factory=list)
    answered: list[Sent] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


def judge(policies: Path | None = None) -> Judge:
    return Judge(read_policies(policies) if policies else read_policies())


def oracle(log: Log, policies: Path | None = None) -> Expected:
    """Of a log to which no one writes any more, by the policies in a folder or by those that ship."""
    expected = Expected()
    everything = log.read(EVENTS_TOPIC)
    for partition in range(log.partitions):
        records = [sent for sent in everything if sent.partition == partition]
        processor = PartitionProcessor(
            topic=log.topic(EVENTS_TOPIC), partition=partition, rooms=MemoryRooms(), judge=judge(policies),
            counts=expected.counts,
        )  # fmt: skip
        for first in range(0, len(records), 100):
            out = processor.process(records[first : first + 100])
            for got, made in (
                (expected.violations, out.of(VIOLATIONS_TOPIC)),
                (expected.dead_letters, out.of(DEAD_LETTERS_TOPIC)),
                (expected.rooms, out.of(ROOMS_TOPIC)),
                (expected.requests, out.of(REQUESTS_TOPIC)),
            ):
                got += [_unsent(partition, r) for r in made]
            expected.identities += [
                _unsent(partition_of(r.key or b"", log.partitions), r) for r in out.of(IDENTITIES_TOPIC)
            ]
    expected.answers, expected.answered = _answers(log), answers_in(everything)
    return expected


def _answers(log: Log) -> list[Sent]:
    """What the identity agent has to say to what lies in its topic; nobody is registered."""
    told, answers = log.read(IDENTITIES_TOPIC), []
    for partition in range(log.partitions):
        records = [sent for sent in told if sent.partition == partition]
        _, placed = match(partition, log.partitions, {IDENTITIES_TOPIC: records})
        answers += [_unsent(one.partition, one.record) for one in placed]
    return answers


def match(
    partition: int, rooms_partitions: int, topics: Mapping[str, Iterable[Record]]
) -> tuple[MatchStore, list[Placed]]:
    """What the identity agent's core keeps of one partition's topics, read one after the other, and says to them."""
    store = MatchStore("identities", partition)
    core = MatchProcessor(partition=partition, rooms_partitions=rooms_partitions, matches=store)
    return store, [one for topic, records in topics.items() for one in core.process(records, topic)]


def _unsent(partition: int, record: OutRecord) -> Sent:
    return Sent(partition, 0, record.timestamp_ms or 0, record.key, record.value, tuple(record.headers))


def answers_in(room_log: Iterable[R]) -> list[R]:
    """The identity agent's events in a room log."""
    return [record for record in room_log if (record.value or b"").startswith(_ANSWER_TYPES)]


def newest(records: Sequence[Sent]) -> dict[bytes | None, bytes | None]:
    """What a reader of a compacted topic is left with."""
    return {sent.key: sent.value for sent in records}
