"""The terminal: the only way from a command to the one who reads it, so that all of it is safe and can be read.

What is printed is `printable`. No console knows markup, so brackets in a text are brackets. A line that is too long for
the terminal goes on indented, so that no part of a text can pose as a line of its own. Pipes get plain lines, unbroken.
"""

import shlex
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.box import HEAVY_HEAD
from rich.cells import cell_len, chop_cells
from rich.console import Console, JustifyMethod
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from worker.cli.printable import printable, printable_block, printable_json
from worker.clock import monotonic_s

PROGRAM = "stream-audit"
PIPE_WIDTH = 1_000
FOLDED_CELLS_MIN = 8
ROOM_CELLS_MIN = 10
HANG_CELLS = 4
SHOW_EVERY = 500


def console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr that takes text as it is: no markup, no emoji codes, no colours of its own."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def _program() -> str:
    """How to call this program again: by its name where PATH leads to it, else by the path it was called by."""
    called = Path(sys.argv[0])
    found = shutil.which(PROGRAM)
    if called.name != PROGRAM or not called.exists() or (found and called.samefile(found)):
        return PROGRAM
    return shlex.quote(printable(str(called)))


class Screen:
    """What commands print with. `console` is for what moves: spinners, bars and live tables."""

    def __init__(self, *, stderr: bool = False) -> None:
        self.console = console(stderr=stderr)
        self._stderr = stderr

    def line(self, text: str = "", *, label: str = "", style: str = "") -> None:
        """Print one line. A terminal gets it broken where it must be, under what follows the `label`, or indented."""
        text, label = printable(text), printable(label)
        words = text.lstrip(" ")
        lead = " " * (len(text) - len(words))
        if label and self.console.width - cell_len(label) < ROOM_CELLS_MIN:  # it leaves no room to break the text in
            words = label.lstrip(" ") + text
            lead = " " * (len(label + text) - len(words))
            label = ""
        if not label and self.console.width - len(lead) - HANG_CELLS < ROOM_CELLS_MIN:
            lead = lead[:HANG_CELLS]
        under = " " * cell_len(label) if label else lead + " " * HANG_CELLS
        head = label or lead
        room = self.console.width - len(under)
        if self.console.is_terminal and cell_len(head + words) > self.console.width and room >= ROOM_CELLS_MIN:
            parts = _broken(words, room)
        else:
            parts = [words]
        for at, part in enumerate(parts):
            self.console.print(Text((under if at else head) + part, style), soft_wrap=True)

    def heading(self, text: str) -> None:
        """Print a bold line after an empty one."""
        self.line()
        self.line(text, style="bold")

    def block(self, text: str) -> None:
        """Print lines; those after the first are indented."""
        for part in printable_block(text).split("\n"):
            self.line(part)

    def json(self, value: Any, *, indent: int | None = 2) -> None:
        """Print a JSON text that means `value`."""
        click.echo(printable_json(value, indent=indent), err=self._stderr)

    def command(self, text: str) -> None:
        """Print a command to copy: no line break in it, and our own program under the name that runs it here."""
        text = printable(text).replace(f"{PROGRAM} ", f"{_program()} ", 1)
        self.console.print(Text(text, "bold"), soft_wrap=True)

    def table(
        self,
        names: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        title: str = "",
        right: Collection[str] = (),
        fold: Collection[str] = (),
        framed: bool = True,
    ) -> None:
        """Print a table that can be read in the width there is; nothing when it has no rows.

        A terminal too narrow for it breaks the cells of columns that may `fold`. If that does not do, each cell gets a
        line. A pipe gets a line for each row, however long. Columns of numbers stand to the `right`.
        """
        title = printable(title)
        cells = [[printable(str(cell)) for cell in row] for row in rows]
        if not cells:
            return
        widths = [max(map(cell_len, column)) for column in zip(names, *cells, strict=True)]
        if not self.console.is_terminal:
            self._plain_table(names, cells, widths, title, right)
            return
        indented = framed and names[0] in fold  # so that no part of a folded cell begins a line
        gaps = 2 * len(names) - (0 if indented else 2)
        least = sum(
            min(width, max([FOLDED_CELLS_MIN, *map(cell_len, name.split())])) if name in fold else width
            for name, width in zip(names, widths, strict=True)
        )
        if least + gaps > self.console.width:
            self._records(names, cells, title)
            return
        framed = framed and sum(widths) + 3 * len(names) + 1 <= self.console.width
        indented = indented or framed
        if title:
            self.line(title)
        padding = (0, 1) if indented else (0, 2, 0, 0)
        table = Table(box=HEAVY_HEAD if framed else None, pad_edge=indented, padding=padding)
        for name in names:
            justify: JustifyMethod = "right" if name in right else "left"
            table.add_column(Text(name), justify=justify, no_wrap=name not in fold, overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row))
        self.console.print(table)

    def _plain_table(
        self, names: Sequence[str], cells: list[list[str]], widths: list[int], title: str, right: Collection[str]
    ) -> None:
        if title:
            click.echo(title, err=self._stderr)
        for row in (names, *cells):
            padded = []
            for name, cell, width in zip(names, row, widths, strict=True):
                gap = " " * (width - cell_len(cell))
                padded.append(gap + cell if name in right else cell + gap)
            click.echo("  ".join(padded).rstrip(), err=self._stderr)

    def _records(self, names: Sequence[str], cells: list[list[str]], title: str) -> None:
        if title:
            self.line(title)
        widest = max(map(cell_len, names)) + 2
        for row in cells:
            for at, (name, cell) in enumerate(zip(names, row, strict=True)):
                if cell:
                    label = ("  " if at else "") + name
                    self.line(cell, label=label + " " * (widest + 2 - cell_len(label)))


def _broken(text: str, width: int) -> list[str]:
    """Return the parts of a text, each at most `width` cells wide; broken at a space where one is near enough."""
    parts = []
    while cell_len(text) > width:
        part = chop_cells(text, width)[0]
        space = part.rfind(" ") + 1
        if text[len(part)] != " " and space > len(part) // 2:
            part = part[:space]
        parts.append(part.rstrip(" "))
        text = text[len(part) :].lstrip(" ")
    return [*parts, text]


def note(text: str) -> None:
    """Print a line on stderr."""
    Screen(stderr=True).line(text)


@contextmanager
def progress(unit: str, *, sum_up: bool = True) -> Iterator[Callable[[int], None]]:
    """Count `unit`s on stderr with their rate while the block runs, live on a terminal; at the end, `sum_up`."""
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
        if count > 1 or total % SHOW_EVERY == 0:
            bar.update(task, completed=total, rate=total / max(monotonic_s() - began, 1e-6))

    with bar:
        yield advance
    if not sum_up:
        return
    took = max(monotonic_s() - began, 1e-6)
    screen.print(f"{total:,} {unit} in {took:.1f} s, {total / took:,.0f}/s", highlight=False)
