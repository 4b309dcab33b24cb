"""The rooms of all partitions that this worker owns, and the flush that makes them durable."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from worker.audit.evidence import Level
from worker.records import Record
from worker.state.codec import Write, size_bytes
from worker.state.rooms import RoomStore

SHED_PER_FLUSH_MAX = 50_000

SendWrites = Callable[[int, Sequence[Write]], Awaitable[int]]
"""Writes records in order to one partition of the changelog; returns the offset of the last one when the broker has
acknowledged all. Raises when it has not."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition is. applied: source offset below which all is in the state; committed: below which all is
    committed; outputs_end: offset after the last acknowledged violation, -1 when unknown; watermark_ms: its time P;
    baseline_ms: see `codec.Meta`."""

    applied: int
    watermark_ms: int
    committed: int
    outputs_end: int
    baseline_ms: int = 0


class Stores:
    """Stores by partition. Kept through a rebalance: only those not assigned again are dropped.

    Attributes:
        written_records, written_bytes: of the changelog, since the process began.
    """

    def __init__(self, topic: str, rooms_max: int) -> None:
        self.topic = topic
        self.rooms_max = rooms_max
        self.by_partition: dict[int, RoomStore] = {}
        self.written_records = 0
        self.written_bytes = 0
        self._gone = [0, 0, 0]  # stale, expired, shed of stores that were dropped

    def assign(self, partitions: Collection[int]) -> tuple[set[int], set[int]]:
        """Makes a store for each new partition and drops the others; returns (new, dropped)."""
        new = set(partitions) - self.by_partition.keys()
        dropped = self.by_partition.keys() - set(partitions)
        for partition in dropped:
            store = self.by_partition.pop(partition)
            for i, count in enumerate((store.stale, store.expired, store.shed)):
                self._gone[i] += count
        for partition in new:
            self.by_partition[partition] = RoomStore(self.topic, partition)
        return new, set(dropped)

    def apply(self, partition: int, records: Iterable[Record]) -> None:
        """Recovers from consecutive changelog records. Raises ChangelogError."""
        self.by_partition[partition].apply(records)

    def capture(self, progress: Mapping[int, Progress]) -> dict[int, list[Write]]:
        """What to write so that each partition's state covers its progress. Synchronous: one consistent cut."""
        shed = self._shed(progress)
        writes = {}
        for partition, at in progress.items():
            store = self.by_partition[partition]
            captured = store.capture(at.applied, at.watermark_ms, at.committed, at.outputs_end, at.baseline_ms)
            writes[partition] = shed.get(partition, []) + captured
        return writes

    def _shed(self, progress: Mapping[int, Progress]) -> dict[int, list[Write]]:
        """Tombstones for the rooms beyond the cap, the longest idle of all partitions.

        Those of partitions that are not in `progress` are left to their own flush.
        """
        excess = min(self.rooms() - self.rooms_max, SHED_PER_FLUSH_MAX)
        if excess <= 0:
            return {}
        bar = self._bucket_of_longest_idle(excess)
        writes: dict[int, list[Write]] = {}
        for partition, at in progress.items():
            store = self.by_partition[partition]
            before = len(store)
            writes[partition] = store.shed_oldest(excess, bar, at.committed)
            excess -= before - len(store)
        return writes

    def _bucket_of_longest_idle(self, count: int) -> int:
        """The bucket (`idle.BUCKET_MS`) of the last of the `count` longest idle rooms."""
        sizes: Counter[int] = Counter()
        for store in self.by_partition.values():
            sizes += store.idle_rooms()
        buckets = sorted(sizes)
        held = accumulate(sizes[bucket] for bucket in buckets)
        found = (bucket for bucket, rooms in zip(buckets, held, strict=True) if rooms >= count)
        return next(found, max(buckets, default=0))  # rooms that are new since the last flush are in no bucket yet

    async def write(self, writes: Mapping[int, Sequence[Write]], send: SendWrites) -> dict[int, int]:
        """Makes captured records durable; returns the changelog offset of each partition's last record.

        Raises ChangelogError when somebody else has written in between; what `send` raises.
        """
        partitions = list(writes)
        ends = await asyncio.gather(*(send(partition, writes[partition]) for partition in partitions))
        for partition, end in zip(partitions, ends, strict=True):
            records = writes[partition]
            self.written_records += len(records)
            self.written_bytes += size_bytes(records)
            self.by_partition[partition].changelog_end.wrote(len(records), end)
        return dict(zip(partitions, ends, strict=True))

    # ---- read from another thread
    def dirty(self, partitions: Collection[int] | None = None) -> int:
        """Rooms that have changed since they were last captured, of all partitions or some."""
        stores = dict(self.by_partition)
        return sum(len(stores[p].dirty) for p in (stores if partitions is None else partitions))

    def rooms(self) -> int:
        return sum(len(store) for store in list(self.by_partition.values()))

    def decoded(self) -> int:
        return sum(len(store.live) for store in list(self.by_partition.values()))

    def by_level(self) -> dict[tuple[str, ...], float]:
        """Rooms in session by family and the name of its level: watch, label, limit, restrict."""
        total: dict[tuple[str, ...], float] = {}
        for store in list(self.by_partition.values()):
            for (family, level), rooms in dict(store.by_level).items():
                name = Level(level).name.lower()
                total[family, name] = total.get((family, name), 0.0) + rooms
        return total

    @property
    def stale(self) -> int:
        return self._gone[0] + sum(store.stale for store in list(self.by_partition.values()))

    @property
    def expired(self) -> int:
        return self._gone[1] + sum(store.expired for store in list(self.by_partition.values()))

    @property
    def shed(self) -> int:
        return self._gone[2] + sum(store.shed for store in list(self.by_partition.values()))
