"""The type of options that name a file to write: what is wrong with it is said before the work begins."""

from pathlib import Path

import click


class OutputFile(click.ParamType):
    """A path where a file can be written, or - for standard output where `dash` allows it."""

    name = "file"

    def __init__(self, *, dash: bool = False) -> None:
        self.dash = dash

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path as it was given."""
        path = Path(value)
        if value == "-" and self.dash:
            return value
        if path.is_dir():
            self.fail(f"{value} is a directory; name a file in it", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no directory {path.parent}; make it first", param, ctx)
        return value
