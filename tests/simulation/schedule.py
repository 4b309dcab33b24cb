"""Seeded schedules: which wait ends next, who is killed, frozen, put out or started, what is compacted, and when.

A seed first has its chaos, then calm: everything thaws, faults end, all is read and the workers stop. `check` then
compares what lies on the broker with what the pure core makes of the same log.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import NamedTuple

from faust.types import TP

from worker.engine.identities import partition_of
from worker.policy.judge import Judge
from worker.records import OutRecord
from worker.state.codec import ChangelogError
from worker.state.rooms import RoomStore
from worker.topics import EVENTS_TOPIC, REGISTRY_TOPIC

from . import corpus
from .broker import NO_GENERATION, Broker
from .worker import CHANGELOG, IDENTITIES_CHANGELOG, GenerationLostError, LostAckError, SimulatedWorker, inputs

TRACE_LINES = 400
STEPS_MAX = 20_000
FAULTS = {"kill": 6, "freeze": 6, "thaw": 8, "put out": 5, "start": 12, "stop": 3, "compact": 6, "produce": 25}


class Waiting(NamedTuple):
    worker: SimulatedWorker
    what: str
    future: asyncio.Future[None]


@dataclass
class Ran:
    """What a schedule left behind, for `check`."""

    seed: int
    matched: bool
    broker: Broker
    trace: Sequence[str]
    steps: int
    faults: dict[str, int] = field(default_factory=dict)
    hidden: int = 0


class ScheduleError(AssertionError):
    """A seed failed; the message has its schedule's last steps."""


@cache
def judge() -> Judge:
    return corpus.a_judge()


class Schedule:
    """One seed's world."""

    def __init__(self, seed: int, make_worker: Callable[..., SimulatedWorker] = SimulatedWorker) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.logs = corpus.logs_of(corpus.number_of(seed))
        self.partitions = len(self.logs)
        self.broker = Broker(self.partitions)
        self.steps = 0
        self.trace: deque[str] = deque(maxlen=TRACE_LINES)
        self.faults: dict[str, int] = {}
        self.problem: BaseException | None = None
        self.hidden = 0
        self.matched = corpus.is_matched(corpus.number_of(seed))
        self._make_worker = make_worker
        self._workers: list[SimulatedWorker] = []
        self._waiting: list[Waiting] = []
        self._named = 0
        self._produced = [0] * self.partitions
        self._calm = False

    # ---- the workers' side
    async def pause(self, worker: SimulatedWorker, what: str) -> None:
        if worker.dead:
            raise asyncio.CancelledError
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(worker, what, future))
        await future

    def ended(self, worker: SimulatedWorker, why: BaseException | str) -> None:
        """The process is gone. Errors that no fault explains fail the seed."""
        if worker.dead:
            return
        self._say(worker, f"ends: {why!r}")
        if isinstance(why, BaseException) and not is_a_fault(why):
            self.problem = self.problem or why
        worker.dead = True
        self.hidden += worker.hidden
        self._workers.remove(worker)
        for task in worker.tasks:
            task.cancel()
        for waiting in self._waiting:
            if waiting.worker is worker:
                waiting.future.cancel()
        self._waiting = [waiting for waiting in self._waiting if waiting.worker is not worker]

    # ---- the schedule
    async def run(self) -> Ran:
        chaos = self.rng.randrange(60, 500)
        if self.matched:
            self._register()
        self._produce(share=self.rng.random())
        while not self._done():
            for _ in range(self.rng.randrange(1, 5)):
                await asyncio.sleep(0)
            self.steps += 1
            if self.steps > STEPS_MAX:
                self.fail("the schedule does not end")
            if self.problem is not None:
                self.fail(f"{type(self.problem).__name__}: {self.problem}", self.problem)
            if self.steps == chaos:
                self._be_calm()
            if not self._calm and self.rng.random() < 0.06:
                self._cause(self.rng.choices(list(FAULTS), list(FAULTS.values()))[0])
            elif self._calm and self._gone():
                self._cause("put out")
            elif not self._workers and not self._all_committed():
                self._cause("start")
            else:
                self._release()
        return Ran(self.seed, self.matched, self.broker, self.trace, self.steps, self.faults, self.hidden)

    def _release(self) -> None:
        ready = [i for i, waiting in enumerate(self._waiting) if not waiting.worker.frozen]
        if ready:
            worker, what, future = self._waiting.pop(self.rng.choice(ready))
            self._say(worker, what)
            if not future.done():
                future.set_result(None)

    def _done(self) -> bool:
        if not self._calm or self._gone() or not self._all_committed():
            return False
        for worker in self._workers:
            worker.stopping = True
        return not self._workers

    def _all_committed(self) -> bool:
        """All there is, answers among it: they are written before what led to them is committed."""
        committed = self.broker.group.committed
        return self._produced == list(map(len, self.logs)) and all(
            committed.get(TP(topic, p), 0) == self.broker.topic(topic)[p].end
            for topic in inputs(self.matched)
            for p in range(self.partitions)
        )

    def _gone(self) -> list[str]:
        """Members whose process is no more."""
        return sorted(self.broker.group.members.keys() - {worker.name for worker in self._workers})

    def _be_calm(self) -> None:
        self._calm = True
        self.trace.append(f"{self.steps} calm")
        self._produce(share=1.0)
        for worker in self._workers:
            worker.frozen = worker.faults = worker.stopping = False

    def _produce(self, share: float) -> None:
        for partition, log in enumerate(self.logs):
            first = self._produced[partition]
            count = round((len(log) - first) * share)
            topic = self.broker.topic(EVENTS_TOPIC)[partition]
            for number in range(first, first + count):
                record = log[number]
                topic.end += record.offset - (log[number - 1].offset + 1 if number else 0)  # a hole stays one
                topic.append([OutRecord(EVENTS_TOPIC, record.key, record.value, (), record.timestamp)])
            self._produced[partition] += count

    def _register(self) -> None:
        """The registry is filled before anybody starts: what it says later meets an order that no oracle can know."""
        for key, value in corpus.registrations(corpus.number_of(self.seed)):
            partition = partition_of(key, self.partitions)
            self.broker.topic(REGISTRY_TOPIC)[partition].append([OutRecord(REGISTRY_TOPIC, key, value)])

    def _cause(self, fault: str) -> None:
        rng, workers = self.rng, self._workers
        awake, frozen = [w for w in workers if not w.frozen], [w for w in workers if w.frozen]
        group = self.broker.group
        if fault == "start" and len(awake) < 2 and len(workers) < 4:
            self._start()
        elif fault == "kill" and workers:
            self.ended(rng.choice(workers), "killed")
        elif fault == "freeze" and awake:
            rng.choice(awake).frozen = True
        elif fault == "thaw" and frozen:
            rng.choice(frozen).frozen = False
        elif fault == "stop" and awake:
            rng.choice(awake).stopping = True
        elif fault == "put out" and group.members:
            silent = self._gone() + [w.name for w in frozen if w.name in group.members]
            slow = [name for name in group.members if group.waits_for(name)]
            if candidates := silent or (slow if rng.random() < 0.3 and not self._calm else []):
                name = rng.choice(candidates)
                self.trace.append(f"{self.steps} {name} is put out")
                group.remove(name)
        elif fault == "compact":
            changelogs = (CHANGELOG, IDENTITIES_CHANGELOG) if self.matched else (CHANGELOG,)
            log = rng.choice(self.broker.topic(rng.choice(changelogs)))
            self.trace.append(f"{self.steps} compaction takes {log.compact()}")
        elif fault == "produce":
            self._produce(rng.random() * 0.5)
        else:
            return
        self.faults[fault] = self.faults.get(fault, 0) + 1
        self.trace.append(f"{self.steps} {fault}")

    def _start(self) -> None:
        self._named += 1
        name = f"w{self._named}"
        worker = self._make_worker(name, self.broker, self.rng, self.pause, self.ended, judge(), self.matched)
        worker.faults = not self._calm
        self._workers.append(worker)
        worker.start()

    def _say(self, worker: SimulatedWorker, what: str) -> None:
        generation = "" if worker.generation == NO_GENERATION else f" (generation {worker.generation})"
        self.trace.append(f"{self.steps} {worker.name}{generation} {what}")

    def fail(self, what: str, cause: BaseException | None = None) -> None:
        raise ScheduleError(describe(self.seed, what, self.trace)) from cause


def is_a_fault(why: BaseException) -> bool:
    """Whether an error is what the worker answers to a fault with, to be started again."""
    overwritten = isinstance(why, ChangelogError) and "another worker wrote" in str(why)
    return overwritten or isinstance(why, LostAckError | GenerationLostError)


def describe(seed: int, what: str, trace: Sequence[str]) -> str:
    """What went wrong, the schedule up to there, and how to see it again."""
    again = f"again: python -m tests.simulation --seed {seed}"
    return "\n".join((f"seed {seed}: {what}", *trace, f"seed {seed}: {what}", again))


def recover(broker: Broker, partition: int) -> RoomStore:
    """What a worker would start from now."""
    store = RoomStore(CHANGELOG, partition)
    store.apply(broker.topic(CHANGELOG)[partition].records)
    return store
