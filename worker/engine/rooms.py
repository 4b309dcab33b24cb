"""The room agent: batches in, judged in log order, outputs queued before anything else may run.

`Engine` is what an assignment of partitions needs to be judged: their stores, their processors, the outbox. It
knows neither Faust's app nor the broker: those come as functions.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Mapping
from itertools import chain

from worker import __version__
from worker.ingress.reject import Reason
from worker.metrics import EVENTS_BOUNDS, Histogram, Readings
from worker.partition.rooms import Counts, Output, PartitionProcessor
from worker.policy.judge import Judge
from worker.records import OutRecord
from worker.state.outbox import Outbox
from worker.state.outputs import Identity, Sent
from worker.state.stores import Progress, Stores
from worker.topics import VIOLATIONS_TOPIC
from worker.transport import FetchBatch, RecordSlice
from worker.transport.protocols import Event

log = logging.getLogger(__name__)

STEP_S = 0.02  # longer steps judge more events of a room at once, and its state is fetched into the cache once
STEP_RECORDS_MAX = 2048
STEP_RECORDS_MIN = 8
TURNS = 4
PENDING_MAX = 2_000

ReadTails = Callable[[Mapping[int, int]], Awaitable[dict[int, set[Identity]]]]
"""Partition → offset in the violations topic where to start; returns what was sent from there on."""


class Engine:
    """Judges the partitions that are assigned. Everything runs on the event loop's thread.

    Attributes:
        counts: what became of the records, over all partitions and assignments.
        applied: by partition, the source offset below which every record is judged.
        batch_events, batch_seconds: sizes and processing times of fetches.
    """

    def __init__(
        self,
        *,
        topic: str,
        name_output: Callable[[str], str],
        stores: Stores,
        outbox: Outbox,
        judge: Judge,
        read_tails: ReadTails,
        committed: Callable[[int], int | None],
        now_s: Callable[[], float],
        requests: bool = True,
        place_identity: Callable[[bytes], int] | None = None,
        processor: type[PartitionProcessor] = PartitionProcessor,
    ) -> None:
        self.topic = topic
        self.judge = judge
        self.stores = stores
        self.outbox = outbox
        self.sent = Sent()
        self.counts = Counts()
        self.applied: dict[int, int] = {}
        self.processors: dict[int, PartitionProcessor] = {}
        self.batch_events = Histogram(EVENTS_BOUNDS)
        self.batch_seconds = Histogram()
        self.process_seconds = 0.0
        self.publish_seconds = 0.0
        self.tails_failed = 0
        self._name_output = name_output
        self._read_tails = read_tails
        self._committed = committed
        self._now_s = now_s
        self._requests = requests
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
            )
        # Those kept, too: this worker may have been put out of the group, and others have written meanwhile.
        self._fresh = set(partitions)
        return new

    async def _take_over(self) -> None:
        """Before the first record of an assignment: is the state complete, and what was already sent?"""
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
        violations = self.sent.unsent(partition, out.violations)
        requests = out.requests if self._requests else []
        if violations or out.dead_letters or out.rooms or requests:
            self.outbox.put(partition, map(self._named, chain(violations, out.dead_letters, out.rooms, requests)))
        if self._place_identity is not None:
            for said in out.identities:
                self.outbox.put(self._place_identity(said.key or b""), [self._named(said)])

    def _named(self, record: OutRecord) -> OutRecord:
        return record._replace(topic=self._name_output(record.topic))

    # ---- flush
    def progress(self, offsets: Mapping[int, int], committed: Mapping[int, int]) -> dict[int, Progress]:
        """How far each partition of `offsets` is, at this moment. `offsets` is what will be committed."""
        violations = self._name_output(VIOLATIONS_TOPIC)
        found = {}
        for partition, offset in offsets.items():
            meta = self.stores.by_partition[partition].meta
            watermark_ms = self.processors[partition].watermark_ms
            found[partition] = Progress(
                applied=max(offset, self.applied.get(partition, 0)),
                watermark_ms=max(watermark_ms, meta.watermark_ms if meta else 0),
                committed=committed.get(partition, 0),
                outputs_end=max(self.outbox.end(violations, partition), meta.outputs_end if meta else -1),
            )
        return found

    # ---- read from another thread
    def uncommitted(self) -> list[int]:
        """Partitions of which more is judged than committed."""
        return [p for p, applied in dict(self.applied).items() if applied > (self._committed(p) or 0)]

    def _parking(self) -> Readings:
        """Rules that are at their cap, and rules that are paused, each with the number of partitions."""
        reached: Counter[tuple[str, ...]] = Counter()
        paused: Counter[tuple[str, ...]] = Counter()
        for processor in list(self.processors.values()):
            caps = processor.rooms.caps
            reached.update((rule,) for rule in caps.reached(processor.watermark_ms))
            paused.update((rule,) for rule in caps.paused())
        return {"cap_reached": dict(reached), "rule_paused": dict(paused)}

    def readings(self) -> Readings:
        """Metrics of judging and of state."""
        counts, stores = self.counts, self.stores
        return {
            "info": {(__version__,): 1.0},
            "read_total": counts.read,
            "events_total": {
                (str(kind.__struct_config__.tag),): n  # type: ignore[attr-defined]
                for kind, n in dict(counts.events).items()
            },
            "applied_total": counts.applied,
            "duplicate_total": counts.duplicate,
            "late_total": counts.late,
            "replay_skipped_total": counts.replay_skipped,
            # All reasons from the start: a rate does not see the step that makes a series, and would miss records.
            "rejected_total": {(str(reason),): counts.rejected.get(reason, 0) for reason in Reason},
            "violations_total": {
                (platform, rule, mode, str(step)): n
                for (platform, rule, mode, step), n in dict(counts.violations_by).items()
            },
            "violations_suppressed_total": self.sent.suppressed,
            "requests_total": {by: float(n) for by, n in dict(counts.requests).items() if self._requests},
            "output_tails_failed_total": self.tails_failed,
            "actions_withheld_total": {(because,): n for because, n in dict(counts.withheld).items()},
            "rule_errors_total": {(rule,): n for rule, n in dict(self.judge.errors).items()},
            "rule_parked": {(rule,): 1.0 for rule in sorted(self.judge.parked)},
            "rule_seconds_total": {(rule,): s for rule, s in dict(self.judge.rule_seconds).items()},
            **self._parking(),
            "policy_version": {(policy.ref.id,): policy.ref.version for policy in self.judge.book.policies},
            "outputs_pending": self.outbox.pending,
            "batch_events": self.batch_events,
            "batch_seconds": self.batch_seconds,
            "process_seconds_total": self.process_seconds,
            "publish_seconds_total": self.publish_seconds,
            "snapshot_records_total": stores.written_records,
            "snapshot_bytes_total": stores.written_bytes,
            "changelog_stale_total": stores.stale,
            "rooms_live": stores.rooms(),
            "rooms_decoded": stores.decoded(),
            "rooms_by_level": stores.by_level(),
            "rooms_expired_total": stores.expired,
            "rooms_shed_total": stores.shed,
        }
