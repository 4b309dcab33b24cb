"""The room agent: batches in, judged in log order, outputs queued before anything else may run.

`RoomAgent` is what an assignment of partitions needs to be judged: their stores, their processors, the outbox. It
knows neither Faust's app nor the broker: those come as functions.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Mapping

from worker import clock
from worker.engine.gates import Gates
from worker.metrics import EVENTS_BOUNDS, Histogram
from worker.partition.output import Output
from worker.partition.past import rooms_left
from worker.partition.rooms import Counts, PartitionProcessor
from worker.policy.feed import PolicyFeed
from worker.policy.judge import Judge
from worker.state.history import ReadHistory, no_history
from worker.state.outbox import Outbox
from worker.state.outputs import Identity, Sent
from worker.state.stores import Progress, Stores
from worker.topics import IDENTITIES_TOPIC, REQUESTS_TOPIC, VIOLATIONS_TOPIC
from worker.transport import FetchBatch, RecordSlice
from worker.transport.protocols import Event

log = logging.getLogger(__name__)

STEP_S = 0.02  # longer steps judge more events of a room at once, and its state is fetched into the cache once
STEP_RECORDS_MAX = 2048
STEP_RECORDS_MIN = 8
TURNS = 4
PENDING_MAX = 2_000

INHERITED = "%s[%d]: %d rooms of an earlier release; offsets below %d are judged in silence"

ReadTails = Callable[[Mapping[int, int]], Awaitable[dict[int, set[Identity]]]]
"""Partition → offset in the violations topic where to start; returns what was sent from there on."""


class RoomAgent:
    """Judges the partitions that are assigned. Everything runs on the event loop's thread.

    Attributes:
        feed: the policies that were published; None where all come from files.
        gates: which fetched records may be judged. counts: what became of them, over all partitions and assignments.
        applied: by partition, the source offset below which every record is judged.
        batch_events, batch_seconds: sizes and processing times of fetches.
    """

    def __init__(
        self,
        *,
        topic: str,
        stores: Stores,
        outbox: Outbox,
        judge: Judge,
        read_tails: ReadTails,
        committed: Callable[[int], int | None],
        now_s: Callable[[], float],
        requests: bool = True,
        place_identity: Callable[[bytes], int] | None = None,
        processor: type[PartitionProcessor] = PartitionProcessor,
        append_time: bool = True,
        read_history: ReadHistory = no_history,
        feed: PolicyFeed | None = None,
    ) -> None:
        """`append_time`: the broker keeps it. Without it records have their producers' time, and none waits for it.
        `feed`: what was published; without it policies come from files alone."""
        self.topic = topic
        self.judge = judge
        self.stores = stores
        self.outbox = outbox
        self.feed = feed
        self.gates = Gates(stores.by_partition, clock.now_ms, open_wide=not append_time, feed=feed)
        self.sent = Sent()
        self.counts = Counts()
        self.applied: dict[int, int] = {}
        self.processors: dict[int, PartitionProcessor] = {}
        self.batch_events = Histogram(EVENTS_BOUNDS)
        self.batch_seconds = Histogram()
        self.process_seconds = 0.0
        self.publish_seconds = 0.0
        self.tails_failed = 0
        self._read_tails = read_tails
        self._read_history = read_history
        self._committed = committed
        self._now_s = now_s
        self.requests = requests
        self._place_identity = place_identity
        self._processor = processor
        self._fresh: set[int] = set()
        self._step_records = 64

    # ---- assignment
    def assign(self, partitions: Collection[int]) -> set[int]:
        """Keeps what is still assigned, drops the rest, prepares the new; returns the new ones."""
        new, dropped = self.stores.assign(partitions)
        for partition in dropped:
            del self.processors[partition]
            self.applied.pop(partition, None)
            self.sent.forget(partition)
        for partition in new:
            self.processors[partition] = self._processor(
                topic=self.topic,
                partition=partition,
                rooms=self.stores.by_partition[partition],
                judge=self.judge,
                counts=self.counts,
                feed=self.feed,
            )
        # Those kept, too: this worker may have been put out of the group, and others have written meanwhile.
        self._fresh = set(partitions)
        self.gates.reset()
        return new

    async def _take_over(self) -> None:
        """Before the first record of an assignment: is the state complete, and what was already sent?"""
        await self._inherit()
        starts = {}
        for partition in self._fresh:
            store = self.stores.by_partition[partition]
            store.check_committed(self._committed(partition))
            starts[partition] = store.meta.outputs_end if store.meta is not None else -1
            if store.meta is not None:
                processor = self.processors[partition]
                processor.watermark_ms = max(processor.watermark_ms, store.meta.watermark_ms)
        try:
            tails = await self._read_tails(starts)
        except Exception as problem:
            self.tails_failed += 1
            log.warning("violations already sent are not known, some may be sent twice: %r", problem)
        else:
            self.sent.learn(tails)
        self._fresh -= starts.keys()

    async def _inherit(self) -> None:
        """Partitions without state of this release begin where an earlier one stopped. Raises HistoryError."""
        stores = self.stores.by_partition
        new = {partition for partition in self._fresh if stores[partition].meta is None}
        found = await self._read_history(new)
        for partition in new & stores.keys():  # a rebalance may have taken some meanwhile
            left = rooms_left(found.get(partition, ()), partition)
            stores[partition].begin(left.rooms, left.activation)
            if left.activation:
                log.info(INHERITED, self.topic, partition, len(left.rooms), left.activation)

    # ---- judging
    async def run(self, events: AsyncIterable[Event]) -> None:
        """Judges batch after batch; each is acknowledged when all of its records are judged and queued."""
        async for event in events:
            await self.process(event.value)
            event.ack()

    async def process(self, batch: FetchBatch) -> None:
        """Judges a fetch, letting the event loop run about every 20 ms."""
        if not self._fresh.isdisjoint(part.tp.partition for part in batch.parts):
            await self._take_over()
        busy_s, started_s = 0.0, self._now_s()
        for part in batch.parts:
            first = 0
            while first < len(part.records):
                first += self._step(part, first)
                now_s = self._now_s()
                if now_s - started_s >= STEP_S:
                    busy_s += now_s - started_s
                    for _ in range(TURNS):  # one request of the producer takes several
                        await asyncio.sleep(0)
                    await self.outbox.below(PENDING_MAX)
                    started_s = self._now_s()
            self.applied[part.tp.partition] = part.next_offset
        self.batch_events.observe(batch.count)
        self.batch_seconds.observe(busy_s + self._now_s() - started_s)

    def _step(self, part: RecordSlice, first: int) -> int:
        """Judges some records and queues what they lead to, in one go: no commit may come in between.

        Returns how many. The number follows the time that the last ones took, so that a step takes about 20 ms at most.
        """
        partition = part.tp.partition
        records = part.records[first : first + self._step_records]
        before_s = self._now_s()
        out = self.processors[partition].process(records)
        self.applied[partition] = records[-1].offset + 1
        judged_s = self._now_s()
        self._queue(partition, out)
        done_s = self._now_s()
        self.process_seconds += judged_s - before_s
        self.publish_seconds += done_s - judged_s
        if done_s - before_s > STEP_S:
            self._step_records = max(STEP_RECORDS_MIN, self._step_records // 2)
        elif done_s - before_s < STEP_S / 3:
            self._step_records = min(STEP_RECORDS_MAX, self._step_records * 2)
        return len(records)

    def _queue(self, partition: int, out: Output) -> None:
        for topic in out.topics():
            records = out.of(topic)
            if topic == IDENTITIES_TOPIC:
                if self._place_identity is not None:
                    for said in records:
                        self.outbox.put(self._place_identity(said.key or b""), [said])
            elif topic == VIOLATIONS_TOPIC:
                self.outbox.put(partition, self.sent.unsent(partition, records))
            elif topic != REQUESTS_TOPIC or self.requests:
                self.outbox.put(partition, records)

    # ---- flush
    def progress(self, offsets: Mapping[int, int], committed: Mapping[int, int]) -> dict[int, Progress]:
        """How far each partition of `offsets` is, at this moment. `offsets` is what will be committed."""
        found = {}
        for partition, offset in offsets.items():
            meta = self.stores.by_partition[partition].meta
            watermark_ms = self.processors[partition].watermark_ms
            found[partition] = Progress(
                applied=max(offset, self.applied.get(partition, 0)),
                watermark_ms=max(watermark_ms, meta.watermark_ms if meta else 0),
                committed=committed.get(partition, 0),
                outputs_end=max(self.outbox.end(VIOLATIONS_TOPIC, partition), meta.outputs_end if meta else -1),
                baseline_ms=self.gates.baseline_ms(partition) or (meta.baseline_ms if meta else 0),
            )
        return found

    # ---- read from another thread
    def uncommitted(self) -> list[int]:
        """Partitions of which more is judged than committed."""
        return [p for p, applied in dict(self.applied).items() if applied > (self._committed(p) or 0)]
