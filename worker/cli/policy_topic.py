"""`policy push` and `policy ls`: the policies' topic."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker import clock
from worker.cli.book import load
from worker.cli.files import INPUT_DIRECTORY, INPUT_FILE
from worker.cli.terminal import Screen, note
from worker.policy.model import PolicyErrors
from worker.tools import policytopic
from worker.tools.times import time_of
from worker.topics import POLICIES_TOPIC

if TYPE_CHECKING:
    from worker.policy.book import PolicyBook

BOOTSTRAP_HELP = "Kafka broker(s), comma-separated."
TOPIC = click.option("--topic", default=POLICIES_TOPIC, show_default=True, help="The policies' topic.")
BASE = click.option(
    "--policies",
    "base",
    type=INPUT_DIRECTORY,
    help="Directory of the files that the workers have.  [default: those that ship]",
)
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON in place of the table.")
FILES = click.argument("files", nargs=-1, required=True, type=INPUT_FILE)


def _base(directory: Path | None) -> "PolicyBook":
    book, problems, _ = load((directory,) if directory else ())
    if book is None:
        raise click.UsageError("the files that workers have are wrong themselves: " + str(problems[0]))
    return book


@click.command(epilog="Example: stream-audit policy push wechat_channels.yaml --bootstrap 127.0.0.1:9092")
@FILES
@click.option("--bootstrap", required=True, metavar="HOST:PORT", help=BOOTSTRAP_HELP)
@TOPIC
@BASE
@click.option("--dry-run", is_flag=True, help="Check against the topic, send nothing.")
@_AS_JSON
@click.pass_context
def push(
    ctx: click.Context, files: tuple[Path, ...], bootstrap: str, topic: str, base: Path | None, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Publish policies to every worker that runs with STREAM_AUDIT_POLICIES=topic.

    All FILES are checked first, as every worker will check them, on top of what is published already; when one is
    wrong, nothing is sent, and every problem is listed as file:line:column. Versions must rise, and
    effective_from_ms must be a minute or more from now. Exit code 1 when anything was refused.
    """
    try:
        sent = policytopic.push(files, _base(base), bootstrap, topic, dry_run=dry_run)
    except PolicyErrors as errors:
        for problem in errors.problems:
            note(str(problem))
        ctx.exit(1)
    except policytopic.PolicyTopicError as error:
        raise click.ClickException(str(error)) from error
    listed = [{"policy": (r.key or b"").decode(), "offset": None if dry_run else r.offset} for r in sent]
    screen = Screen()
    if as_json:
        screen.json({"topic": topic, "published": listed})
        return
    for row in listed:
        where = "would be published; nothing was sent" if dry_run else f"published at {topic}@{row['offset']}"
        screen.line(f"{row['policy']}: {where}")


@click.command(name="ls", epilog="Example: stream-audit policy ls --bootstrap 127.0.0.1:9092")
@click.option("--bootstrap", metavar="HOST:PORT", help=BOOTSTRAP_HELP + " Without it: files alone.")
@TOPIC
@BASE
@_AS_JSON
def list_(bootstrap: str | None, topic: str, base: Path | None, as_json: bool) -> None:
    """List every version that workers know: from files and, with --bootstrap, from the topic; and what they refuse."""
    try:
        records = policytopic.read_topic(bootstrap, topic) if bootstrap else []
    except policytopic.PolicyTopicError as error:
        raise click.ClickException(str(error)) from error
    feed, refused = policytopic.follow(_base(base), records, topic)
    rows = policytopic.rows(feed, clock.now_ms())
    screen = Screen()
    if as_json:
        screen.json({"policies": rows, "refused": [r._asdict() for r in refused]}, indent=None)
        return
    cells = []
    for row in rows:
        exempt = str(row["exemptions"]) + (f" ({row['exemptions_ended']} ended)" if row["exemptions_ended"] else "")
        holds_from = time_of(row["effective_from_ms"]) if row["effective_from_ms"] else "always"
        cells.append((row["policy"], row["version"], holds_from, row["state"], row["rules"], exempt, row["from"]))
    names = ("policy", "version", "holds from", "state", "rules", "exempt", "from")
    screen.table(names, cells, right=("version", "rules"), fold=("holds from", "from"))
    for record in refused:
        screen.line(f"refused: {record.why}")
