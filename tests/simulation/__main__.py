"""`python -m tests.simulation --seeds 5000` runs many schedules; `--seed N` runs one and prints it when it fails.

Exits 1 when a seed fails.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from multiprocessing import get_context

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.faults.results import commit
from tests.support.kafka import REPOSITORY

from .check import attempt, prepare_process
from .corpus import SCHEDULES

RESULT = REPOSITORY / "build" / "simulation.json"


@click.command(epilog="Example: python -m tests.simulation --seeds 5000 --first 100000")
@click.option("--seeds", type=click.IntRange(1), default=1_000, show_default=True, help="How many schedules to run.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first of them.")
@click.option("--seed", type=click.IntRange(0), help="Run this one alone.")
@click.option("--jobs", type=click.IntRange(1, 256), default=os.cpu_count(), show_default="one a core")
def main(seeds: int, first: int, seed: int | None, jobs: int) -> None:
    """Drive the engine through seeded schedules without a broker, and compare with the pure core."""
    chosen = range(first, first + seeds) if seed is None else range(seed, seed + 1)
    seen: Counter[str] = Counter()
    failures: list[str] = []
    began_s = time.monotonic()
    with get_context("spawn").Pool(jobs, prepare_process) as pool, Progress(console=Console(stderr=True)) as bars:
        # Those of a corpus one after the other in one process.
        ran = pool.imap(attempt, chosen, chunksize=SCHEDULES)
        for found in bars.track(ran, total=len(chosen), description="seeds"):
            if isinstance(found, str):
                failures.append(found)
                click.echo(found.splitlines()[0])
            else:
                seen += found
    minutes = (time.monotonic() - began_s) / 60
    table = Table("what", "count", title=f"{len(chosen)} seeds, {len(chosen) / minutes:,.0f} a minute")
    for what, count in sorted(seen.items()):
        table.add_row(what, f"{count:,}")
    Console().print(table)
    if seed is None:
        RESULT.parent.mkdir(exist_ok=True)
        result = {"seeds": seeds, "failed": len(failures), "per_minute": len(chosen) / minutes, "jobs": jobs}
        RESULT.write_text(json.dumps({**result, "commit": commit(), "seen": seen}))
    if failures:
        click.echo(failures[0] if seed is not None else f"{len(failures)} seeds failed; see one with --seed")
        sys.exit(1)


if __name__ == "__main__":
    main()
