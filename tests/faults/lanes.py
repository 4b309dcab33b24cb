"""Seeds of faults side by side: most share a broker, those that hurt brokers have a lane and brokers of their own.

Most of a seed is waiting, for sessions to end and workers to start: side by side they take a third of the time.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue

from tests.faults.results import Result, commit
from tests.faults.scenario import Fault, World
from tests.support.kafka import KafkaCluster

Todo = tuple[Fault, int]


class Lanes:
    """`told` hears of each result, on any thread; after `ends_s` (of time.monotonic) no seed begins."""

    def __init__(self, told: Callable[[Result], None], *, long: bool, ends_s: float = float("inf")) -> None:
        self._told = told
        self._long = long
        self._ends_s = ends_s

    def run(self, todo: Sequence[Todo], jobs: int) -> None:
        """All of them; a fault that compares times runs when all others have."""
        shared = _queue(one for one in todo if not one[0].own_cluster and not one[0].alone)
        threads = [threading.Thread(target=self._own, args=(todo,), daemon=True)]
        with KafkaCluster() as cluster:
            threads += [threading.Thread(target=self._lane, args=(shared, cluster), daemon=True) for _ in range(jobs)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self._lane(_queue(one for one in todo if one[0].alone), cluster)

    def _own(self, todo: Sequence[Todo]) -> None:
        for brokers in sorted({fault.brokers for fault, _ in todo if fault.own_cluster}):
            queue = _queue((f, seed) for f, seed in todo if f.own_cluster and f.brokers == brokers)
            while not queue.empty() and time.monotonic() < self._ends_s:
                with KafkaCluster(n=brokers) as cluster:
                    self._lane(queue, cluster)

    def _lane(self, queue: SimpleQueue[Todo], cluster: KafkaCluster) -> None:
        """Seeds until there are none; a cluster of one's own is not used again after a failure."""
        while time.monotonic() < self._ends_s:
            try:
                fault, seed = queue.get_nowait()
            except Empty:
                return
            result = run(fault, seed, cluster, long=self._long)
            self._told(result)
            if fault.own_cluster and not result.passed:
                return


def _queue(items: Iterable[Todo]) -> SimpleQueue[Todo]:
    queue: SimpleQueue[Todo] = SimpleQueue()
    for item in items:
        queue.put(item)
    return queue


def run(fault: Fault, seed: int, cluster: KafkaCluster, *, long: bool) -> Result:
    """One seed; a failure is kept with what the worker said last."""
    began_s, failure = time.monotonic(), ""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stream-audit-faults-")))
        world = World(cluster, directory, seed, long=long)
        try:
            fault.run(world)
            world.clean()
        except Exception as failed:
            failure = f"{type(failed).__name__}: {failed}"
    seconds = round(time.monotonic() - began_s, 1)
    return Result(fault.run.__name__, seed, not failure, seconds, dict(world.seen), commit(), failure)
