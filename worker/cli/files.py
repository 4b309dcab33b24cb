"""The types of options and arguments that name files: what is wrong with one is said before the work begins.

A file that is not there, or cannot be read or written, is wrong usage: exit code 2.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

DEFAULT_FROM = Path("build/demo")
"""Where `demo` writes."""
INPUT_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
INPUT_LOG = click.Path(exists=True, dir_okay=False, allow_dash=True)
"""A room log to read, or - for standard input."""
INPUT_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
INPUT_PATH = click.Path(exists=True, path_type=Path)
"""A file or a directory."""


def places_or_usage_error(given: Iterable[Path]) -> list[Path]:
    """Return where to look for a violation: the places given, or what `demo` wrote."""
    places = list(given) or [DEFAULT_FROM]
    if not places[0].exists():
        raise click.UsageError(
            f"there is no {DEFAULT_FROM} here: run `stream-audit demo`, or name a file of violations, or demo's --out, "
            "with --from"
        )
    return places


class OutputFile(click.ParamType):
    """A path where a file can be written, or - for standard output where `dash` allows it and it is no terminal."""

    name = "file"

    def __init__(self, *, dash: bool = False) -> None:
        self.dash = dash

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path as it was given."""
        path = Path(value)
        if value == "-" and self.dash:
            if sys.stdout.isatty():  # what is written is not ours, and could command the terminal
                self.fail("standard output is a terminal; name a file, or send it through a pipe", param, ctx)
            return value
        if path.is_dir():
            self.fail(f"{value} is a directory; name a file in it", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no directory {path.parent}; make it first", param, ctx)
        return value
