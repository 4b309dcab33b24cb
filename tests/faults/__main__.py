"""`make faults SEEDS=20`: every fault of the table over many seeds on real Kafka; writes docs/RELIABILITY.md.

Each seed's result is kept as soon as it is there (`build/faults.jsonl`). What has passed with the present code is not
run again, so an interrupted run goes on where it was. Exits 1 when a seed fails.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.faults import document, results
from tests.faults.scenario import Fault, World
from tests.faults.table import FAULTS
from tests.support.kafka import KafkaCluster

Todo = SimpleQueue[tuple[Fault, int]]


@click.command(epilog="Example: python -m tests.faults --seeds 20 --only kills --only zombie")
@click.option("--seeds", type=click.IntRange(1), default=20, show_default=True, help="Seeds of each fault.")
@click.option("--first", type=click.IntRange(0), default=100, show_default=True, help="The first seed.")
@click.option("--only", multiple=True, type=click.Choice([f.run.__name__ for f in FAULTS]), help="Only this fault.")
@click.option("--jobs", type=click.IntRange(1, 9), default=3, show_default=True, help="Seeds side by side on a broker.")
@click.option("--again", is_flag=True, help="Run seeds, too, that have passed with the present code.")
@click.option("--minutes", type=click.IntRange(1), help="Begin no new seed after so many minutes.")
@click.option("--document/--no-document", "write", default=True, help="Write docs/RELIABILITY.md.")
def main(
    seeds: int, first: int, only: tuple[str, ...], jobs: int, again: bool, minutes: int | None, write: bool
) -> None:
    """Hurt the worker in every way of the table, and compare what it says with the pure core."""
    chosen = [fault for fault in FAULTS if not only or fault.run.__name__ in only]
    wanted = [(fault, seed) for seed in range(first, first + seeds) for fault in chosen]
    done = {(r.fault, r.seed) for r in results.newest() if r.passed and r.commit == results.commit() and not again}
    todo = [(fault, seed) for fault, seed in wanted if (fault.run.__name__, seed) not in done]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bars.console.print(f"{len(todo)} of {len(wanted)} seeds to run, commit {results.commit()}", highlight=False)
        _Run(bars, len(todo), minutes).all(todo, jobs)
    if write:
        document.write()
    names = {(fault.run.__name__, seed) for fault, seed in wanted}
    failed = [r for r in results.newest() if not r.passed and (r.fault, r.seed) in names]
    for result in failed:
        click.echo(f"{result.fault}, seed {result.seed}: {result.failure}\n")
    sys.exit(bool(failed))


class _Run:
    """Lanes of seeds. Faults that hurt brokers have one of their own each, in which a broker serves seed after seed."""

    def __init__(self, bars: Progress, count: int, minutes: int | None) -> None:
        self._bars = bars
        self._task = bars.add_task("seeds", total=count)
        self._ends_s = time.monotonic() + minutes * 60 if minutes else float("inf")

    def all(self, todo: list[tuple[Fault, int]], jobs: int) -> None:
        shared = _queue(one for one in todo if not one[0].own_cluster and not one[0].alone)
        threads = [threading.Thread(target=self._own, args=(todo,), daemon=True)]
        with KafkaCluster() as cluster:
            threads += [threading.Thread(target=self._lane, args=(shared, cluster), daemon=True) for _ in range(jobs)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self._lane(_queue(one for one in todo if one[0].alone), cluster)

    def _own(self, todo: list[tuple[Fault, int]]) -> None:
        for brokers in sorted({fault.brokers for fault, _ in todo if fault.own_cluster}):
            queue = _queue((f, seed) for f, seed in todo if f.own_cluster and f.brokers == brokers)
            while not queue.empty() and time.monotonic() < self._ends_s:
                with KafkaCluster(n=brokers) as cluster:
                    self._lane(queue, cluster)

    def _lane(self, queue: Todo, cluster: KafkaCluster) -> None:
        """Seeds until there are none; a cluster of one's own is not used again after a failure."""
        while time.monotonic() < self._ends_s:
            try:
                fault, seed = queue.get_nowait()
            except Empty:
                return
            result = run(fault, seed, cluster)
            results.append(result)
            self._bars.advance(self._task)
            said = "passed" if result.passed else f"FAILED: {result.failure.splitlines()[0][:160]}"
            line = f"{result.fault} {seed} {result.seconds:.0f} s {said}"
            self._bars.console.print(line, highlight=False, markup=False)
            if fault.own_cluster and not result.passed:
                return


def _queue(items: Iterable[tuple[Fault, int]]) -> Todo:
    queue: Todo = SimpleQueue()
    for item in items:
        queue.put(item)
    return queue


def run(fault: Fault, seed: int, cluster: KafkaCluster) -> results.Result:
    """One seed; a failure is kept with what the worker said last."""
    began_s, failure = time.monotonic(), ""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stream-audit-faults-")))
        world = World(cluster, directory, seed, long=True)
        try:
            fault.run(world)
            world.clean()
        except Exception as failed:
            failure = f"{type(failed).__name__}: {failed}"
    seconds = round(time.monotonic() - began_s, 1)
    return results.Result(fault.run.__name__, seed, not failure, seconds, dict(world.seen), results.commit(), failure)


if __name__ == "__main__":
    main()
