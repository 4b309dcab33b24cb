"""The thread that talks to the broker: fetches slices, seeks, commits, and knows what was asked for last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    IllegalStateError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as stock
from faust.types import TP

from worker.transport.batch import RecordSlice
from worker.transport.settings import TransportSettings
from worker.transport.unpack import drain

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer
    from aiokafka.consumer.fetcher import Fetcher


class FetchOwner(Protocol):
    """What the fetching thread asks of the consumer that owns it."""

    settings: TransportSettings

    @property
    def flow_active(self) -> bool:
        """Whether records may be handed out now."""
        ...

    def on_out_of_range(self, tp: TP, expected: int, base: int) -> None:
        """The broker no longer had `expected`, the fetch went on at `base`."""
        ...


class GroupRefusedError(RuntimeError):
    """The broker's rights keep this user out of its group; the message says which ones to give."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Slices of one fetch and the epoch they were taken in: a seek or revocation starts the next one."""

    slices: list[RecordSlice]
    epoch: int


class BatchConsumerThread(stock.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Runs aiokafka's consumer on a loop of its own, so heartbeats do not depend on the agents' pace.

    `_expected` holds the position after the last slice of each partition. Drains, seeks and `_expected` change
    only on this thread and under `_cursor`, hence a fetch that starts elsewhere was moved by the broker's answer
    that the offset is out of range.
    """

    consumer: FetchOwner

    def __post_init__(self) -> None:
        super().__post_init__()
        self.epoch = 0
        self._expected: dict[TP, int] = {}
        self._first: dict[TP, int] = {}
        self._cursor = asyncio.Lock()

    def _create_worker_consumer(self, transport: stock.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        settings = self.consumer.settings
        # Faust hard-codes 1500 ms, which every partition waits for that was empty when the fetch left.
        consumer._fetch_max_wait_ms = settings.fetch_max_wait_ms
        consumer._isolation_level = "read_committed" if settings.read_committed else "read_uncommitted"
        return consumer

    @property
    def generation(self) -> int:
        """The group generation that the coordinator has confirmed last; −1 when this member was put out."""
        return cast(int, self._ensure_consumer()._coordinator.generation)

    # ---- fetching
    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: Iterable[TopicPartition] | None,
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Fetched:
        fetcher = consumer._fetcher
        if not self.consumer.flow_active:
            return Fetched([], self.epoch)
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        wanted = set(active_partitions or ())
        with fetcher._subscriptions.fetch_context():
            if fetcher._subscriptions.reassignment_in_progress:
                return Fetched([], self.epoch)
            if self.consumer.settings.direct:
                slices = await self._fetch_direct(fetcher, wanted, timeout or 0)
            else:
                slices = await self._fetch_public(fetcher, wanted)
            return Fetched(slices, self.epoch)

    async def _fetch_direct(self, fetcher: Fetcher, wanted: set[TopicPartition], timeout_s: float) -> list[RecordSlice]:
        if not wanted.intersection(fetcher._records):
            waiter = fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=timeout_s)
            if not done:
                waiter.cancel()
                return []
            waiter.result()  # raises what the coordinator found wrong, such as missing authorization
        async with self._cursor:
            if not self.consumer.flow_active:
                return []
            slices = drain(fetcher, wanted, self.consumer.settings.batch_records)
            return [part for part in slices if self._advance(part)]

    async def _fetch_public(self, fetcher: Fetcher, wanted: set[TopicPartition]) -> list[RecordSlice]:
        async with self._cursor:
            before = self._positions(fetcher, wanted)
            # A short wait: seeks queue behind it.
            got = await fetcher.fetched_records(wanted, timeout=0.05, max_records=self.consumer.settings.batch_records)
            slices = []
            for tp, position in self._positions(fetcher, wanted).items():
                records = got.get(tp, ())
                base = self._expected.get(tp, before.get(tp, position))
                if records and records[0].offset < base:  # the broker sent the partition back to its beginning
                    base = records[0].offset
                elif (records[0].offset if records else position) > base:
                    # Holes are no loss unless the log now starts after the offset that was asked for.
                    start = (await self._ensure_consumer().beginning_offsets([tp]))[tp]
                    base = max(base, min(start, position))
                if records or position != base:
                    slices.append(RecordSlice(tp, records, base, position))
            return [part for part in slices if self._advance(part)]

    @staticmethod
    def _positions(fetcher: Fetcher, wanted: set[TopicPartition]) -> dict[TP, int]:
        assignment = fetcher._subscriptions.subscription.assignment
        states = {tp: assignment.state_value(tp) for tp in wanted if assignment and tp in assignment.tps}
        return {TP(*tp): state.position for tp, state in states.items() if state.has_valid_position}

    def _advance(self, part: RecordSlice) -> bool:
        expected = self._expected.get(part.tp)
        if expected is not None and part.base_offset != expected:
            self.consumer.on_out_of_range(part.tp, expected, part.base_offset)
        self._expected[part.tp] = part.next_offset
        self._first.setdefault(part.tp, part.base_offset)
        return bool(part.records) or part.next_offset > part.base_offset

    # ---- seeking
    async def put_back(self, fetched: Fetched) -> None:
        """Makes the next fetch deliver these slices again, unless a seek or revocation has overtaken them."""
        await self.call_thread(self._put_back, fetched)

    async def _put_back(self, fetched: Fetched) -> None:
        async with self._cursor:
            if fetched.epoch != self.epoch:
                return
            consumer = self._ensure_consumer()
            for part in fetched.slices:
                if part.tp in self.assignment():
                    consumer.seek(TopicPartition(*part.tp), part.base_offset)
                    self._expected[part.tp] = part.base_offset

    async def seek_to_committed(self) -> Mapping[TP, int]:
        return cast(Mapping[TP, int], await self.call_thread(self._seek_to_committed))

    async def _seek_to_committed(self) -> Mapping[TP, int | None]:
        async with self._cursor:
            consumer = self._ensure_consumer()
            committed = {TP(*tp): offset for tp, offset in (await consumer.seek_to_committed()).items()}
            for tp, offset in committed.items():
                if offset:
                    self._expected[tp] = offset
                elif tp in self._first:
                    # aiokafka leaves a partition without a commit where it is; what was read must come again.
                    consumer.seek(TopicPartition(*tp), self._first[tp])
                    self._expected[tp] = self._first[tp]
            self.epoch += 1
            return committed

    async def _seek_wait(self, consumer: AIOKafkaConsumer, partitions: Mapping[TP, int]) -> None:
        async with self._cursor:
            await super()._seek_wait(consumer, partitions)
            for tp in partitions:
                self._expected.pop(TP(*tp), None)
            self.epoch += 1

    # ---- the group
    async def check_coordinator(self) -> None:
        """Raises what the group's coordinator could not get over, or GroupRefusedError where rights are missing."""
        await self.call_thread(self._check_coordinator)

    async def _check_coordinator(self) -> None:
        coordinator = self._ensure_consumer()._coordinator
        try:
            coordinator.check_errors()
        except GroupAuthorizationFailedError as problem:
            raise GroupRefusedError(
                f"the broker does not let this user into the group {coordinator.group_id!r} (AuthorizationFailed): "
                "give it Read and Describe on the group, as deploy/k8s/components/strimzi/user.yaml does"
            ) from problem

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.epoch += 1
        await super().on_partitions_revoked(revoked)
        self._expected.clear()
        self._first.clear()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """True when the broker took the offsets; False when it did not and the next commit may try again."""
        consumer = self._ensure_consumer()
        wanted = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        try:
            async with asyncio.timeout(self.consumer.settings.commit_timeout_s):
                await consumer.commit(wanted)
        except (CommitFailedError, IllegalStateError, TimeoutError) as problem:
            self.log.warning("offsets not committed, %s: %s", type(problem).__name__, problem)
            return False
        return True
