"""`explain`: one violation in words and numbers, and the proof that it follows from the room's log."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.book import POLICIES, policies_or_usage_error, published, with_published
from worker.cli.files import INPUT_FILE, INPUT_PATH, places_or_usage_error
from worker.cli.logs import reading_a_violation, tell_faults

if TYPE_CHECKING:
    from worker.cli.terminal import Screen
    from worker.tools.explanation import Share

BAR_CELLS = 30
WITHOUT_BAR_CELLS = 67  # of the table of evidence


@click.command(name="explain")
@click.argument("violation_id", metavar="ID")
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=INPUT_PATH,
    help="A directory that `demo` wrote, a file of violations, or a room log; repeatable.  [default: build/demo]",
)
@click.option("--bootstrap", metavar="HOST:PORT", help="Look in Kafka: live.audit.violations, live.room.events.")
@POLICIES
@click.option(
    "--policy-log",
    type=INPUT_FILE,
    help="Records of live.audit.policies, one JSON record a line.  [with --bootstrap: the topic, when it was in force]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain(
    violation_id: str, sources: tuple[Path, ...], bootstrap: str | None, policies: Path | None,
    policy_log: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Say why a violation was emitted, and recompute it from the room's log.

    ID is the violation's id, or as much of its beginning as is unique. Exit code 0: it comes out again, identical to
    the byte; 1: it does not, or cannot be found; then the differences are listed.

    \b
    Example:
      stream-audit explain k3f7q2 --from build/demo
      stream-audit explain k3f7q2 --bootstrap localhost:9092
    """
    import msgspec

    from worker.partition.rooms import BreakerTripped
    from worker.policy.judge import Judge
    from worker.tools.kafkalog import KafkaLog, KafkaLogError
    from worker.tools.lookup import Files, NotFoundError, find_in_kafka, log_in_kafka, verdict_of
    from worker.tools.roomlog import Faults, RoomLogError
    from worker.topics import POLICIES_TOPIC

    if bootstrap and sources:
        raise click.UsageError("--from and --bootstrap exclude each other.")
    book = policies_or_usage_error(policies)
    feed = published(book, policy_log) if policy_log else None
    faults = Faults()
    try:
        with ExitStack() as stack:
            stack.enter_context(reading_a_violation())
            stack.callback(tell_faults, faults)
            if bootstrap:
                kafka = stack.enter_context(KafkaLog(bootstrap))
                line = find_in_kafka(kafka, violation_id)
                violation: dict[str, Any] = msgspec.json.decode(line.value)
                control = violation["control"]
                if (control["policies"] is not None or control.get("trust") == "signed") and not policy_log:
                    feed = with_published(book, list(kafka.read(POLICIES_TOPIC)))
                # What was upheld in former sessions stands before this one in the log.
                records = log_in_kafka(kafka, violation, whole="began_at_step" in violation["facts"].get("history", ()))
            else:
                files = Files.sort(places_or_usage_error(sources), faults)
                line = files.find(violation_id)
                violation = msgspec.json.decode(line.value)
                records = files.log_of(violation)
            verdict, found = verdict_of(Judge(feed.book if feed else book), line, violation, records, feed=feed)
    except (NotFoundError, KafkaLogError, RoomLogError, BreakerTripped) as error:
        raise click.ClickException(str(error)) from error
    from worker.cli.terminal import Screen

    screen = Screen()
    if as_json:
        screen.json({"violation": violation, "recomputed": verdict, "differences": found})
    else:
        with reading_a_violation():
            _show(screen, violation)
        _print_verdict(screen, verdict, found)
    if verdict != "identical":
        raise SystemExit(1)


def _print_verdict(screen: "Screen", verdict: str, found: list[str]) -> None:
    screen.line()
    screen.line(f"recomputed: {verdict}", style="bold green" if verdict == "identical" else "bold red")
    for difference in found:
        screen.line(f"  {difference}")


def _show(screen: "Screen", violation: dict[str, Any]) -> None:
    from worker.tools.explanation import sections

    for at, section in enumerate(sections(violation)):
        if at:
            screen.line()
        screen.line(section.heading, style="bold")
        if section.shares:
            _show_shares(screen, section.shares)
        widest = max((len(label) for label, _ in section.lines), default=0)
        for label, text in section.lines:
            screen.line(text if label else f"  {text}", label=f"  {label:<{widest}}  " if label else "")


def _show_shares(screen: "Screen", shares: "tuple[Share, ...]") -> None:
    widest = max(abs(share.nats) for share in shares) or 1.0
    bar_cells = min(BAR_CELLS, max(8, screen.console.width - WITHOUT_BAR_CELLS))
    rows: list[tuple[str, ...]] = []
    for share in shares:
        bar = ("█" if share.nats >= 0 else "░") * round(abs(share.nats) / widest * bar_cells)
        numbers = ("" if n is None else f"{n:.2f}" for n in (share.value, share.norm))
        blocks = "" if share.blocks is None else str(share.blocks)
        rows.append((f"  {share.signal}", f"{share.nats:+.3f}", bar, *numbers, blocks, share.since))
    rows.append(("  ln e", f"{sum(share.nats for share in shares):+.3f}", "", "", "", "", ""))
    names = ("  signal", "nats", "", "value", "norm", "blocks", "since")
    screen.table(names, rows, right=("nats", "value", "norm", "blocks"), fold=("since",), framed=False)
