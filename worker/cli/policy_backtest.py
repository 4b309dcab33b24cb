"""`policy backtest`: a log under old and under new policies."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.dlq_letters import Since
from worker.topics import EVENTS_TOPIC

if TYPE_CHECKING:
    from worker.tools.backtest import Outcome, Source

BACKTEST_EXAMPLE = """
\b
Examples:
  stream-audit policy backtest --new new_policies monday.jsonl.zst tuesday.jsonl.zst
  stream-audit policy backtest --new new_policies --bootstrap 127.0.0.1:9092 --from 2d --to 1d --json
"""
DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(epilog=BACKTEST_EXAMPLE)
@click.argument("logs", nargs=-1, metavar="[LOG]…")
@click.option("--old", type=DIRECTORY, help="Policies to compare with.  [default: those that ship]")
@click.option("--new", type=DIRECTORY, required=True, help="Policies to try.")
@click.option("--bootstrap", metavar="HOST:PORT", help="Read the room log from these Kafka broker(s), not from files.")
@click.option("--topic", default=EVENTS_TOPIC, show_default=True, help="With --bootstrap: the room log.")
@click.option("--from", "from_ms", type=Since(), default=0, help="Only records since then: 6h, 2d, 2024-06-18T08:00.")
@click.option("--to", "to_ms", type=Since(), help="Only records before then, written likewise.")
@click.option(
    "--processes", type=click.IntRange(1, 256), help="Judge so many partitions at once.  [default: all cores]"
)
@click.option("--samples", type=click.IntRange(0, 100), default=3, show_default=True, help="Rooms to name per rule.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of the tables.")
def backtest(
    logs: tuple[str, ...], old: Path | None, new: Path, bootstrap: str | None, topic: str, from_ms: int,
    to_ms: int | None, processes: int | None, samples: int, as_json: bool,
) -> None:  # fmt: skip
    """Judge a room log twice, under old and under new policies, and say what would change.

    LOGs are files, each a partition of its own; or a topic with --bootstrap. Rooms whose beginning lies before --from
    are judged by what is in the range. Both sets of policies count as in force throughout. Nobody has labelled these
    rooms: rules *would fire*, rightly or not. Exit code 1 when the log cannot be read.
    """
    import os

    from confluent_kafka import KafkaException

    from worker.cli.options import texts_or_usage_error
    from worker.cli.terminal import progress
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
        sources = _sources(logs, bootstrap, topic, from_ms, to_ms)
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
    found = summary(total, samples)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _print(found)


def _sources(
    logs: tuple[str, ...], bootstrap: str | None, topic: str, from_ms: int, to_ms: int | None
) -> "list[Source]":
    from worker.tools.backtest import END_OF_TIME_MS, Source, partitions_of

    end_ms = END_OF_TIME_MS if to_ms is None else to_ms
    if bootstrap:
        numbers = partitions_of(bootstrap, topic)
        return [Source("", bootstrap, topic, number, from_ms, end_ms) for number in numbers]
    return [Source(path=path, partition=n, from_ms=from_ms, to_ms=end_ms) for n, path in enumerate(logs)]


def summary(total: "Outcome", samples: int) -> dict[str, Any]:
    """The comparison as plain values: rooms, rules and actions, old beside new."""
    old, new = total.old, total.new
    before, after = ({room for room, _, _ in side.live} for side in (old, new))
    rules = sorted({rule for side in (old, new) for _, _, rule in side.live | side.shadow} | old.rule_seconds.keys()
                   | new.rule_seconds.keys())  # fmt: skip
    return {
        "events": total.events,
        "rooms_live": {"old": len(before), "new": len(after), "gained": len(after - before),
                       "lost": len(before - after)},
        "rules": [_of_rule(rule, total, samples) for rule in rules],
        "actions": [
            {"action": action, "old": old.actions.get(action, 0), "new": new.actions.get(action, 0)}
            for action in sorted(old.actions.keys() | new.actions.keys())
        ],
    }  # fmt: skip


def _of_rule(rule: str, total: "Outcome", samples: int) -> dict[str, Any]:
    old, new = total.old, total.new
    row: dict[str, Any] = {"rule": rule}
    for mode in ("live", "shadow"):
        before, after = ({e for e in getattr(side, mode) if e[2] == rule} for side in (old, new))
        row[mode] = {
            "old": len(before), "new": len(after), "gained": len(after - before), "lost": len(before - after),
            "rooms_gained": sorted({e[0] for e in after - before})[:samples],
            "rooms_lost": sorted({e[0] for e in before - after})[:samples],
        }  # fmt: skip
    row["parked"] = {"old": old.parked.get(rule, 0), "new": new.parked.get(rule, 0)}
    row["seconds"] = {name: round(side.rule_seconds.get(rule, 0.0), 6) for name, side in (("old", old), ("new", new))}
    return row


def _print(found: dict[str, Any]) -> None:
    from rich.table import Table

    from worker.cli.terminal import console

    screen = console()
    table = Table("rule", "mode", title="Episodes that would open", title_justify="left")
    for name in ("old", "new", "gained", "lost", "parked", "cost old → new, ms"):
        table.add_column(name, justify="right")
    table.add_column("sample rooms", overflow="fold")
    for row in found["rules"]:
        for mode in ("live", "shadow"):
            counts = row[mode]
            if not counts["old"] and not counts["new"]:
                continue
            parked = f"{row['parked']['old']} → {row['parked']['new']}" if mode == "live" else ""
            cost = f"{row['seconds']['old'] * 1000:,.1f} → {row['seconds']['new'] * 1000:,.1f}"
            rooms = [f"+{room}" for room in counts["rooms_gained"]] + [f"-{room}" for room in counts["rooms_lost"]]
            numbers = [f"{counts[name]:,}" for name in ("old", "new", "gained", "lost")]
            table.add_row(row["rule"], mode, *numbers, parked, cost, " ".join(rooms))
    screen.print(table)
    actions = Table("action", "old", "new", title="Recommendations that would leave", title_justify="left")
    for row in found["actions"]:
        actions.add_row(row["action"], f"{row['old']:,}", f"{row['new']:,}")
    screen.print(actions)
    rooms = found["rooms_live"]
    screen.print(
        f"{found['events']:,} events; live rules would fire in {rooms['new']:,} rooms, before in {rooms['old']:,}: "
        f"{rooms['gained']:,} gained, {rooms['lost']:,} lost. Nobody has labelled these rooms.",
        highlight=False,
    )
