"""What every fault is judged by: all that the oracle makes of the log, to the byte, and how often violations came."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.support.engine import PARTITIONS, Log, Sent, Worker
from tests.support.kafka import KafkaCluster, wait_until
from tests.support.oracle import newest, oracle
from worker.topics import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    IDENTITIES_TOPIC,
    REQUESTS_TOPIC,
    ROOMS_TOPIC,
    VIOLATIONS_TOPIC,
)

Records = list[tuple[bytes, bytes, int]]


@dataclass
class World:
    """One seed of one fault: topics of its own on a cluster, a directory for the workers' logs."""

    kafka: KafkaCluster
    directory: Path
    seed: int
    long: bool = False
    """The full length that is asked of a fault; tests take a shorter one."""
    seen: Counter[str] = field(default_factory=Counter)

    @cached_property
    def rng(self) -> Random:
        return Random(self.seed)

    @cached_property
    def log(self) -> Log:
        return Log(self.kafka, f"f{uuid.uuid4().hex[:10]}.").create()

    def worker(self, command: tuple[str, ...] = ("-m", "worker", "run"), **settings: str) -> Worker:
        # Long enough for a machine that does other things, too: a worker that ends is no end of a fault.
        return Worker(self.log, self.directory, command=command, **{"FLUSH_TIMEOUT_S": "14", **settings})

    def clean(self) -> None:
        """Leaves the broker as it was."""
        if "log" in vars(self):
            self.log.delete()

    def kill9(self, worker: Worker) -> None:
        worker.kill9()
        self.seen["kills"] += 1

    def finish(self, *workers: Worker, timeout_s: float = 120) -> None:
        """Waits until all is committed, and ends the workers, which must end well."""
        self.log.wait_committed(workers=workers, timeout_s=timeout_s)
        self.log.wait_quiet(workers[0])  # answers of the identity agent come after, and belong to the log
        for worker in workers:
            self.seen["suppressed"] += round(worker.metric("violations_suppressed_total"))
            self.seen["rebalances"] += round(worker.metric("rebalances_total"))
            assert worker.term() == 0, worker.log()

    def check(self, *, repeats_max: int) -> None:
        """All that the worker wrote is the core's, byte for byte, and nothing is missing; few violations came again."""
        expected = oracle(self.log)
        wanted = Counter(sent.content() for sent in expected.violations)
        found = Counter(sent.content() for sent in self.log.read(VIOLATIONS_TOPIC))
        lost, unknown = wanted.keys() - found.keys(), found.keys() - wanted.keys()
        repeats = (found - wanted).total()
        self.seen += Counter(records=expected.counts.read, violations=len(expected.violations), repeats=repeats)
        self.seen += Counter(lost=len(lost), wrong=len(unknown))
        self.seen += Counter(told=len(expected.identities), answers=len(expected.answers))
        assert not lost, f"{len(lost)} of {len(wanted)} violations are lost"
        assert not unknown, f"{len(unknown)} violations that the core does not know, beside {len(wanted)}"
        written: dict[str, list[Sent]] = {}
        for topic, made in (
            (DEAD_LETTERS_TOPIC, expected.dead_letters),
            (REQUESTS_TOPIC, expected.requests),
            (ROOMS_TOPIC, expected.rooms),
            (IDENTITIES_TOPIC, expected.identities),
            (EVENTS_TOPIC, expected.answers),
        ):
            written[topic] = expected.answered if topic == EVENTS_TOPIC else self.log.read(topic)
            core, there = {sent.content() for sent in made}, {sent.content() for sent in written[topic]}
            differ = f"{topic}: {len(core - there)} records lost, {len(there - core)} unknown to the core"
            assert there == core, f"{differ}, which has {len(core)}"
        rooms = newest(written[ROOMS_TOPIC]), newest(expected.rooms)
        old = sum(rooms[0][key] != rooms[1][key] for key in rooms[1])
        assert not old, f"{old} rooms are left with an old record in a compacted topic"
        assert repeats <= repeats_max, f"{repeats} violations came again, {repeats_max} may"


class Fault(NamedTuple):
    """A row of the table: what happens, what must hold, how, and on how many brokers."""

    name: str
    passes_when: str
    run: Callable[[World], None]
    brokers: int = 1
    own_cluster: bool = False
    alone: bool = False
    """Compares times: nothing else may run."""


@contextmanager
def both(first: Worker, second: Worker) -> Iterator[None]:
    """Two workers that share the partitions evenly."""
    with first, second:
        wait_until(
            lambda: first.metric("partitions_assigned") == second.metric("partitions_assigned") == PARTITIONS // 2,
            timeout_s=90,
            what=lambda: first.log() + second.log(),
        )
        yield
