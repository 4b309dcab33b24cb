"""A broker as far as the worker's promises rest on one: logs, compaction, a group with generations, its commits.

Nothing here waits: whoever calls decides when something has arrived. What a real broker adds is tested on a real one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from faust.types import TP

NO_GENERATION = -1


class Stored(NamedTuple):
    """A record as it lies in a partition. `zombie`: from a worker that owned nothing then."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    zombie: bool


@dataclass
class Partition:
    """One partition's records. `end` does not go back when compaction removes records.

    `settled`: offset below which compaction may be at work. `min.compaction.lag.ms` keeps what is newer than an owner's
    last flush, as long as flushes come more often than that.
    """

    records: list[Stored] = field(default_factory=list)
    end: int = 0
    settled: int = 0

    def append(self, records: Iterable[Any], zombie: bool = False) -> int:
        """Adds records (`OutRecord`); returns the last one's offset."""
        for record in records:
            timestamp, headers = record.timestamp_ms or 0, tuple(record.headers)
            self.records.append(Stored(self.end, timestamp, record.key, record.value, headers, zombie))
            self.end += 1
        return self.end - 1

    def read(self, start: int, end: int) -> list[Stored]:
        """Records with offsets in [start, end)."""
        return [record for record in self.records if start <= record.offset < end]

    def compact(self) -> int:
        """Of the settled records, keeps the newest of each key; returns how many went."""
        newest = {record.key: record.offset for record in self.records if record.offset < self.settled}
        kept = [r for r in self.records if r.offset >= self.settled or newest[r.key] == r.offset]
        gone = len(self.records) - len(kept)
        self.records = kept
        return gone


class Coordinator:
    """The group, with Kafka's eager protocol: a rebalance waits until every member has joined it or was put out.

    Attributes:
        members: name → generation in which it was last given partitions.
        preparing: a rebalance has begun and waits for `members` that have not joined it.
        committed: by topic and partition, the offset that was committed last.
    """

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.generation = 0
        self.members: dict[str, int] = {}
        self.preparing = False
        self.committed: dict[TP, int] = {}
        self.assignment: dict[str, list[int]] = {}
        self._joined: set[str] = set()

    def join(self, name: str) -> None:
        """A member comes, or joins the rebalance that is being prepared."""
        self.members.setdefault(name, NO_GENERATION)
        self.preparing = True
        self._joined.add(name)
        self._complete()

    def remove(self, name: str) -> None:
        """A member leaves, or has been silent for longer than the session."""
        self.members.pop(name, None)
        self._joined.discard(name)
        self.preparing = bool(self.members)
        self._complete()

    def waits_for(self, name: str) -> bool:
        """Whether a rebalance is held up by this member."""
        return self.preparing and name in self.members and name not in self._joined

    def owns(self, name: str, generation: int) -> bool:
        """Whether a member's partitions are still its own."""
        return self.members.get(name) == generation == self.generation

    def commit(self, name: str, generation: int, offsets: Mapping[TP, int]) -> bool:
        """Takes offsets from members of the present generation, also while the next is prepared."""
        if not self.owns(name, generation):
            return False
        self.committed.update(offsets)
        return True

    def _complete(self) -> None:
        if not self.preparing or self._joined != set(self.members):
            return
        self.generation += 1
        self.preparing = False
        self._joined.clear()
        names = sorted(self.members)
        first = self.generation % len(names)  # partitions move about
        names = names[first:] + names[:first]
        self.members = dict.fromkeys(names, self.generation)
        self.assignment = {name: list(range(i, self.partitions, len(names))) for i, name in enumerate(names)}


class Broker:
    """Topics by name, and the group."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.group = Coordinator(partitions)
        self._topics: dict[str, list[Partition]] = {}

    def topic(self, name: str) -> Sequence[Partition]:
        return self._topics.setdefault(name, [Partition() for _ in range(self.partitions)])
