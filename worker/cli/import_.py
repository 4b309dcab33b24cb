"""`stream-audit import`: the recording of a real room becomes a room log."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from worker.audit.events import Platform
from worker.cli.files import INPUT_FILE as FILE

if TYPE_CHECKING:
    from worker.lab.importers import Summary
    from worker.lab.importers.catalogue import Option

EXAMPLE = """
\b
Examples:
  stream-audit import --chat video.live_chat.json --speech video.en.vtt --region US -o room.jsonl.zst
  stream-audit import --chat live.xml --speech live.whisper.json --selling --salt-file salt -o room.jsonl
  stream-audit import --chat 'recordings/20260301-*.xml' --speech 'recordings/20260301-*.srt' -o room.jsonl
  stream-audit replay room.jsonl
"""

ROOM_ID = re.compile(r"[A-Za-z0-9:_.-]{1,64}")
POSITIVE = click.IntRange(min=1)


def _room_id(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not ROOM_ID.fullmatch(value):
        raise click.BadParameter("1 to 64 of A-Z a-z 0-9 : _ . -")
    return value


def _region(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[A-Za-z]{2}", value):
        raise click.BadParameter("two letters after ISO 3166, such as CN")
    return value.upper() if value else None


def _instant_ms(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter("a time after ISO 8601, such as 2026-03-01T20:00:00+08:00") from error
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)


def _moment_ms(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """A time from the start as h:mm:ss or m:ss, in ms; or an instant, in Unix ms."""
    if value is not None and re.fullmatch(r"\d{1,4}(:\d{1,2}){1,2}", value):
        seconds = 0
        for part in value.split(":"):
            seconds = seconds * 60 + int(part)
        return seconds * 1_000
    return _instant_ms(_, __, value)


def _format(_: click.Context, option: click.Parameter, value: str) -> str:
    if value != "auto":
        from worker.lab.importers.catalogue import names

        known = names("chat" if option.name == "chat_format" else "speech")
        if value not in known:
            raise click.BadParameter(f"is none of auto, {', '.join(known)}")
    return value


def _files(_: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[Path, ...]:
    """The files of a repeatable option: each value is a file, a folder or a pattern."""
    from worker.lab.importers.limits import ImportRefusedError
    from worker.lab.importers.parts import CHAT_SUFFIXES, SPEECH_SUFFIXES, expanded

    found: list[Path] = []
    for value in values:
        try:
            paths = expanded(value, CHAT_SUFFIXES if option.name == "chat" else SPEECH_SUFFIXES)
        except ImportRefusedError as error:
            raise click.BadParameter(str(error)) from error
        missing = next((path for path in paths if not path.is_file()), None)
        if missing is not None:
            raise click.BadParameter(f"file {str(missing)!r} does not exist, or is no file")
        if Path(value).is_dir():
            paths = _read_of(paths, "chat" if option.name == "chat" else "speech")
        found += [path for path in paths if path not in found]
    return tuple(found)


def _read_of(paths: list[Path], option: "Option") -> list[Path]:
    """Those of a folder's files that are read; the others are named."""
    from worker.cli.terminal import note
    from worker.lab.importers.formats import is_read

    kept = [path for path in paths if is_read(path, option)]
    for path in paths:
        if path not in kept:
            note(f"note: {path}: passed over, not a file that --{option} reads")
    if not kept:
        raise click.BadParameter(f"none of its files is read by --{option}; see --formats")
    return kept


def _out(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    if value is None:
        return None
    if not re.search(r"\.jsonl(\.gz|\.zst)?$", value.name):
        raise click.BadParameter("ends with .jsonl, .jsonl.gz or .jsonl.zst")
    if not value.parent.is_dir():
        raise click.BadParameter(f"there is no directory {value.parent}; make it first")
    return value


@click.command("import", epilog=EXAMPLE)
@click.option(
    "--chat",
    multiple=True,
    callback=_files,
    help="What viewers wrote: a file, a folder or a pattern; again for each part of the broadcast.",
)
@click.option("--chat-format", metavar="NAME", callback=_format, default="auto", show_default=True)
@click.option(
    "--speech",
    multiple=True,
    callback=_files,
    help="What the host said: subtitles or a recogniser's file; as many as --chat, in the same order.",
)
@click.option("--speech-format", metavar="NAME", callback=_format, default="auto", show_default=True)
@click.option("--platform", type=click.Choice(get_args(Platform)), help="Default: by the chat's format.")
@click.option("--region", callback=_region, help="ISO 3166. Default: CN for bilibili, else ZZ (unknown).")
@click.option("--room-id", callback=_room_id, help="Written as it is. Default: a keyed hash.")
@click.option("--host-id", help="Whose room it is; written as a keyed hash.")
@click.option("--selling/--not-selling", default=False, show_default=True, help="Whether the room sells.")
@click.option("--started-at", "started_at_ms", callback=_instant_ms, help="ISO 8601. Default: from the chat.")
@click.option("--speech-offset-ms", type=int, default=0, show_default=True, help="Shifts speech against chat.")
@click.option("--since", "since_ms", callback=_moment_ms, help="h:mm:ss from the start, or ISO 8601.")
@click.option("--until", "until_ms", callback=_moment_ms, help="h:mm:ss from the start, or ISO 8601.")
@click.option("--salt-file", type=FILE, help="Key of the hashes (≥ 16 bytes). Default: random, thrown away.")
@click.option("--max-chat-mb", type=POSITIVE, default=1024, show_default=True)
@click.option("--max-speech-mb", type=POSITIVE, default=64, show_default=True)
@click.option("--max-items", type=POSITIVE, default=2_000_000, show_default=True, help="Messages; segments.")
@click.option("--max-hours", type=click.IntRange(1, 1_000), default=48, show_default=True)
@click.option("--max-bad-percent", type=click.FloatRange(0, 100), default=5.0, show_default=True)
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), callback=_out, help="Required.")
@click.option("--formats", is_flag=True, help="List what is read, and what each format can tell.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def import_(
    *, chat: tuple[Path, ...], speech: tuple[Path, ...], salt_file: Path | None, out: Path | None,
    as_json: bool, formats: bool, max_chat_mb: int, max_speech_mb: int, max_items: int, max_hours: int,
    max_bad_percent: float, **room: Any,
) -> None:  # fmt: skip
    """Turn the recording of a real room (chat, subtitles, or both) into a room log for `replay`.

    People's ids become keyed hashes and names are left out; what people wrote and said stays, so keep the
    log as safe as the recording.
    """
    from worker.lab.importers import ImportRefusedError, Job, Limits, import_recording
    from worker.lab.importers.limits import HOUR_MS, MIB

    if formats:
        _show_formats(as_json=as_json)
        return
    if out is None:
        raise click.UsageError("Missing option '-o' / '--out'.")
    if not chat and not speech:
        raise click.UsageError("give --chat FILE, --speech FILE, or both")
    limits = Limits(
        chat_bytes=max_chat_mb * MIB, speech_bytes=max_speech_mb * MIB, items=max_items,
        span_ms=max_hours * HOUR_MS, bad_ratio=max_bad_percent / 100,
    )  # fmt: skip
    job = Job(chat=chat, speech=speech, salt=salt_file, out=out, limits=limits, **room)
    total = sum(path.stat().st_size for path in (*chat, *speech))
    try:
        with _progress(total, hidden=as_json) as (bar, task):
            summary = import_recording(job, lambda count: bar.advance(task, count))
    except ImportRefusedError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        from dataclasses import asdict

        from worker.cli.terminal import Screen

        Screen().json(asdict(summary))
    else:
        _show(summary)


def _show_formats(*, as_json: bool) -> None:
    from dataclasses import asdict

    from worker.cli.terminal import Screen
    from worker.lab.importers.catalogue import FORMATS

    if as_json:
        Screen().json([asdict(row) for row in FORMATS])
        return
    rows = [(f"--{row.option}", row.name, row.writers, row.times, row.lacks) for row in FORMATS]
    Screen().table(("option", "format", "written by", "times", "lacks"), rows)


def _progress(total: int, *, hidden: bool) -> Any:
    """A context manager giving (bar, task); the bar shows on a terminal only, and goes when it is done."""
    from contextlib import contextmanager

    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from worker.cli.terminal import console

    @contextmanager
    def context() -> Any:
        screen = console(stderr=True)
        columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=screen, transient=True, disable=hidden or not screen.is_terminal) as bar:
            yield bar, bar.add_task("reading", total=total)

    return context()


def _show(summary: "Summary") -> None:
    from worker.cli.terminal import Screen

    screen = Screen()
    rows = [(type_, f"{count:,}") for type_, count in summary.events.items()]
    for heading, counts in (("left out", summary.dropped), ("changed", summary.changed)):
        rows += [(f"{heading}: {reason}", f"{count:,}") for reason, count in counts.items()]
    if summary.unreadable:
        rows.append(("left out: unreadable", f"{summary.unreadable:,}"))
    screen.table(("event", "count"), rows, title=summary.out, right=("count",), fold=("event",))
    start = datetime.fromtimestamp(summary.start_ms / 1_000, UTC)
    minutes = (summary.end_ms - summary.start_ms) / 60_000
    speech = "no speech" if summary.speech_ratio is None else f"speech in {summary.speech_ratio:.0%} of it"
    formats = ", ".join(f"{kind}: {name}" for kind, name in summary.formats.items())
    screen.line(f"{start:%Y-%m-%d %H:%M:%S} UTC, {minutes:.1f} min, {speech} ({formats})")
    for bad in summary.unreadable_first:
        screen.line(f"line {bad['line']}: {bad['why']}", style="yellow")
    for warning in summary.warnings:
        screen.line(f"note: {warning}", style="yellow")
    screen.command(f"Next: {summary.next}")
