"""The command line: one thin file per command, imported only when it runs, so that `--help` is quick.

Exit codes everywhere: 0 done, 1 a finding or a failure, 2 wrong usage.
"""

import importlib
from typing import NamedTuple

import click

from worker.cli.groups import Group
from worker.settings import SettingsError


class Entry(NamedTuple):
    """Where a command lives, and its line in `--help`."""

    module: str
    help: str


COMMANDS: dict[str, Entry] = {
    "run": Entry("run", "Run the worker: Kafka in, violations out."),
    "demo": Entry("demo", "Embedded broker, worker and simulated rooms in one terminal."),
    "replay": Entry("replay", "Judge room logs without Kafka."),
    "import": Entry("import_", "Turn a recording of a real room into a room log."),
    "simulate": Entry("simulate", "Write simulated rooms as a room log, the truth beside it."),
    "evaluate": Entry("evaluate", "Measure delays and false alarms on labelled rooms."),
    "explain": Entry("explain", "Say why a violation was emitted, and recompute it."),
    "statement": Entry("statement", "Print the statement of reasons of a violation."),
    "policy": Entry("policy", "Check, test, compare and publish policies."),
    "keys": Entry("keys", "Make keys, list them, and say which count."),
    "topics": Entry("topics", "Compare or create topics from schemas/."),
    "history": Entry("history", "Hand what people decided to the next release."),
    "dlq": Entry("dlq", "List, show and replay dead letters."),
}
"""The contents page, in the order of `--help`."""


class LazyGroup(Group):
    """A group that knows its commands by name and imports one only to run it or to show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else load(cmd_name, entry)

    def invoke(self, ctx: click.Context) -> object:
        """What settings say wrongly is wrong usage, of whatever command that talks to Kafka."""
        try:
            return super().invoke(ctx)
        except SettingsError as wrong:
            from worker.cli.printable import printable_block

            raise click.UsageError(printable_block(str(wrong))) from wrong

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def load(name: str, entry: Entry) -> click.Command:
    """The command `name`: the one click command of that name in its module; without it, a defect."""
    module = importlib.import_module(f"worker.cli.{entry.module}")
    for value in vars(module).values():
        if isinstance(value, click.Command) and value.name == name:
            return value
    raise LookupError(f"worker/cli/{entry.module}.py defines no click command named '{name}'")


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"stream-audit {version('stream-audit')}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Try: stream-audit demo",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cli() -> None:
    """Is a real person hosting this live room, and is every AI part of it declared?"""
