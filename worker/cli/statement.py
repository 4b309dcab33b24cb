"""`statement`: the statement of reasons of one violation, for the EU's database and for mainland China."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.explain import DEFAULT_FROM

if TYPE_CHECKING:
    from worker.tools.replay import ViolationLine


@click.command(name="statement")
@click.argument("violation_id", metavar="ID")
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
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

    from worker.egress.chinese import chinese_statement
    from worker.egress.dsa import EEA, NoRestriction, dsa_statement, faults

    violation: dict[str, Any] = msgspec.json.decode(_found(violation_id, sources, bootstrap).value)
    dsa: dict[str, Any] | None = None
    why_not = ""
    try:
        dsa = dsa_statement(violation)
    except NoRestriction as reason:
        why_not = str(reason)
    if dsa and (wrong := faults(dsa)):
        raise click.ClickException(f"the database would refuse this statement: {'; '.join(wrong)}")
    answer = {
        "violation_id": violation["violation_id"],
        "dsa": dsa,
        "dsa_absent": why_not or None,
        "dsa_applies": violation["region"] in EEA,
        "chinese": chinese_statement(violation),
    }
    if as_json:
        import orjson

        click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
    else:
        _show(answer, str(violation["region"]))


def _found(wanted: str, sources: tuple[Path, ...], bootstrap: str | None) -> "ViolationLine":
    from worker.tools.kafkalog import KafkaLog, KafkaLogError
    from worker.tools.lookup import Files, NotFoundError, find_in_kafka

    if bootstrap and sources:
        raise click.UsageError("--from and --bootstrap exclude each other.")
    try:
        if bootstrap:
            with KafkaLog(bootstrap) as kafka:
                return find_in_kafka(kafka, wanted)
        return Files.sort(list(sources) or [DEFAULT_FROM]).find(wanted)
    except (NotFoundError, KafkaLogError) as error:
        raise click.ClickException(str(error)) from error


def _show(answer: dict[str, Any], region: str) -> None:
    import orjson

    click.echo("DSA Transparency Database, version 2")
    if answer["dsa"] is None:
        click.echo(f"  none: {answer['dsa_absent']}")
    else:
        if not answer["dsa_applies"]:
            click.echo(f"  The DSA does not reach {region}; this is what the statement would be.")
        click.echo(orjson.dumps(answer["dsa"], option=orjson.OPT_INDENT_2))
    for heading, text in (answer["chinese"] or {}).items():
        click.echo(f"\n{heading}\n  {text}")
