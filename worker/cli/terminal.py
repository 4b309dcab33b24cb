"""The terminal: consoles that respect NO_COLOR and pipes, and a counter that shows on a terminal alone."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from worker.clock import monotonic_s

PLAIN_WIDTH = 160
SHOW_EVERY = 500


def console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr. A pipe gets plain text, wide enough that tables keep their lines."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else PLAIN_WIDTH)


@contextmanager
def progress(unit: str) -> Iterator[Callable[[int], None]]:
    """Counts `unit`s on stderr with their rate while the block runs: live on a terminal, else one line at the end."""
    began = monotonic_s()
    total = 0
    screen = console(stderr=True)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.completed:,.0f} " + unit),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )
    task = bar.add_task("", total=None, rate=0.0)

    def advance(count: int) -> None:
        nonlocal total
        total += count
        if total % SHOW_EVERY == 0:
            bar.update(task, completed=total, rate=total / max(monotonic_s() - began, 1e-6))

    with bar:
        yield advance
    took = max(monotonic_s() - began, 1e-6)
    screen.print(f"{total:,} {unit} in {took:.1f} s, {total / took:,.0f}/s", highlight=False)
