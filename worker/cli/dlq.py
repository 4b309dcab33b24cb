"""`stream-audit dlq ls | show`: what was refused, and why; `dlq replay` is in `dlq_replay`.

A dead letter's key and value are the refused record as it came, which may hold a viewer's comment: they are shown
by `show --value` only.
"""

from typing import Any

import click

from worker.cli.arguments import Place, Since
from worker.cli.dlq_replay import replay
from worker.cli.groups import Group
from worker.cli.terminal import Screen
from worker.ingress.reject import Reason
from worker.tools.deadletters import DeadLettersError, LetterFilter, Reader, letter_of, newest, preview, text_of
from worker.tools.times import time_of
from worker.topics import DEAD_LETTERS_TOPIC


@click.group(cls=Group, epilog="Example: stream-audit dlq ls --bootstrap 127.0.0.1:9092 --since 1h")
def dlq() -> None:
    """List, show and replay dead letters."""


_bootstrap = click.option("--bootstrap", required=True, metavar="HOST:PORT", help="Kafka broker(s), comma-separated.")
_topic = click.option(
    "--dead-letters", default=DEAD_LETTERS_TOPIC, show_default=True, metavar="TOPIC", help="Topic to read."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@dlq.command(epilog="Example: stream-audit dlq ls --bootstrap 127.0.0.1:9092 --class missing_field --since 1h")
@_bootstrap
@_topic
@click.option("--class", "reason", type=click.Choice([r.value for r in Reason]), help="Only this class.")
@click.option("--topic", metavar="TOPIC", help="Only records that were read from this topic.")
@click.option("--since", type=Since(), help="Only records of this time or later: 30m, 6h, 2d, or 2024-06-18T08:00.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Rows to print.")
@click.option(
    "--scan", type=click.IntRange(1, 10_000_000), default=100_000, show_default=True,
    help="Records to read at most, the newest of each partition.",
)  # fmt: skip
@_json
def ls(
    bootstrap: str,
    dead_letters: str,
    reason: str | None,
    topic: str | None,
    since: int | None,
    limit: int,
    scan: int,
    as_json: bool,
) -> None:
    """List dead letters, the newest last, and count all that match by class."""
    wanted = LetterFilter(reason, topic, since)
    try:
        with Reader(bootstrap, dead_letters) as reader:
            found = newest(reader, wanted, scan=scan, limit=limit)
    except DeadLettersError as error:
        raise click.ClickException(str(error)) from error
    screen = Screen()
    if as_json:
        rows = [
            {**letter.row(), "replayed": letter.original in found.replayed, "refused_again": letter.is_again}
            for letter in found.letters
        ]
        counted = {"counts": found.counts, "read": found.read, "not_read": found.left_out}
        screen.json({"records": rows, **counted}, indent=None)
        return
    cells = []
    for letter in found.letters:
        row = letter.row()
        original = f"{row['original_topic']} {row['original_partition']}:{row['original_offset']}"
        fate = "yes" if letter.original in found.replayed else "refused again" if letter.is_again else ""
        place = f"{letter.partition}:{letter.offset}"
        cells.append((place, time_of(letter.timestamp_ms), row["class"], row["stage"], original, row["bytes"], fate))
    names = ("place", "time", "class", "stage", "original", "bytes", "replayed")
    screen.table(names, cells, right=("place", "bytes"), fold=("time", "class", "original", "replayed"))
    for name, count in found.counts.most_common():
        screen.line(f"{count:>8} {name}")
    more = f"; {found.left_out} older ones were not read (--scan)" if found.left_out else ""
    screen.line(f"{found.counts.total()} of {found.read} dead letters match{more}")


@dlq.command(epilog="Example: stream-audit dlq show 3:1042 --bootstrap 127.0.0.1:9092 --value")
@click.argument("place", type=Place(), metavar="PARTITION:OFFSET")
@_bootstrap
@_topic
@click.option("--value", "with_value", is_flag=True, help="Also key and value, which may hold viewers' comments.")
@_json
def show(place: tuple[int, int], bootstrap: str, dead_letters: str, with_value: bool, as_json: bool) -> None:
    """Show one dead letter: its headers and the reason."""
    try:
        with Reader(bootstrap, dead_letters) as reader:
            message = reader.one(*place)
    except DeadLettersError as error:
        raise click.ClickException(str(error)) from error
    letter = letter_of(message)
    shown: dict[str, Any] = letter.row()
    shown["headers"] = [[name, None if value is None else text_of(value)] for name, value in letter.headers]
    if with_value:
        shown["key"] = preview(message.key())
        shown["value"] = preview(message.value())
    screen = Screen()
    if as_json:
        screen.json(shown, indent=None)
        return
    for name, value in shown.items():
        if name == "headers":
            for header, text in value:
                screen.line(f"  {header}: {'null' if text is None else text}")
        else:
            screen.line(f"{name}: {value}")


dlq.add_command(replay)
