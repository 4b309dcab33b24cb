"""`stream-audit topics check | apply`: a broker's topics against `schemas/`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.files import INPUT_DIRECTORY
from worker.cli.groups import Group
from worker.cli.terminal import Screen
from worker.resources import SCHEMAS_DIR
from worker.topics import Difference, Found, Remedy, Topic, TopicFileError, load_topics, plan, resized

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

TIMEOUT_S = 15.0


@click.group(cls=Group, epilog="Example: stream-audit topics check --bootstrap 127.0.0.1:9092")
def topics() -> None:
    """Compare a broker's topics with schemas/, or create those that are missing."""


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
    differences = plan(wanted, describe(_admin(bootstrap), bootstrap, [topic.name for topic in wanted]))
    _print(differences, as_json, done=[], good=f"{len(wanted)} topics are as schemas/ wants them")
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
    """Create missing topics. Never deletes, shrinks or alters one: other differences are printed, with exit 1."""
    wanted = _wanted(schemas, partitions, replication_factor)
    admin = _admin(bootstrap)
    found = describe(admin, bootstrap, [topic.name for topic in wanted])
    differences = plan(wanted, found)
    missing = [d.topic for d in differences if d.remedy is Remedy.CREATE]
    if not dry_run:
        create(admin, [_sized_like_source(t, wanted, found) for t in wanted if t.name in missing])
        differences = [d for d in differences if d.topic not in missing]
    _print(differences, as_json, done=[] if dry_run else missing, good="nothing to do")
    sys.exit(1 if [d for d in differences if d.remedy is not Remedy.CREATE] else 0)


def describe(admin: "AdminClient", bootstrap: str, names: list[str]) -> dict[str, Found]:
    """Those of the topics `names` that the broker has. Ends the command with exit 1 when it cannot be reached."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import ConfigResource, ResourceType

    from worker.tools.kafkaclient import no_answer

    try:
        there = admin.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        raise click.ClickException(no_answer(bootstrap, error)) from error
    present = [name for name in names if name in there]
    answers = {}
    if present:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
        answers = admin.describe_configs(resources, request_timeout=TIMEOUT_S)
    configs: dict[str, dict[str, str] | None] = {}
    for resource, answer in answers.items():
        try:
            configs[resource.name] = {name: entry.value for name, entry in answer.result().items()}
        except KafkaException:
            configs[resource.name] = None  # the mock broker, or no right to ask: `plan` says so
    return {
        name: Found(
            partitions=len(there[name].partitions),
            replication_factor=min((len(p.replicas) for p in there[name].partitions.values()), default=0),
            config=configs.get(name),
        )
        for name in present
    }


def create(admin: "AdminClient", wanted: list[Topic]) -> None:
    """Creates the topics; ends the command with exit 1, naming every topic that could not be created."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import NewTopic

    if not wanted:
        return
    new = [NewTopic(t.name, t.partitions or 1, t.replication_factor or 1, config=dict(t.config)) for t in wanted]
    faults = []
    for name, answer in admin.create_topics(new, request_timeout=TIMEOUT_S).items():
        try:
            answer.result()
        except KafkaException as error:
            faults.append(f"{name}: {error.args[0].str()}")
    if faults:
        raise click.ClickException("not created: " + "; ".join(sorted(faults)))


def _sized_like_source(topic: Topic, wanted: list[Topic], found: dict[str, Found]) -> Topic:
    """A missing topic gets the partitions that its source already has."""
    source = topic.same_partitions_as
    if source is None or source not in found:
        return topic
    return resized([topic], partitions=found[source].partitions)[0]


def _wanted(schemas: Path, partitions: int | None, replication_factor: int | None) -> list[Topic]:
    try:
        loaded = load_topics(schemas)
    except TopicFileError as error:
        raise click.ClickException(str(error)) from error
    return resized(loaded, partitions=partitions, replication_factor=replication_factor)


def _admin(bootstrap: str) -> "AdminClient":
    from confluent_kafka.admin import AdminClient

    from worker.tools.kafkaclient import connect

    return connect(AdminClient, bootstrap, {"socket.timeout.ms": int(TIMEOUT_S * 1000)})


def _print(differences: list[Difference], as_json: bool, *, done: list[str], good: str) -> None:
    screen = Screen()
    if as_json:
        rows = [
            {"topic": d.topic, "what": d.what, "wanted": d.wanted, "found": d.found, "remedy": d.remedy.name.lower()}
            for d in differences
        ]
        screen.json({"created": done, "differences": rows}, indent=None)
        return
    for name in done:
        screen.line(f"created {name}")
    if not differences and not done:
        screen.line(good)
    cells = [(d.topic, d.what, d.wanted, d.found, d.remedy.value) for d in differences]
    screen.table(("topic", "what", "wanted", "found", "remedy"), cells, fold=("wanted", "found", "remedy"))
