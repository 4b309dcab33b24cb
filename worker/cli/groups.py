"""Names on the command line: a slip of the finger gets a suggestion, and errors are safe to show."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click


def did_you_mean(wanted: str, names: Iterable[str]) -> str:
    """Return ` Did you mean 'loop'?` for the one of `names` that is nearest to `wanted`, or nothing."""
    near = difflib.get_close_matches(wanted, list(names), n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""


class Group(click.Group):
    """A group of commands that suggests the nearest name; what its commands raise as an error can be shown."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            hint = did_you_mean(args[0], names) or f" See '{ctx.command_path} --help'."
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _shown_safely():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with _shown_safely():
            return super().invoke(ctx)


@contextmanager
def _shown_safely() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        from worker.cli.printable import printable_block

        error.message = printable_block(error.message)
        raise
