"""`stream-audit topics check | apply`: a broker's topics against `schemas/`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from worker.cli.files import INPUT_DIRECTORY
from worker.cli.groups import Group
from worker.cli.terminal import Screen
from worker.resources import SCHEMAS_DIR
from worker.tools.brokertopics import BrokerTopics, BrokerTopicsError
from worker.topics import Difference, Remedy, Topic, TopicFileError, load_topics, plan, resized

BY_APPLY = (Remedy.CREATE, Remedy.ALTER)


@click.group(cls=Group, epilog="Example: stream-audit topics check --bootstrap 127.0.0.1:9092")
def topics() -> None:
    """Compare a broker's topics with schemas/, create those that are missing, have the broker keep append time."""


def _options(command: Any) -> Any:
    for option in reversed((
        click.option("--bootstrap", required=True, metavar="HOST:PORT", help="Kafka broker(s), comma-separated."),
        click.option(
            "--schemas", type=INPUT_DIRECTORY, default=SCHEMAS_DIR, metavar="DIR",
            help="Folder of topic files; default: those that ship with the worker.",
        ),
        click.option("--partitions", type=click.IntRange(1, 10_000), help="Instead of the files' number (laptops)."),
        click.option("--replication-factor", type=click.IntRange(1, 9), help="Instead of the files' number."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table."),
    )):  # fmt: skip
        command = option(command)
    return command


@topics.command(epilog="Example: stream-audit topics check --bootstrap 127.0.0.1:9092 --json")
@_options
def check(bootstrap: str, schemas: Path, partitions: int | None, replication_factor: int | None, as_json: bool) -> None:
    """Print every difference between the broker and schemas/; exit 1 when there is one."""
    wanted = _wanted(schemas, partitions, replication_factor)
    with _answering():
        found = BrokerTopics(bootstrap).describe([topic.name for topic in wanted])
    differences = plan(wanted, found)
    _print(differences, as_json, created=[], altered=[], good=f"{len(wanted)} topics are as schemas/ wants them")
    sys.exit(1 if differences else 0)


@topics.command(
    name="apply",
    epilog="Example: stream-audit topics apply --bootstrap 127.0.0.1:9092 --partitions 4 --replication-factor 1",
)
@_options
@click.option("--dry-run", is_flag=True, help="Only print what would be done.")
def apply_(
    bootstrap: str,
    schemas: Path,
    partitions: int | None,
    replication_factor: int | None,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Create missing topics, and have the others keep append time (message.timestamp.type).

    Never deletes or shrinks one, and alters nothing else: other differences are printed, with exit 1.
    """
    wanted = _wanted(schemas, partitions, replication_factor)
    with _answering():
        broker = BrokerTopics(bootstrap)
        found = broker.describe([topic.name for topic in wanted])
        differences = plan(wanted, found)
        missing = [d.topic for d in differences if d.remedy is Remedy.CREATE]
        altered = [d for d in differences if d.remedy is Remedy.ALTER]
        if not dry_run:
            broker.create([topic for topic in wanted if topic.name in missing], found)
            broker.alter(altered)
            differences = [d for d in differences if d.remedy not in BY_APPLY]
    done = ([], []) if dry_run else (missing, altered)
    _print(differences, as_json, created=done[0], altered=done[1], good="nothing to do")
    sys.exit(1 if [d for d in differences if d.remedy not in BY_APPLY] else 0)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except BrokerTopicsError as error:
        raise click.ClickException(str(error)) from error


def _wanted(schemas: Path, partitions: int | None, replication_factor: int | None) -> list[Topic]:
    try:
        loaded = load_topics(schemas)
    except TopicFileError as error:
        raise click.ClickException(str(error)) from error
    return resized(loaded, partitions=partitions, replication_factor=replication_factor)


def _print(
    differences: list[Difference], as_json: bool, *, created: list[str], altered: list[Difference], good: str
) -> None:
    screen = Screen()
    if as_json:
        rows = [_row(d) for d in differences]
        screen.json({"created": created, "altered": [_row(d) for d in altered], "differences": rows}, indent=None)
        return
    for name in created:
        screen.line(f"created {name}")
    for d in altered:
        screen.line(f"altered {d.topic}: {d.what} from {d.found} to {d.wanted}")
    if not (differences or created or altered):
        screen.line(good)
    cells = [(d.topic, d.what, d.wanted, d.found, d.remedy.value) for d in differences]
    screen.table(("topic", "what", "wanted", "found", "remedy"), cells, fold=("wanted", "found", "remedy"))


def _row(d: Difference) -> dict[str, str]:
    return {"topic": d.topic, "what": d.what, "wanted": d.wanted, "found": d.found, "remedy": d.remedy.name.lower()}
