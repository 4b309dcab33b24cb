"""`make faults SEEDS=20`: every fault of the table over many seeds on real Kafka; writes docs/RELIABILITY.md.

Exits 1 when a seed fails.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.faults import document
from tests.faults.scenario import Fault, World
from tests.faults.table import FAULTS
from tests.support.kafka import REPOSITORY, KafkaCluster

RESULTS = REPOSITORY / "build" / "faults.json"


@dataclass
class Result:
    """What became of the seeds of one fault."""

    name: str
    passes_when: str
    passed: int = 0
    slowest_s: float = 0.0
    seen: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


@click.command(epilog="Example: python -m tests.faults --seeds 20 --only kills --only zombie")
@click.option("--seeds", type=click.IntRange(1), default=20, show_default=True, help="Seeds of each fault.")
@click.option("--first", type=click.IntRange(0), default=100, show_default=True, help="The first seed.")
@click.option("--only", multiple=True, type=click.Choice([f.run.__name__ for f in FAULTS]), help="Only this fault.")
@click.option("--port", type=click.IntRange(1024, 65_000), help="Where the search for free ports begins.")
@click.option("--minutes", type=click.IntRange(1), help="Begin no new seed after so many minutes.")
@click.option("--document/--no-document", "write", default=True, help="Write docs/RELIABILITY.md.")
def main(seeds: int, first: int, only: tuple[str, ...], port: int | None, minutes: int | None, write: bool) -> None:
    """Hurt the worker in every way of the table, and compare what it says with the pure core."""
    chosen = [fault for fault in FAULTS if not only or fault.run.__name__ in only]
    ends_s = time.monotonic() + minutes * 60 if minutes else float("inf")
    results = {fault.name: Result(fault.name, fault.passes_when) for fault in chosen}
    bars = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True),
    )  # fmt: skip
    with bars, KafkaCluster(port=port) as shared:
        task = bars.add_task("", total=seeds * len(chosen))
        # Seed by seed, not fault by fault: when time runs out, every fault has had nearly as many.
        for seed in range(first, first + seeds):
            for fault in chosen:
                if time.monotonic() > ends_s:
                    break
                bars.update(task, description=f"{fault.run.__name__} {seed}")
                run(fault, seed, shared, results[fault.name], port)
                bars.advance(task)
    _print(results)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([vars(result) for result in results.values()], ensure_ascii=False, indent=1))
    if write:
        document.write(json.loads(RESULTS.read_text()))
    sys.exit(any(result.failures for result in results.values()))


def run(fault: Fault, seed: int, shared: KafkaCluster, result: Result, port: int | None) -> None:
    """One seed; a failure is kept with what the worker said last."""
    began_s = time.monotonic()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stream-audit-faults-")))
        cluster = shared
        if fault.own_cluster:
            cluster = stack.enter_context(KafkaCluster(n=fault.brokers, port=port and port + 50))
        world = World(cluster, directory, seed, long=True)
        try:
            fault.run(world)
        except Exception as failed:
            result.failures.append(f"seed {seed}: {type(failed).__name__}: {failed}")
        else:
            result.passed += 1
        result.seen += world.seen
    result.slowest_s = max(result.slowest_s, time.monotonic() - began_s)


def _print(results: dict[str, Result]) -> None:
    table = Table("fault", "passed", "slowest, s", "seen")
    for result in results.values():
        ran = result.passed + len(result.failures)
        seen = ", ".join(f"{name} {count:,}" for name, count in result.seen.items())
        table.add_row(result.name, f"{result.passed} of {ran}", f"{result.slowest_s:.0f}", seen)
    Console().print(table)
    for result in results.values():
        for failure in result.failures:
            click.echo(f"{result.name}, {failure}\n")


if __name__ == "__main__":
    main()
