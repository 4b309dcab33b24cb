"""The identity agent: what rooms tell of themselves and what the registry says in, answers for rooms' logs out.

It owns partitions of the identities' topic and the same partitions of the registry, with a changelog of its own. Its
answers go through the outbox that the room agent uses, so one flush makes both durable before offsets are committed.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Iterable, Mapping, Sequence

from aiokafka.partitioner import murmur2

from worker.egress.identities import partition_key
from worker.partition.identities import MatchCounts, MatchProcessor, Placed
from worker.partition.past import history_partition, identities_left
from worker.records import Record
from worker.state.codec import Write
from worker.state.history import ReadHistory, no_history
from worker.state.identities import MatchStore
from worker.state.outbox import Outbox
from worker.topics import IDENTITIES_TOPIC, REGISTRY_TOPIC
from worker.transport import FetchBatch, RecordSlice
from worker.transport.protocols import Event

STEP_S = 0.005
STEP_RECORDS = 64
TURNS = 4
PENDING_MAX = 2_000

ReadRegistry = Callable[[Mapping[int, int]], Awaitable[Mapping[int, Sequence[Record]]]]
"""Partition → offset in the registry where to start; returns its records from there to its end."""

Where = tuple[str, int]
"""A topic (its name without a prefix) and a partition."""


def partition_of(key: bytes, partitions: int) -> int:
    """Where an identity lies: as Kafka's own clients would put its key, so that a host meets the registry."""
    return int(murmur2(partition_key(key)) & 0x7FFFFFFF) % partitions


class IdentityAgent:
    """Matches the partitions that are assigned. Everything runs on the event loop's thread.

    Attributes:
        stores, processors: by partition.
        applied: by topic and partition, the offset below which every record is applied.
        expired_before: identities that expired in stores which are no longer here.
        counts: what became of the records, over all partitions and assignments.
    """

    def __init__(
        self,
        *,
        changelog: str,
        rooms_partitions: int,
        name_topic: Callable[[str], str],
        outbox: Outbox,
        committed: Callable[[str, int], int | None],
        read_registry: ReadRegistry,
        now_s: Callable[[], float],
        processor: type[MatchProcessor] = MatchProcessor,
        read_history: ReadHistory = no_history,
        partitions: int = 0,
    ) -> None:
        """`partitions`: of the identities' topic; needed with `read_history`."""
        self.changelog = changelog
        self.outbox = outbox
        self.counts = MatchCounts()
        self.stores: dict[int, MatchStore] = {}
        self.processors: dict[int, MatchProcessor] = {}
        self.applied: dict[Where, int] = {}
        self.seconds = 0.0
        self.topics = {name_topic(topic): topic for topic in (IDENTITIES_TOPIC, REGISTRY_TOPIC)}
        self._rooms_partitions = rooms_partitions
        self._committed = committed
        self._read_registry = read_registry
        self._read_history = read_history
        self._partitions = partitions
        self._now_s = now_s
        self._processor = processor
        self._fresh: set[int] = set()
        self.expired_before = 0

    # ---- assignment
    def assign(self, partitions: Collection[int]) -> set[int]:
        """Keeps what is still assigned, drops the rest, prepares the new; returns the new ones."""
        new, dropped = set(partitions) - self.stores.keys(), self.stores.keys() - set(partitions)
        for partition in dropped:
            store = self.stores.pop(partition)
            self.expired_before += store.expired
            del self.processors[partition]
        self.applied = {where: offset for where, offset in self.applied.items() if where[1] not in dropped}
        for partition in new:
            self.stores[partition] = store = MatchStore(self.changelog, partition)
            self.processors[partition] = self._processor(
                partition=partition, rooms_partitions=self._rooms_partitions, matches=store, counts=self.counts
            )
        self._fresh = (self._fresh - dropped) | new
        return new

    def apply(self, partition: int, records: Sequence[Record]) -> None:
        """Recovers from consecutive changelog records. Raises ChangelogError."""
        self.stores[partition].apply(records)

    async def _take_over(self) -> None:
        """Before the first record of new partitions: is their state complete, and what does the registry say by now?

        The registry is read to its end, so that no host counts as unknown because his record comes a moment later.
        """
        await self._inherit()
        starts = {}
        for partition in self._fresh:
            store = self.stores[partition]
            at_identities, at_registry = (self._committed(t, partition) for t in (IDENTITIES_TOPIC, REGISTRY_TOPIC))
            store.check_committed(at_identities, at_registry)
            starts[partition] = store.registry_applied
            if store.meta is not None:
                self.processors[partition].watermark_ms = store.meta.watermark_ms
        for partition, records in (await self._read_registry(starts)).items():
            if partition in self.processors:  # a rebalance may have taken it meanwhile
                self._queue(self.processors[partition].process(records, REGISTRY_TOPIC))
        self._fresh -= starts.keys()

    async def _inherit(self) -> None:
        """Partitions without state of this release begin where an earlier one stopped. Raises HistoryError."""
        new = {partition for partition in self._fresh if self.stores[partition].meta is None}
        where = {partition: history_partition(partition, self._rooms_partitions) for partition in new}
        found = await self._read_history(set(where.values()))
        for partition in new & self.stores.keys():  # a rebalance may have taken some meanwhile
            records = found.get(where[partition], ())
            left = identities_left(records, partition, lambda key: partition_of(key, self._partitions))
            self.stores[partition].begin(left.kept, left.activation)

    # ---- matching
    async def run(self, events: AsyncIterable[Event]) -> None:
        """Takes batch after batch; each is acknowledged when all of it is applied and its answers are queued."""
        async for event in events:
            await self.process(event.value)
            event.ack()

    async def process(self, batch: FetchBatch) -> None:
        """Applies a fetch, letting the event loop run about every 5 ms."""
        started_s = self._now_s()
        for part in batch.parts:
            if part.tp.partition in self._fresh:
                await self._take_over()
            for first in range(0, len(part.records), STEP_RECORDS):
                self._step(part, first)
                now_s = self._now_s()
                if now_s - started_s >= STEP_S:
                    self.seconds += now_s - started_s
                    for _ in range(TURNS):
                        await asyncio.sleep(0)
                    await self.outbox.below(PENDING_MAX)
                    started_s = self._now_s()
            self.applied[self.topics[part.tp.topic], part.tp.partition] = part.next_offset
        self.seconds += self._now_s() - started_s

    def _step(self, part: RecordSlice, first: int) -> None:
        """Applies some records and queues their answers in one go: no commit may come in between."""
        topic, partition = self.topics[part.tp.topic], part.tp.partition
        records = part.records[first : first + STEP_RECORDS]
        self._queue(self.processors[partition].process(records, topic))
        self.applied[topic, partition] = records[-1].offset + 1

    def _queue(self, placed: Iterable[Placed]) -> None:
        for partition, record in placed:
            self.outbox.put(partition, [record])

    # ---- flush
    def capture(self, offsets: Mapping[Where, int], committed: Mapping[Where, int]) -> dict[int, list[Write]]:
        """What to write so that state covers `offsets`, which will be committed. Synchronous: one consistent cut."""
        writes = {}
        for partition in sorted({partition for _, partition in offsets}):
            store = self.stores[partition]
            said, registered = (IDENTITIES_TOPIC, partition), (REGISTRY_TOPIC, partition)
            before = store.meta.applied_offset if store.meta is not None else 0
            writes[partition] = store.capture(
                max(offsets.get(said, 0), self.applied.get(said, 0), before),
                max(offsets.get(registered, 0), self.applied.get(registered, 0)),
                self.processors[partition].watermark_ms,
                committed.get(said, 0),
            )
        return writes

    # ---- read from another thread
    def uncommitted(self, topic: str) -> list[int]:
        """Partitions of a topic (its name without a prefix) of which more is applied than committed."""
        applied = {partition: offset for (name, partition), offset in dict(self.applied).items() if name == topic}
        return [p for p, offset in applied.items() if offset > (self._committed(topic, p) or 0)]

    def dirty(self, partitions: Collection[int] | None = None) -> int:
        """Identities that have changed since they were last captured, of all partitions or some."""
        stores = dict(self.stores)
        return sum(len(stores[p].dirty) for p in (stores if partitions is None else partitions))
