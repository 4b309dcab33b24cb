"""`policy backtest`: a log under old and under new policies."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.arguments import Since
from worker.cli.book import texts_or_usage_error
from worker.cli.files import INPUT_DIRECTORY, INPUT_LOG
from worker.cli.logs import STRICT, tell_faults
from worker.cli.terminal import Screen, progress
from worker.topics import EVENTS_TOPIC

if TYPE_CHECKING:
    from worker.tools.backtest import Source

BACKTEST_EXAMPLE = """
\b
Examples:
  stream-audit policy backtest --new new_policies monday.jsonl.zst tuesday.jsonl.zst
  stream-audit policy backtest --new new_policies --bootstrap 127.0.0.1:9092 --from 2d --to 1d --json
"""


@click.command(epilog=BACKTEST_EXAMPLE)
@click.argument("logs", nargs=-1, type=INPUT_LOG, metavar="[LOG]…")
@click.option("--old", type=INPUT_DIRECTORY, help="Policies to compare with.  [default: those that ship]")
@click.option("--new", type=INPUT_DIRECTORY, required=True, help="Policies to try.")
@click.option("--bootstrap", metavar="HOST:PORT", help="Read the room log from these Kafka broker(s), not from files.")
@click.option("--topic", default=EVENTS_TOPIC, show_default=True, help="With --bootstrap: the room log.")
@click.option("--from", "from_ms", type=Since(), default=0, help="Only records since then: 6h, 2d, 2024-06-18T08:00.")
@click.option("--to", "to_ms", type=Since(), help="Only records before then, written likewise.")
@click.option(
    "--processes", type=click.IntRange(1, 256), help="Judge so many partitions at once.  [default: all cores]"
)
@click.option("--samples", type=click.IntRange(0, 100), default=3, show_default=True, help="Rooms to name per rule.")
@STRICT
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of the tables.")
def backtest(
    logs: tuple[str, ...], old: Path | None, new: Path, bootstrap: str | None, topic: str, from_ms: int,
    to_ms: int | None, processes: int | None, samples: int, strict: bool, as_json: bool,
) -> None:  # fmt: skip
    """Judge a room log twice, under old and under new policies, and say what would change.

    LOGs are files, each a partition of its own; or a topic with --bootstrap. Rooms whose beginning lies before --from
    are judged by what is in the range. Both sets of policies count as in force throughout. No one has labelled these
    rooms: rules *would fire*, rightly or not. Exit code 1 when the log cannot be read.
    """
    import os

    from confluent_kafka import KafkaException

    from worker.partition.rooms import BreakerTripped
    from worker.policy.model import PolicyErrors
    from worker.tools import backtest as lab
    from worker.tools.kafkaclient import reason
    from worker.tools.kafkalog import KafkaLogError
    from worker.tools.roomlog import RoomLogError

    if bool(logs) == bool(bootstrap):
        raise click.UsageError("give either LOG files, or --bootstrap")
    before, after = texts_or_usage_error([old] if old else []), texts_or_usage_error([new])
    total = lab.Outcome()
    try:
        for files in (before, after):
            lab.throughout(files)
        sources = _sources(logs, bootstrap, topic, from_ms, to_ms, strict)
        with progress("events") as advance:
            for outcome in lab.run(sources, before, after, processes or os.cpu_count() or 1):
                total.add(outcome)
                advance(outcome.events)
    except PolicyErrors as errors:
        raise click.UsageError(str(errors)) from errors
    except (RoomLogError, KafkaLogError, BreakerTripped) as error:
        raise click.ClickException(str(error)) from error
    except KafkaException as error:
        raise click.ClickException(f"{topic} cannot be read: {reason(error)}") from error
    found = lab.summary(total, samples)
    tell_faults(total.faults)
    if as_json:
        Screen().json(found)
    else:
        _print(found)


def _sources(
    logs: tuple[str, ...], bootstrap: str | None, topic: str, from_ms: int, to_ms: int | None, strict: bool
) -> "list[Source]":
    from worker.tools.backtest import END_OF_TIME_MS, Source, partitions_of

    end_ms = END_OF_TIME_MS if to_ms is None else to_ms
    if bootstrap:
        numbers = partitions_of(bootstrap, topic)
        return [Source("", bootstrap, topic, number, from_ms, end_ms) for number in numbers]
    return [Source(path=path, partition=n, from_ms=from_ms, to_ms=end_ms, strict=strict) for n, path in enumerate(logs)]


def _print(found: dict[str, Any]) -> None:
    screen = Screen()
    rows = []
    for row in found["rules"]:
        for mode in ("live", "shadow"):
            counts = row[mode]
            if not counts["old"] and not counts["new"]:
                continue
            parked = f"{row['parked']['old']} → {row['parked']['new']}" if mode == "live" else ""
            cost = f"{row['seconds']['old'] * 1000:,.1f} → {row['seconds']['new'] * 1000:,.1f}"
            rooms = [f"+{room}" for room in counts["rooms_gained"]] + [f"-{room}" for room in counts["rooms_lost"]]
            numbers = [f"{counts[name]:,}" for name in ("old", "new", "gained", "lost")]
            rows.append((row["rule"], mode, *numbers, parked, cost, " ".join(rooms)))
    counted = ("old", "new", "gained", "lost", "parked", "cost old → new, ms")
    names = ("rule", "mode", *counted, "sample rooms")
    screen.table(names, rows, title="Episodes that would open", right=counted, fold=names[-3:])
    actions = [(row["action"], f"{row['old']:,}", f"{row['new']:,}") for row in found["actions"]]
    title = "Recommendations that would leave"
    screen.table(("action", "old", "new"), actions, title=title, right=("old", "new"))
    rooms_live = found["rooms_live"]
    screen.line(
        f"{found['events']:,} events; live rules would fire in {rooms_live['new']:,} rooms, before in "
        f"{rooms_live['old']:,}: {rooms_live['gained']:,} gained, {rooms_live['lost']:,} lost. "
        f"These rooms have no labels."
    )
