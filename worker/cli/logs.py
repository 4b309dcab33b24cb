"""Room logs and violations on the command line: how strictly they are read, and what was passed over."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.tools.roomlog import Faults

STRICT = click.option(
    "--strict", is_flag=True, help="End at the first line that is no record, or where a log is cut off, with code 1."
)


@contextmanager
def reading_a_violation() -> Iterator[None]:
    """End the command with code 1 when a violation lacks what the block reads: it is none, or of another schema."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"holds something else than it should: {error}"
        raise click.ClickException(f"the record is no violation that this version can read: it {what}") from error


def tell_faults(faults: "Faults") -> None:
    """Say on stderr what was passed over; nothing when nothing was."""
    from worker.cli.terminal import note

    for name in faults.empty:
        note(f"{name} is empty")
    for place in faults.cut:
        note(f"{place} is cut off, as a crash leaves it; what is before it was read")
    if faults.bad:
        note(f"lines that are no records, left out: {faults.bad:,}")
        for what in faults.first:
            note(f"  {what}")
        if faults.bad > len(faults.first):
            note("  …")
