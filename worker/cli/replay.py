"""`replay`: room logs → violations and a table of rooms, without Kafka, by the engine's own processor."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.book import POLICIES, policies_or_usage_error, published
from worker.cli.files import INPUT_FILE, INPUT_LOG, OutputFile
from worker.cli.logs import STRICT, tell_faults
from worker.topics import DEAD_LETTERS_TOPIC, VIOLATIONS_TOPIC

if TYPE_CHECKING:
    from worker.partition.rooms import Counts
    from worker.tools.replay import Replay
    from worker.tools.roomlog import Faults, LogRecord

MEMORY_EVERY = 500_000
NOT_A_ROOM_LOG = "A recording (chat, subtitles) becomes a room log by `stream-audit import`."
LEVELS = ("", "watch", "label", "limit", "restrict")


@click.command(name="replay")
@click.argument("files", nargs=-1, required=True, type=INPUT_LOG, metavar="FILE…")
@POLICIES
@click.option(
    "--policy-log",
    type=INPUT_FILE,
    help="Records of live.audit.policies, one JSON record a line; what they publish holds from its event time on.",
)
@click.option(
    "-o",
    "--output",
    type=OutputFile(dash=True),
    metavar="FILE",
    help="Write violations there, one JSON record a line; - is stdout.",
)
@click.option(
    "--dead-letters",
    type=OutputFile(),
    metavar="FILE",
    help="Write rejected records there, as a room log with headers.",
)
@click.option("--rooms", "all_rooms", is_flag=True, help="List every room, not only those with violations.")
@click.option(
    "--memory", is_flag=True, help="Say on stderr, every 500,000 events and at the end, how much memory is in use."
)
@STRICT
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in place of tables.")
def replay(
    files: tuple[str, ...],
    policies: Path | None,
    policy_log: Path | None,
    output: str | None,
    dead_letters: str | None,
    all_rooms: bool,
    memory: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Judge room logs without Kafka.

    A FILE holds one event or Kafka record a line (JSONL, also .gz and .zst, - for standard input). Several files
    stand for several partitions. Lines that are no records are counted and left out, and a log that was cut off, as a
    crash leaves it, is read as far as it goes. Exit code 0: no live rule is violated; 1: some is, a log cannot be
    read, or no event could be judged.

    \b
    Example:
      stream-audit replay room.jsonl.zst -o violations.jsonl --rooms
    """
    from worker.cli.terminal import note, progress
    from worker.partition.rooms import BreakerTripped
    from worker.policy.judge import Judge
    from worker.tools.replay import Replay, original_of, violation_line
    from worker.tools.roomlog import Faults, RoomLogError, Writer

    if as_json and output == "-":
        raise click.UsageError("--json and -o - would both write to standard output; give one of them a file.")
    book = policies_or_usage_error(policies)
    feed = published(book, policy_log) if policy_log else None
    run = Replay(Judge(feed.book if feed else book), feed=feed)
    faults = Faults()
    problem = ""
    with ExitStack() as stack:
        out = stack.enter_context(Writer(output)) if output else None
        letters = stack.enter_context(Writer(dead_letters)) if dead_letters else None
        advance = stack.enter_context(progress("events"))
        try:
            records = _records(files, None if strict else faults, advance)
            for step in run.run(_watch_memory(run, records) if memory else records):
                if out is not None:
                    for record in step.of(VIOLATIONS_TOPIC):
                        out.line(violation_line(record))
                if letters is not None:
                    for letter in step.of(DEAD_LETTERS_TOPIC):
                        letters.record(original_of(letter))
        except (RoomLogError, BreakerTripped) as error:
            problem = str(error)
    counts = run.counts()
    seen = bool(counts.read or faults.bad or faults.cut)
    nothing = seen and counts.read == counts.dead_lettered
    if nothing and not problem:
        problem = "no event could be judged"
    if as_json:
        _print_json(run, counts, faults, problem)
    else:
        _print_tables(run, counts, all_rooms, to_stderr=output == "-")
    tell_faults(faults)
    if problem:
        note(f"Error: {problem}")
    if nothing:
        note(NOT_A_ROOM_LOG)
    if problem or any(mode == "live" for _, mode, _ in counts.violations_by_rule()):
        raise SystemExit(1)


def _records(files: tuple[str, ...], faults: "Faults | None", advance: Any) -> Iterator["LogRecord"]:
    from worker.tools.roomlog import read

    for index, path in enumerate(files):
        for record in read(path, partition=index, faults=faults):
            advance(1)
            yield record


def _watch_memory(run: "Replay", records: Iterable["LogRecord"]) -> Iterator["LogRecord"]:
    """Passes `records` on, and tells every now and then, and at the end, what the process holds."""
    count = 0
    for count, record in enumerate(records, start=1):
        yield record
        if count % MEMORY_EVERY == 0:
            _tell_memory(run, count)
    if not count or count % MEMORY_EVERY:
        _tell_memory(run, count)


def _tell_memory(run: "Replay", count: int) -> None:
    from worker.cli.terminal import note
    from worker.metrics import resident_bytes

    kept, resident_mb = run.rooms_kept, resident_bytes() / 1e6
    note(f"{count:,} events: {kept:,} rooms kept, {resident_mb:,.0f} MB resident")


def _accounting(counts: "Counts") -> str:
    return (
        f"read {counts.read:,} = applied {counts.applied:,} + duplicate {counts.duplicate:,} + late {counts.late:,}"
        f" + foreign {counts.foreign:,} + replay-skipped {counts.replay_skipped:,}"
        f" + dead-lettered {counts.dead_lettered:,}"
    )


def _print_tables(run: "Replay", counts: "Counts", all_rooms: bool, *, to_stderr: bool) -> None:
    from worker.cli.terminal import Screen

    screen = Screen(stderr=to_stderr)
    names = ("room", "platform", "highest levels", "rules opened", "events")
    rows = [
        (room.room_id, room.platform, _levels(room.peaks), ", ".join(room.rules), f"{room.events:,}")
        for room in run.rooms()
        if all_rooms or room.rules
    ]
    title = "Rooms" if all_rooms else "Rooms with violations"
    screen.table(names, rows, title=title, right=("events",), fold=names[:4])
    for (rule, mode, step), count in sorted(counts.violations_by_rule().items()):
        screen.line(f"{rule} {mode} step {step}: {count:,} violation records")
    for (action, reason), count in sorted(counts.requests.items()):
        screen.line(f"requests, {action}, {reason}: {count:,}")
    for (outcome, result), count in sorted(counts.reviews.items()):
        screen.line(f"reviews, {outcome}, {result.replace('_', ' ')}: {count:,}")
    for reason, count in sorted(counts.rejected.items()):
        screen.line(f"dead letters, {reason}: {count:,}")
    screen.line(f"{len(run.rooms()):,} rooms, {counts.violations:,} violation records")
    screen.line(_accounting(counts))


def _levels(peaks: dict[str, int]) -> str:
    return " ".join(f"{family}:{LEVELS[level]}" for family, level in peaks.items() if level)


def _print_json(run: "Replay", counts: "Counts", faults: "Faults", problem: str) -> None:
    from worker.cli.terminal import Screen

    rooms = [
        {
            "room_id": room.room_id,
            "platform": room.platform,
            "events": room.events,
            "rules": room.rules,
            "peak_levels": {f: LEVELS[level] for f, level in room.peaks.items() if level},
        }
        for room in run.rooms()
    ]
    found = {
        "rooms": rooms,
        "violations": [
            {"rule": rule, "mode": mode, "step": step, "count": count}
            for (rule, mode, step), count in sorted(counts.violations_by_rule().items())
        ],
        "requests": [
            {"action": action, "reason": reason, "count": count}
            for (action, reason), count in sorted(counts.requests.items())
        ],
        "reviews": [
            {"outcome": outcome, "result": result, "count": count}
            for (outcome, result), count in sorted(counts.reviews.items())
        ],
        "dead_letters": {str(reason): count for reason, count in sorted(counts.rejected.items())},
        "accounting": {
            name: getattr(counts, name)
            for name in ("read", "applied", "duplicate", "late", "foreign", "replay_skipped", "dead_lettered")
        },
        "bad_lines": {"count": faults.bad, "first": faults.first},
        "cut_off": faults.cut,
        "empty": faults.empty,
        "problem": problem or None,
    }
    Screen().json(found)
