"""One import: read chat and speech, align them, write the room log, say what was in it."""

import gzip
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import zstandard

from worker.lab.importers.formats import read_chat, read_speech
from worker.lab.importers.limits import ImportRefusedError, Limits
from worker.lab.importers.pseudonym import Pseudonyms
from worker.lab.importers.recording import Chat, Ledger, Progress, Speech
from worker.lab.importers.roomlog import Room, RoomLog, align_speech

UNKNOWN_START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z, if neither file nor user knows when it was
LATEST_START_MS = 4_000_000_000_000
UNKNOWN_REGION = "ZZ"
GAP_MS = 120_000  # chat that goes on this long after the last speech deserves a warning


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to import and what to say of the room where the files do not. At least one of chat and speech is
    given.
    """

    out: Path
    chat: Path | None = None
    chat_format: str = "auto"
    speech: Path | None = None
    speech_format: str = "auto"
    platform: str | None = None
    region: str | None = None
    room_id: str | None = None
    host_id: str | None = None
    selling: bool = False
    started_at_ms: int | None = None
    speech_offset_ms: int = 0
    salt: Path | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class Summary:
    """What an import did; holds no text, names or ids of people."""

    out: str
    formats: dict[str, str]
    events: dict[str, int]
    dropped: dict[str, int]
    changed: dict[str, int]
    unreadable: int
    unreadable_first: list[dict[str, Any]]
    warnings: list[str]
    start_ms: int
    end_ms: int
    speech_ratio: float | None
    next: str


def import_recording(job: Job, progress: Progress = lambda _: None) -> Summary:
    """Writes `job.out` whole or not at all.

    Raises:
        ImportRefusedError: an input is refused, or the output cannot be written.
    """
    ledger = Ledger(job.limits)
    pseudonyms = Pseudonyms.from_salt_file(job.salt)
    _protect_inputs(job)
    formats: dict[str, str] = {}
    chat = Chat(job.platform or "other", ledger)
    segments: list[Speech] = []
    if job.chat is not None:
        formats["chat"], chat = read_chat(job.chat, job.chat_format, ledger, progress)
    if job.speech is not None:
        formats["speech"], segments = read_speech(job.speech, job.speech_format, ledger, progress)
    speech = align_speech(segments, job.speech_offset_ms, ledger)
    if not chat.items and not speech:
        raise ImportRefusedError(f"nothing to import: {_reasons(ledger)}")
    room = _room(job, chat, pseudonyms)
    log = RoomLog(
        room, chat.items, speech, length_ms=chat.length_ms, pseudonyms=pseudonyms, ledger=ledger, gaps=chat.gaps
    )
    _warn(job, log, ledger)
    write_lines(job.out, log)
    length = log.span.length_ms
    return Summary(
        out=str(job.out), formats=formats, events=dict(sorted(log.events.items())),
        dropped=dict(ledger.dropped.most_common()), changed=dict(ledger.changed.most_common()),
        unreadable=ledger.bad,
        unreadable_first=[{"line": line, "why": why} for line, why in ledger.bad_lines],
        warnings=ledger.warnings, start_ms=room.started_at_ms, end_ms=room.started_at_ms + length,
        speech_ratio=round(log.span.speech_ms / length, 4) if job.speech and length else None,
        next=f"stream-audit replay {job.out}",
    )  # fmt: skip


def _reasons(ledger: Ledger) -> str:
    counts = ", ".join(f"{count} × {reason}" for reason, count in ledger.dropped.most_common(5))
    return counts or "the files have no message and no speech"


def _protect_inputs(job: Job) -> None:
    for path in (job.chat, job.speech, job.salt):
        if path is not None and path.exists() and job.out.exists() and path.samefile(job.out):
            raise ImportRefusedError(f"{job.out}: is an input, too; choose another output")


def _room(job: Job, chat: Chat, pseudonyms: Pseudonyms) -> Room:
    platform = job.platform or chat.platform
    start = job.started_at_ms if job.started_at_ms is not None else chat.started_at_ms
    if start is None or not 0 <= start <= LATEST_START_MS:
        start = UNKNOWN_START_MS
        chat.ledger.warnings.append("when the recording began is unknown: 2026-01-01 UTC stands for it (--started-at)")
    source = chat.room or chat.host or "recording"
    host = job.host_id or chat.host or source
    return Room(
        room_id=job.room_id or f"{platform}:{pseudonyms.of('room', platform, source)[:24]}",
        platform=platform,
        region=job.region or ("CN" if platform == "bilibili" else UNKNOWN_REGION),
        host_id=pseudonyms.of("host", platform, host),
        started_at_ms=start,
        selling=job.selling,
        title=chat.title,
    )


def _warn(job: Job, log: RoomLog, ledger: Ledger) -> None:
    last_speech = max((segment.end_ms for segment in log.speech), default=0)
    if not log.speech:
        ledger.warnings.append("no speech: nothing can show that the host answers; do not judge that by this log")
    elif log.items and log.items[-1].offset_ms > last_speech + GAP_MS:
        ledger.warnings.append(
            f"speech ends {(log.items[-1].offset_ms - last_speech) / 60_000:.0f} min before the chat: "
            "is the transcript whole, and --speech-offset-ms right?"
        )
    if not log.items:
        ledger.warnings.append("no chat: the log shows no viewer whom the host could answer")
    if job.salt is None:
        ledger.warnings.append("no --salt-file: another run will give the same people other ids")


def write_lines(out: Path, lines: Iterable[bytes]) -> None:
    """One line each, compressed after the name's ending (.gz, .zst), and moved into place once complete.

    The same lines give the same bytes. Raises ImportRefusedError if the place cannot be written.
    """
    try:
        with _replacing(out) as raw, ExitStack() as stack:
            file: Any = raw
            if out.suffix == ".gz":
                file = stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
            elif out.suffix == ".zst":
                file = stack.enter_context(zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False))
            for line in lines:
                file.write(line + b"\n")
    except OSError as error:
        raise ImportRefusedError(f"{out}: cannot be written: {error.strerror}") from error


@contextmanager
def _replacing(out: Path) -> Iterator[IO[bytes]]:
    """A new file beside `out` that takes its place at the end, and vanishes on any error."""
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(name, out)
    except BaseException:
        os.unlink(name)
        raise
