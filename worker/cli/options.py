"""What several commands read from their arguments alike. What is wrong is said before the work begins."""

from collections.abc import Iterable
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


def texts_or_usage_error(paths: Iterable[Path]) -> dict[str, str]:
    """Name → text of policy files, those that ship for no path; what cannot be read is wrong usage."""
    from worker.resources import POLICIES_DIR
    from worker.tools.policyfiles import read_texts

    try:
        return read_texts(tuple(paths) or (POLICIES_DIR,))
    except (FileNotFoundError, ValueError) as error:
        raise click.UsageError(str(error)) from error
