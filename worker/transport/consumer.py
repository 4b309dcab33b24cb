"""Faust's consumer, batched: delivers fetches, takes range acks, flushes before commits, hands over in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Set
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from faust.transport.drivers import aiokafka as stock
from faust.types import TP
from faust.types.tuples import ConsumerMessage, ack_lock
from mode import Service

from worker.transport.batch import BatchMessage, RecordSlice
from worker.transport.counts import TransportCounts
from worker.transport.fetch import BatchConsumerThread, Fetched
from worker.transport.offsets import COMMIT_TURNS, OffsetTracker, share_of
from worker.transport.shutdown import DeadlineError, KillDeadline

if TYPE_CHECKING:
    from worker.transport.hooks import Attachment

#: How often to look again for room in a stream buffer or the end of a running batch.
POLL_S = 0.002
#: How long a partition whose next record must wait stays out of the fetch, before it is asked again.
WAIT_S = 2.0
#: How often to ask whether the group's coordinator has met an error; it waits, for ever, until somebody has.
COORDINATOR_CHECK_S = 1.0


class GenerationLostError(RuntimeError):
    """This member was put out of its group while it still had results to write; others own its partitions."""


class BatchConsumer(stock.Consumer):  # type: ignore[misc]
    """Any error outside a single event reaches `hooks.fatal`: the log is read again from the last commit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        transport = args[0] if args else kwargs["transport"]
        attachment: Attachment = transport.attachment
        self.settings = attachment.settings
        self.hooks = attachment.hooks
        self.clock = attachment.clock
        self.counts = TransportCounts()
        self.tracker: OffsetTracker[TP, ConsumerMessage] = OffsetTracker()
        self._waits: dict[TP, float] = {}  # partitions out of the fetch, until when
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def thread(self) -> BatchConsumerThread:
        return cast(BatchConsumerThread, self._thread)

    async def on_start(self) -> None:
        KillDeadline(self.app, self.transport.attachment).start()
        await super().on_start()

    @Service.task  # type: ignore[untyped-decorator]
    async def _check_coordinator(self) -> None:
        """What keeps this member out of its group would be told with the next fetch: without a group there is none."""
        async with self._fatal_on_error():
            while not self.should_stop:
                await self.sleep(COORDINATOR_CHECK_S)
                if not self.should_stop:
                    await self.thread.check_coordinator()

    # ---- fetch → agents
    async def _drain_messages(self, fetcher: Service) -> None:
        """Body of Faust's fetcher service: runs until the consumer or the fetcher stops."""
        try:
            await self._drain_until_stopped(fetcher)
        except asyncio.CancelledError:
            # Faust takes this for a crash when a rebalance is under way, and would end a stop with an error.
            if not (self.app.should_stop or fetcher.should_stop):
                raise

    async def _drain_until_stopped(self, fetcher: Service) -> None:
        async with self._fatal_on_error():
            while not (self.should_stop or fetcher.should_stop):
                await asyncio.sleep(0)
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)
                    continue
                active = self._not_waiting(self._get_active_partitions())
                if not active:
                    await self.sleep(0.1)
                    continue
                generation = self.app.consumer_generation_id
                fetched = cast(Fetched, await self._getmany(active_partitions=active, timeout=1.0))
                if fetched.slices and not self.should_stop:
                    await self._take(fetched, generation)

    async def _take(self, fetched: Fetched, generation: int) -> None:
        self.counts.fetches += 1
        sources: dict[str, list[RecordSlice]] = {}
        for part in fetched.slices:
            if part.tp.topic in self.hooks.changelog_topics:
                if self._is_current(fetched, generation):
                    self._apply_changelog(part)
            else:
                sources.setdefault(part.tp.topic, []).append(part)
        for topic, found in sources.items():
            parts, delivered = found, self._is_current(fetched, generation)
            if delivered and topic in self.hooks.batched_topics:
                parts = await self._admit(parts, fetched.epoch)
            if delivered and parts:
                deliver = self._deliver if topic in self.hooks.batched_topics else self._deliver_singly
                delivered = await deliver(parts, generation)
            if not delivered:
                await self.thread.put_back(Fetched(parts, fetched.epoch))

    def _not_waiting(self, active: Set[TP]) -> set[TP]:
        now_s = self.clock()
        self._waits = {tp: until_s for tp, until_s in self._waits.items() if until_s > now_s}
        return set(active) - self._waits.keys()

    async def _admit(self, parts: list[RecordSlice], epoch: int) -> list[RecordSlice]:
        """What may go to the agents now; the rest of a partition is fetched again later."""
        admitted = []
        for part in parts:
            records, waits = self.hooks.admit(part.tp, part.records)
            end = part.next_offset
            if waits:
                end = part.records[len(records)].offset
                self._waits[part.tp] = self.clock() + WAIT_S
                rest = RecordSlice(part.tp, part.records[len(records) :], end, part.next_offset)
                await self.thread.put_back(Fetched([rest], epoch))
            if end > part.base_offset:
                admitted.append(RecordSlice(part.tp, records, part.base_offset, end))
        return admitted

    def _is_current(self, fetched: Fetched, generation: int) -> bool:
        """Whether the slices are still ours to process: no seek, revocation or new generation in between."""
        same = fetched.epoch == self.thread.epoch and generation == self.app.consumer_generation_id
        return same and self.flow_active

    async def _deliver(self, parts: list[RecordSlice], generation: int) -> bool:
        message = BatchMessage(parts, generation, self.clock())
        if not await self._has_room(message.tp, generation):
            return False
        for part in parts:
            self._count(part)
            self.tracker.track(part.tp, part.next_offset, message)
        if message.value.count:
            await self.callback(message)
        else:  # nothing but control records or holes: the position moves on, no agent need know
            message.acked = True
        return True

    async def _deliver_singly(self, parts: list[RecordSlice], generation: int) -> bool:
        """Topics that are not batched get Faust's one event per record."""
        for part in parts:
            self._count(part)
            last = ConsumerMessage(*part.tp, part.next_offset - 1, 0.0, 0, (), None, b"", None, tp=part.tp)
            last.acked = True
            for record in part.records:
                message = ConsumerMessage(
                    *part.tp,
                    record.offset,
                    record.timestamp / 1000.0,
                    0,
                    record.headers,
                    record.key,
                    record.value,
                    None,
                    tp=part.tp,
                    generation_id=generation,
                )
                if not await self._has_room(part.tp, generation):
                    return True  # the flow stopped for a rebalance, which seeks all partitions to their commits
                self.tracker.track(part.tp, record.offset + 1, message)
                await self.callback(message)
            self.tracker.track(part.tp, part.next_offset, last)
        return True

    async def _has_room(self, tp: TP, generation: int) -> bool:
        """Waits until the streams take another event; False when the flow stops or a rebalance begins."""
        app = self.app
        while self.flow_active and generation == app.consumer_generation_id and not self.should_stop:
            channels = app.topics._tp_index.get(tp) or ()
            if app.flow_control.is_active() and not any(channel.queue.full() for channel in channels):
                return True
            await asyncio.sleep(POLL_S)
        return False

    def on_buffer_full(self, tp: TP) -> None:
        """No partition is taken out of the fetch: `_has_room` is the back-pressure."""

    def on_buffer_drop(self, tp: TP) -> None:
        """See `on_buffer_full`."""

    def _count(self, part: RecordSlice) -> None:
        counts = self.counts
        counts.records += len(part.records)
        counts.position[part.tp] = part.next_offset
        highwater = self.highwater(part.tp)
        if highwater is not None:
            counts.highwater[part.tp] = highwater
            self.app.monitor.track_tp_end_offset(part.tp, highwater)

    def on_out_of_range(self, tp: TP, expected: int, base: int) -> None:
        """The broker no longer had `expected`, the fetch went on at `base`. Called by the consumer's thread."""
        if tp.topic in self.hooks.changelog_topics:
            return  # compacted logs start where they start
        self.counts.lost_records += max(0, base - expected)
        what = f"{base - expected} records lost" if base > expected else "reading goes back"
        self.log.error(
            "DATA LOSS in %s-%s: offset %s is out of the broker's range, going on at %s: %s",
            *tp,
            expected,
            base,
            what,
        )

    # ---- recovery
    def _apply_changelog(self, part: RecordSlice) -> None:
        recovery = self.app.tables.recovery
        if part.tp in recovery.active_tps:
            offsets = recovery.active_offsets
        elif part.tp in recovery.standby_tps:
            offsets = recovery.standby_offsets
        else:
            return
        seen = offsets.get(part.tp)
        records = [r for r in part.records if seen is None or r.offset > seen]
        if records:
            self.hooks.apply_changelog(part.tp, records)
            self.counts.changelog_records += len(records)
        # Not the last record's offset: a tail of control records or compacted ones would never be reached.
        self.advance_changelog(part.tp, part.next_offset)
        if recovery.in_recovery and not recovery.need_recovery():
            # Whoever waits says that it has ended. Faust's own reader clears the signal every five seconds; if just
            # before the wait, it gives it again after five more, as long as the recovery counts as running.
            recovery.signal_recovery_end.set()
        if not recovery.standby_remaining_total():
            self.app.tables.on_standbys_ready()

    def advance_changelog(self, tp: TP, next_offset: int) -> None:
        """State up to `next_offset` is in memory, be it read or written by us; recovery starts from there."""
        recovery = self.app.tables.recovery
        offsets = recovery.standby_offsets if tp in recovery.standby_tps else recovery.active_offsets
        seen = offsets.get(tp)
        offsets[tp] = next_offset - 1 if seen is None else max(seen, next_offset - 1)

    # ---- acks → commits
    @Service.task  # type: ignore[untyped-decorator]
    async def _commit_handler(self) -> None:
        """Every partition once per commit interval, in turns; a turn that took long is not made up for."""
        turn, due_s = 0, self.clock()
        while not self.should_stop:
            due_s = max(due_s + self.commit_interval / COMMIT_TURNS, self.clock())
            await self.sleep(max(0.0, due_s - self.clock()))
            if not self.should_stop:
                await self.commit(share_of(self.tracker.partitions(), turn))
                turn = (turn + 1) % COMMIT_TURNS

    def ack(self, message: ConsumerMessage) -> bool:
        with ack_lock:
            if message.acked:
                return False
            message.acked = True
            self._unacked_messages.discard(message)
        for part in message.parts if type(message) is BatchMessage else ():
            self.tracker.advance(part.tp)  # its records go now, not at the next commit
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Any:
        return (tp for tp in self.tracker.partitions() if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self.tracker.committable(tp)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Flushes and commits; any failure but a commit that the broker declines is fatal."""
        async with self._fatal_on_error():
            return cast(bool, await super().commit(topics, start_new_transaction=start_new_transaction))
        return False  # the consumer was stopped

    async def _commit_tps(self, tps: Any, start_new_transaction: bool) -> bool:
        offsets = self._filter_committable_offsets(tps)
        if not offsets:
            return False
        await self._handle_attached(offsets)
        return await self._commit_offsets(offsets)

    async def _handle_attached(self, commit_offsets: Mapping[TP, int]) -> None:
        """Between choosing the offsets and committing them: everything they stand for becomes durable."""
        generation = self.thread.generation
        if generation != self.app.consumer_generation_id:
            raise GenerationLostError(
                f"generation {self.app.consumer_generation_id} has ended (now {generation}) with work not committed"
            )
        async with self._deadline(self.settings.flush_timeout_s, "the flush before a commit"):
            await super()._handle_attached(commit_offsets)
            await self.hooks.before_commit(dict(commit_offsets))
            await self.app.producer.flush()

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        assigned = self.assignment()
        offsets = {tp: offset for tp, offset in offsets.items() if tp in assigned}
        if not offsets:
            return False
        if not await self._commit(offsets):
            self.counts.commit_failures += 1
            return False
        self.app.tables.on_commit(offsets)
        self._committed_offset.update(offsets)
        self.app.monitor.on_tp_commit(offsets)
        self.counts.commits += 1
        self.counts.committed.update(offsets)
        self.counts.last_commit_s = self.transport.attachment.acknowledged_s = self.clock()
        return True

    def committed_offset(self, tp: TP) -> int | None:
        """Where the group goes on reading: what was committed when the partition came, or since. None for nothing."""
        return cast("int | None", self._committed_offset.get(tp))

    # ---- seeks and rebalances
    async def perform_seek(self) -> None:
        await super().perform_seek()
        self.tracker.drop()
        # Where nothing is left to read, no fetch will come that says where this partition stands.
        assigned = self.assignment()
        self.counts.position.update({tp: at for tp, at in self._committed_offset.items() if at and tp in assigned})

    async def _seek(self, partition: TP, offset: int) -> None:
        await self.thread.seek_wait({partition: offset})
        self.tracker.drop([partition])

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        async with self._fatal_on_error():
            self.hooks.on_assigned(assigned)
            # Faust clears it every five seconds only: the recovery to come would end by the signal of the last one.
            self.app.tables.recovery.signal_recovery_end.clear()
            await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stops the flow, ends what runs, flushes, commits; only then lets Faust forget the partitions."""
        async with self._fatal_on_error():
            self.counts.rebalances += 1
            self._stop_queued()
            if revoked:
                await self.wait_empty()
            self.tracker.drop()
            for values in (self.counts.position, self.counts.highwater, self.counts.committed):
                values.clear()
            await super().on_partitions_revoked(revoked)
            self.hooks.on_revoked(revoked)

    def _stop_queued(self) -> None:
        """No new batch starts: fetched ones leave the stream buffers; only those that run count from here."""
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        self.tracker.keep(lambda message: message.acked or message.tracked)

    async def wait_empty(self) -> None:
        """Waits for running batches, then flushes and commits them. Bounded, unlike Faust's."""
        self._stop_queued()
        async with self._fatal_on_error():
            async with self._deadline(self.settings.revoke_timeout_s, "a running batch"):
                while self.tracker.unacked():
                    await asyncio.sleep(POLL_S)
            # The first call may only have waited for a commit that was under way already.
            if not await self.commit():
                await self.commit()

    # ---- errors
    @asynccontextmanager
    async def _fatal_on_error(self) -> AsyncIterator[None]:
        try:
            yield
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except Exception as problem:
            self.hooks.fatal(problem)
            raise

    @asynccontextmanager
    async def _deadline(self, timeout_s: float, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except TimeoutError as late:
            raise DeadlineError(f"{what} did not end within {timeout_s:g} s") from late
