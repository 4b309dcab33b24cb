"""`python -m tests.simulation --seeds 5000` runs many schedules; `--seed N` runs one and prints it when it fails.

Exits 1 when a seed fails.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from .check import simulate


@click.command(epilog="Example: python -m tests.simulation --seeds 5000 --first 100000")
@click.option("--seeds", type=click.IntRange(1), default=1_000, show_default=True, help="How many schedules to run.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first of them.")
@click.option("--seed", type=click.IntRange(0), help="Run this one alone.")
def main(seeds: int, first: int, seed: int | None) -> None:
    """Drive the engine through seeded schedules without a broker, and compare with the pure core."""
    logging.disable(logging.WARNING)
    chosen = range(first, first + seeds) if seed is None else range(seed, seed + 1)
    seen: Counter[str] = Counter()
    failures: list[str] = []
    began_s = time.monotonic()
    for number in track(chosen, "seeds", console=Console(stderr=True)):
        try:
            seen += simulate(number)
        except AssertionError as failed:
            failures.append(str(failed))
            click.echo(failures[-1].splitlines()[0])
    minutes = (time.monotonic() - began_s) / 60
    table = Table("what", "count", title=f"{len(chosen)} seeds, {len(chosen) / minutes:,.0f} a minute")
    for what, count in sorted(seen.items()):
        table.add_row(what, f"{count:,}")
    Console().print(table)
    if failures:
        click.echo(failures[0] if seed is not None else f"{len(failures)} seeds failed; see one with --seed")
        sys.exit(1)


if __name__ == "__main__":
    main()
