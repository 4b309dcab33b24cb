"""Rooms and the identity agent in one process, without a broker: what a worker's two agents make of each other.

Slow and plain: one event at a time, every answer in its room's log before the next event comes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from worker.engine.identities import partition_of
from worker.partition.identities import MatchProcessor
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.judge import Judge
from worker.state.identities import MatchStore
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, IDENTITIES_TOPIC, REGISTRY_TOPIC, VIOLATIONS_TOPIC


class Kept(NamedTuple):
    """A record in a topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Circle:
    """Three partitions of rooms, three of identities. `logs`, `identities`, `violations` hold all that was written."""

    judge: Judge
    partitions: int = 3
    logs: dict[int, list[Kept]] = field(default_factory=dict)
    identities: dict[int, list[Kept]] = field(default_factory=dict)
    violations: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        numbers = range(self.partitions)
        self.rooms = [
            PartitionProcessor(topic=EVENTS_TOPIC, partition=p, rooms=MemoryRooms(), judge=self.judge) for p in numbers
        ]
        self.matches = [
            MatchProcessor(partition=p, rooms_partitions=self.partitions, matches=MatchStore("identities", p))
            for p in numbers
        ]
        self.logs = {p: [] for p in numbers}
        self.identities = {p: [] for p in numbers}
        self._registered = count()

    def place(self, room_id: str) -> int:
        """Any partition will do, as long as a room keeps it."""
        return sum(room_id.encode()) % self.partitions

    def play(self, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            value = json.dumps(event, ensure_ascii=False).encode()
            self._append(self.place(event["room_id"]), event["room_id"].encode(), value, event["at_ms"])

    def register(self, host_id: str, record: Mapping[str, Any] | None) -> None:
        """A record of the registry; None removes the host."""
        value = None if record is None else json.dumps({"host_id": host_id, **record}).encode()
        partition = partition_of(b"host:" + host_id.encode(), self.partitions)
        kept = Kept(next(self._registered), 0, host_id.encode(), value)
        self._answer(self.matches[partition].process([kept], REGISTRY_TOPIC))

    def _append(self, partition: int, key: bytes, value: bytes, at_ms: int) -> None:
        log = self.logs[partition]
        log.append(Kept(len(log), at_ms, key, value))
        out = self.rooms[partition].process(log[-1:])
        assert not out.of(DEAD_LETTERS_TOPIC), out.of(DEAD_LETTERS_TOPIC)
        self.violations += [json.loads(record.value or b"") for record in out.of(VIOLATIONS_TOPIC)]
        for said in out.of(IDENTITIES_TOPIC):
            where = partition_of(said.key or b"", self.partitions)
            topic = self.identities[where]
            topic.append(Kept(len(topic), said.timestamp_ms or 0, said.key, said.value))
            self._answer(self.matches[where].process(topic[-1:], IDENTITIES_TOPIC))

    def _answer(self, placed: Iterable[Any]) -> None:
        for partition, record in placed:
            assert record.topic == EVENTS_TOPIC, record
            self._append(partition, record.key, record.value, record.timestamp_ms)

    def told(self, kind: str, room_id: str = "") -> list[dict[str, Any]]:
        """All answers of a type, of one room or of all, in the order of each partition's log."""
        events = [json.loads(kept.value or b"") for p in sorted(self.logs) for kept in self.logs[p]]
        return [e for e in events if e["type"] == kind and room_id in ("", e["room_id"])]
