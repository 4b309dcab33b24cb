"""`make faults SEEDS=20`: every fault of the table over many seeds on real Kafka; writes docs/RELIABILITY.md.

Each seed's result is kept as soon as it is there (`build/faults.jsonl`). What has passed with the present code is not
run again, so an interrupted run goes on where it was. Exits 1 when a seed fails.
"""

from __future__ import annotations

import sys
import time

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.faults import document, results
from tests.faults.lanes import Lanes
from tests.faults.table import FAULTS


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
        task = bars.add_task("seeds", total=len(todo))

        def told(result: results.Result) -> None:
            results.append(result)
            bars.advance(task)
            said = "passed" if result.passed else f"FAILED: {result.failure.splitlines()[0][:160]}"
            line = f"{result.fault} {result.seed} {result.seconds:.0f} s {said}"
            bars.console.print(line, highlight=False, markup=False)

        ends_s = time.monotonic() + minutes * 60 if minutes else float("inf")
        Lanes(told, long=True, ends_s=ends_s).run(todo, jobs)
    if write:
        document.write()
    names = {(fault.run.__name__, seed) for fault, seed in wanted}
    failed = [r for r in results.newest() if not r.passed and (r.fault, r.seed) in names]
    for result in failed:
        click.echo(f"{result.fault}, seed {result.seed}: {result.failure}\n")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
