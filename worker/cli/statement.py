"""`statement`: the statement of reasons of one violation, for the EU's database and for mainland China."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.files import INPUT_PATH, places_or_usage_error
from worker.cli.logs import reading_a_violation, tell_faults

if TYPE_CHECKING:
    from worker.tools.replay import ViolationLine


@click.command(name="statement")
@click.argument("violation_id", metavar="ID")
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=INPUT_PATH,
    help="A directory that `demo` wrote, or a file of violations; repeatable.  [default: build/demo]",
)
@click.option("--bootstrap", metavar="HOST:PORT", help="Look in Kafka: live.audit.violations.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def statement(violation_id: str, sources: tuple[Path, ...], bootstrap: str | None, as_json: bool) -> None:
    """Print the statement of reasons of a violation.

    ID is the violation's id, or as much of its beginning as is unique. First the statement for the DSA Transparency
    Database, version 2, which the platform amends by what it decided; then, for rooms in mainland China, the
    Chinese one. What recommends no restriction, such as a review, needs no DSA statement.

    \b
    Example:
      stream-audit statement k3f7q2 --from build/demo
      stream-audit statement k3f7q2 --json | jq .dsa
    """
    import msgspec

    violation: dict[str, Any] = msgspec.json.decode(_found(violation_id, sources, bootstrap).value)
    with reading_a_violation():
        answer = _statements(violation)
    if as_json:
        from worker.cli.terminal import Screen

        Screen().json(answer)
    else:
        _show(answer, violation["region"])


def _statements(violation: dict[str, Any]) -> dict[str, Any]:
    from worker.egress.chinese import chinese_statement
    from worker.egress.dsa import EEA, NoRestriction, dsa_statement, faults

    dsa: dict[str, Any] | None = None
    why_not = ""
    try:
        dsa = dsa_statement(violation)
    except NoRestriction as reason:
        why_not = str(reason)
    if dsa and (wrong := faults(dsa)):
        raise click.ClickException(f"the database would refuse this statement: {'; '.join(wrong)}")
    return {
        "violation_id": violation["violation_id"],
        "dsa": dsa,
        "dsa_absent": why_not or None,
        "dsa_applies": violation["region"] in EEA,
        "chinese": chinese_statement(violation),
    }


def _found(wanted: str, sources: tuple[Path, ...], bootstrap: str | None) -> "ViolationLine":
    from worker.tools.kafkalog import KafkaLog, KafkaLogError
    from worker.tools.lookup import Files, NotFoundError, find_in_kafka
    from worker.tools.roomlog import Faults, RoomLogError

    if bootstrap and sources:
        raise click.UsageError("--from and --bootstrap exclude each other.")
    faults = Faults()
    try:
        if bootstrap:
            with KafkaLog(bootstrap) as kafka:
                return find_in_kafka(kafka, wanted)
        return Files.sort(places_or_usage_error(sources), faults).find(wanted)
    except (NotFoundError, KafkaLogError, RoomLogError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        tell_faults(faults)


def _show(answer: dict[str, Any], region: str) -> None:
    from worker.cli.terminal import Screen

    screen = Screen()
    screen.line("DSA Transparency Database, version 2")
    if answer["dsa"] is None:
        screen.line(f"  none: {answer['dsa_absent']}")
    else:
        if not answer["dsa_applies"]:
            screen.line(f"  The DSA does not reach {region}; this is what the statement would be.")
        screen.json(answer["dsa"])
    for heading, text in (answer["chinese"] or {}).items():
        screen.heading(heading)
        screen.line(f"  {text}")
