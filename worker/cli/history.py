"""`stream-audit history export`: what a release knew, for the one that takes its place."""

from typing import TYPE_CHECKING

import click

from worker.cli.groups import Group
from worker.topics import HISTORY_TOPIC

if TYPE_CHECKING:
    from worker.tools.historyexport import Summary


@click.group(cls=Group, epilog="Example: stream-audit history export --bootstrap 127.0.0.1:9092 --app-id stream-audit")
def history() -> None:
    """Hand what people decided to the next release, where it cannot read the state of the present one."""


@history.command(
    epilog="Example: stream-audit history export --bootstrap 127.0.0.1:9092 --app-id stream-audit --dry-run"
)
@click.option("--bootstrap", required=True, metavar="HOST:PORT", help="Kafka broker(s), comma-separated.")
@click.option("--app-id", required=True, metavar="OLD", help="STREAM_AUDIT_APP_ID of the release that was stopped.")
@click.option("--prefix", default="", metavar="TEXT", help="STREAM_AUDIT_TOPIC_PREFIX of both releases.")
@click.option("--dry-run", is_flag=True, help="Write nothing; also while the release runs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in place of the table.")
def export(bootstrap: str, app_id: str, prefix: str, dry_run: bool, as_json: bool) -> None:
    """Write reviews, episodes and e-LOND's counters of a stopped release to live.audit.history.

    It reads the changelogs of state version 3, and never writes to them. A second run writes what has changed since,
    which is nothing when the release stayed stopped. Exit code 1: nothing, or not all, was exported.
    """
    from worker.cli.terminal import Screen, progress
    from worker.tools.historyexport import HistoryExportError
    from worker.tools.historyexport import export as run

    try:
        with progress("changelog records") as advance:
            summary = run(bootstrap, app_id, prefix=prefix, dry_run=dry_run, advance=advance)
    except HistoryExportError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        import msgspec

        Screen().json({"topic": prefix + HISTORY_TOPIC, "dry_run": dry_run, **msgspec.to_builtins(summary)})
        return
    _print(summary, prefix + HISTORY_TOPIC, dry_run)


def _print(summary: "Summary", topic: str, dry_run: bool) -> None:
    from worker.cli.terminal import Screen

    screen = Screen()
    rows = [
        ("rooms with a past", f"{summary.rooms:,}"),
        ("upheld violations", f"{summary.upheld:,}"),
        ("episodes that people may review", f"{summary.episodes:,}"),
        ("hosts with upheld violations", f"{summary.hosts:,}"),
        ("platforms", f"{summary.platforms:,}"),
        ("stopped at", f"{sum(summary.stopped.values()):,} records over {len(summary.stopped):,} partitions"),
    ]
    screen.table(("found", "how many"), rows, right=("how many",))
    would = "would be written" if dry_run else "were written"
    screen.line(f"{summary.written:,} records {would} to {topic}, {summary.unchanged:,} are there already")
