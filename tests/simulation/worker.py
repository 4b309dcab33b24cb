"""A worker: the real engine, stores, outbox, offset tracker and flush, under a model of the consumer around them.

What is modelled follows `worker.transport`: one fetch after another into a short queue, an agent that judges, a
commit now and then beside it, and Faust's way through a rebalance (stop, end what runs, flush, commit, join, recover,
seek to the commit). Every wait for the broker is a `pause`, where the schedule may let anything else happen first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar

from faust.types import TP

from worker.engine.flush import Hooks
from worker.engine.identities import IdentityAgent, partition_of
from worker.engine.rooms import RoomAgent
from worker.engine.startup import IDENTITIES_TABLE, changelog_topic
from worker.partition.identities import MatchProcessor
from worker.partition.rooms import PartitionProcessor
from worker.policy.judge import Judge
from worker.records import OutRecord
from worker.settings import Settings, load_settings
from worker.state.outbox import Outbox
from worker.state.outputs import Identity, identity
from worker.state.stores import Stores
from worker.topics import EVENTS_TOPIC, IDENTITIES_TOPIC, REGISTRY_TOPIC, VIOLATIONS_TOPIC
from worker.transport.batch import FetchBatch, RecordSlice
from worker.transport.counts import TransportCounts
from worker.transport.offsets import COMMIT_TURNS, OffsetTracker, share_of

from .broker import NO_GENERATION, Broker

SETTINGS: Settings = load_settings({"STREAM_AUDIT_BROKERS": "127.0.0.1:1"})
CHANGELOG = changelog_topic(SETTINGS)
IDENTITIES_CHANGELOG = changelog_topic(SETTINGS, IDENTITIES_TABLE)
QUEUE_BATCHES = 2
TIMES_S = (0.0, 0.0, 0.001, 0.002, 0.006)

Pause = Callable[["SimulatedWorker", str], Awaitable[None]]


def inputs(matched: bool) -> tuple[str, ...]:
    """The topics that workers read."""
    return (EVENTS_TOPIC, IDENTITIES_TOPIC, REGISTRY_TOPIC) if matched else (EVENTS_TOPIC,)


class Delivery:
    """A fetch on its way through the agent."""

    def __init__(self, batch: FetchBatch) -> None:
        self.batch = batch
        self.started = False
        self.acked = False


class LostAckError(Exception):
    """The broker's answer did not come in time; what was asked may have been done."""


class GenerationLostError(Exception):
    """The group has put this member out while it had work to commit."""


@dataclass
class Changelogs:
    """What a recovery remembers: the offset of the last record read of each changelog partition."""

    active_offsets: dict[TP, int] = field(default_factory=dict)


@dataclass
class Tables:
    """Of the app: their recovery alone."""

    recovery: Changelogs


@dataclass
class Consumer:
    """Of the consumer: what the group has taken, and how far the changelogs are read."""

    changelogs: Changelogs
    counts: TransportCounts = field(default_factory=TransportCounts)

    def advance_changelog(self, tp: TP, next_offset: int) -> None:
        read = self.changelogs.active_offsets
        read[tp] = max(read.get(tp, -1), next_offset - 1)


class Producer:
    """Writes to the model of the broker, with all that may go wrong."""

    def __init__(self, worker: SimulatedWorker) -> None:
        self._worker = worker

    async def send_batch(self, topic: str, partition: int, records: Iterable[OutRecord]) -> int:
        """Arrives in parts, in order; each may be the last that arrives, and the answer may be lost."""
        worker, left = self._worker, list(records)
        log = worker.broker.topic(topic)[partition]
        end = -1
        while left:
            await worker.pause(worker, f"writes to {topic}[{partition}]")
            count = worker.rng.randint(1, len(left))
            zombie = not worker.broker.group.owns(worker.name, worker.generation)
            end = log.append(left[:count], zombie)
            del left[:count]
        await worker.pause(worker, f"waits for the answer of {topic}[{partition}]")
        if worker.faults and worker.rng.random() < 0.003:
            raise LostAckError(f"{topic}[{partition}]")
        return end


@dataclass
class App:
    """What the flush uses of Faust's app (`worker.transport.protocols.FlushApp`)."""

    consumer: Consumer
    producer: Producer
    tables: Tables


class SimulatedWorker:
    """One process, with an identity agent where `matched`.

    `end` is called once, with what ended it, and stands for the process being gone. `judging` and `matching` are the
    processors that it runs.
    """

    judging: ClassVar[type[PartitionProcessor]] = PartitionProcessor
    matching: ClassVar[type[MatchProcessor]] = MatchProcessor

    def __init__(
        self,
        name: str,
        broker: Broker,
        rng: Random,
        pause: Pause,
        end: Callable[[SimulatedWorker, BaseException | str], None],
        judge: Judge,
        matched: bool,
    ) -> None:
        self.name = name
        self.broker = broker
        self.rng = rng
        self.pause = pause
        self.generation = NO_GENERATION
        self.frozen = False
        self.dead = False
        self.faults = True
        self.stopping = False
        self.hidden = 0  # violations that a failed look at the tail did not show
        self.tasks: list[asyncio.Task[None]] = []
        self._end = end
        self._now_s = 0.0
        self._tracker: OffsetTracker[TP, Delivery] = OffsetTracker()
        self._inputs = inputs(matched)
        self._judged: asyncio.Queue[Delivery] = asyncio.Queue()
        self._matched: asyncio.Queue[Delivery] = asyncio.Queue()
        self._committing = asyncio.Lock()
        self._position: dict[TP, int] = {}
        self._committed: dict[TP, int | None] = {}
        changelogs = Changelogs()
        self._changelog_read = changelogs.active_offsets
        self._consumer, self._producer = Consumer(changelogs), Producer(self)
        self.engine = self.make_engine(judge)
        self.identities = self.make_agent() if matched else None
        app = App(self._consumer, self._producer, Tables(changelogs))
        self.hooks = Hooks(app, self.engine, SETTINGS, self.identities)

    def make_engine(self, judge: Judge) -> RoomAgent:
        return RoomAgent(
            topic=EVENTS_TOPIC,
            stores=Stores(CHANGELOG, SETTINGS.rooms_max),
            outbox=Outbox(self._producer.send_batch, lambda error: self._end(self, error)),
            judge=judge,
            read_tails=self._read_tails,
            committed=lambda partition: self._committed.get(TP(EVENTS_TOPIC, partition)),
            now_s=self._clock,
            place_identity=lambda key: partition_of(key, self.broker.partitions),
            processor=self.judging,
        )

    def make_agent(self) -> IdentityAgent:
        return IdentityAgent(
            changelog=IDENTITIES_CHANGELOG,
            rooms_partitions=self.broker.partitions,
            name_topic=SETTINGS.topic,
            outbox=self.engine.outbox,
            committed=lambda topic, partition: self._committed.get(TP(topic, partition)),
            read_registry=self._read_registry,
            now_s=self._clock,
            processor=self.matching,
        )

    def start(self) -> None:
        for work in (self._live, self._judge, self._match, self._commit_now_and_then):
            self.tasks.append(asyncio.ensure_future(self._fatal_on_error(work)))

    async def _fatal_on_error(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            self._end(self, error)

    def _clock(self) -> float:
        self._now_s += self.rng.choice(TIMES_S)
        return self._now_s

    # ---- the broker
    async def _read_tails(self, starts: Mapping[int, int]) -> dict[int, set[Identity]]:
        await self.pause(self, "reads what was sent")
        tails = {}
        for partition, start in starts.items():
            tail = self.broker.topic(VIOLATIONS_TOPIC)[partition].read(max(0, start), 1 << 60)
            tails[partition] = {identity(record.headers) for record in tail}
        if self.faults and self.rng.random() < 0.03:
            self.hidden += sum(map(len, tails.values()))
            raise LostAckError("the tail of the violations")
        return tails

    async def _read_registry(self, starts: Mapping[int, int]) -> dict[int, list[Any]]:
        await self.pause(self, "reads the registry")
        return {p: self.broker.topic(REGISTRY_TOPIC)[p].read(start, 1 << 60) for p, start in starts.items()}

    # ---- fetch → agents
    async def _live(self) -> None:
        await self._join()
        while not self.stopping:
            await self.pause(self, "fetches")
            if self._out_of_date():
                await self._revoke()
                await self._join()
            else:
                self._fetch(self._inputs[:1], self._judged)
                self._fetch(self._inputs[1:], self._matched)
        await self._revoke()
        self.broker.group.remove(self.name)
        self._end(self, "stopped")

    def _out_of_date(self) -> bool:
        group = self.broker.group
        return group.waits_for(self.name) or group.members.get(self.name) != self.generation

    def _fetch(self, topics: Sequence[str], queue: asyncio.Queue[Delivery]) -> None:
        if queue.qsize() >= QUEUE_BATCHES:
            return
        parts = []
        for tp, position in self._position.items():
            if tp.topic not in topics:
                continue
            log = self.broker.topic(tp.topic)[tp.partition]
            records = [r for r in log.records if r.offset >= position][: self.rng.choice((1, 3, 10, 40))]
            if records and self.rng.random() < 0.8:
                parts.append(RecordSlice(tp, records, position, records[-1].offset + 1))
        if parts:
            delivery = Delivery(FetchBatch(parts, sum(len(part.records) for part in parts)))
            for part in parts:
                self._position[part.tp] = part.next_offset
                self._tracker.track(part.tp, part.next_offset, delivery)
            queue.put_nowait(delivery)

    async def _judge(self) -> None:
        while True:
            delivery = await self._judged.get()
            delivery.started = True
            await self.engine.process(delivery.batch)
            delivery.acked = True
            assert self.engine.counts.balanced(), f"not accounted for: {self.engine.counts}"

    async def _match(self) -> None:
        while self.identities is not None:
            delivery = await self._matched.get()
            delivery.started = True
            await self.identities.process(delivery.batch)
            delivery.acked = True

    # ---- commit
    async def _commit_now_and_then(self) -> None:
        while True:
            await self.pause(self, "is about to commit")
            await self.commit(share_of(self._tracker.partitions(), self.rng.randrange(COMMIT_TURNS)))

    async def commit(self, tps: Collection[TP] | None = None) -> None:
        """Flushes what is acknowledged, of all partitions or some, then commits its offsets."""
        async with self._committing:
            offsets = {}
            for tp in self._tracker.partitions() if tps is None else tps:
                offset = self._tracker.committable(tp)
                if offset is not None and offset > (self._committed.get(tp) or 0):
                    offsets[tp] = offset
            if not offsets:
                return
            knows = not self.faults or self.rng.random() < 0.5  # of what the last heartbeat was told
            if knows and self.broker.group.members.get(self.name) != self.generation:
                raise GenerationLostError(self.name)
            await self.flush_and_commit(offsets)

    async def flush_and_commit(self, offsets: dict[TP, int]) -> None:
        await self.hooks.before_commit(offsets)
        for tp in offsets:
            changelog = CHANGELOG if tp.topic == EVENTS_TOPIC else IDENTITIES_CHANGELOG
            log = self.broker.topic(changelog)[tp.partition]
            log.settled = max(log.settled, self._changelog_read[TP(changelog, tp.partition)] + 1)
        await self.commit_offsets(offsets)

    async def commit_offsets(self, offsets: dict[TP, int]) -> None:
        await self.pause(self, "commits")
        taken = self.broker.group.commit(self.name, self.generation, offsets)
        await self.pause(self, "waits for the commit's answer")
        if taken and not (self.faults and self.rng.random() < 0.02):
            self._committed.update(offsets)
            self._consumer.counts.committed.update(offsets)

    # ---- rebalance
    async def _revoke(self) -> None:
        for queue in (self._judged, self._matched):
            while not queue.empty():
                queue.get_nowait()
        self._tracker.keep(lambda delivery: delivery.acked or delivery.started)
        while self._tracker.unacked():
            await self.pause(self, "ends a running batch")
        await self.commit()
        self._tracker.drop()
        self._consumer.counts.committed.clear()
        self._position.clear()

    async def _join(self) -> None:
        group = self.broker.group
        while True:
            group.join(self.name)
            while group.members.get(self.name, self.generation) <= self.generation:
                await self.pause(self, "waits for the group")
                if self.name not in group.members:
                    group.join(self.name)
            self.generation = group.members[self.name]
            mine = group.assignment[self.name]
            changelogs = {TP(topic, p) for topic in self.hooks.changelog_topics for p in mine}
            read = {TP(topic, p) for topic in self._inputs for p in mine}
            self.hooks.on_assigned(read | changelogs)
            if await self._recover(sorted(changelogs)):
                break
        self._committed.clear()
        self._committed.update({tp: group.committed.get(tp) for tp in sorted(read)})
        self._position = {tp: offset or 0 for tp, offset in self._committed.items()}

    async def _recover(self, changelogs: Sequence[TP]) -> bool:
        """Reads changelogs up to their present ends; False when another rebalance came in between."""
        ends = {tp: self.broker.topic(tp.topic)[tp.partition].end for tp in changelogs}
        for tp, end in ends.items():
            while (start := self._changelog_read.get(tp, -1) + 1) < end:
                await self.pause(self, f"recovers from {tp.topic}[{tp.partition}]")
                if self._out_of_date():
                    return False
                there: list[Any] = self.broker.topic(tp.topic)[tp.partition].read(start, end)
                records = there[: self.rng.choice((1, 5, 50))]
                if records:
                    self.hooks.apply_changelog(tp, records)
                self._consumer.advance_changelog(tp, records[-1].offset + 1 if len(records) < len(there) else end)
        return True
