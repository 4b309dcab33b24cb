"""One import: read chat and speech, align them, write the room log, say what was in it."""

import gzip
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import zstandard

from worker.lab.importers.formats import read_chat, read_speech
from worker.lab.importers.limits import ImportRefusedError, Limits
from worker.lab.importers.parts import join_chats, join_speech, start_in_name
from worker.lab.importers.pseudonym import Pseudonyms
from worker.lab.importers.recording import Chat, Item, Ledger, Progress, Speech
from worker.lab.importers.roomlog import Room, RoomLog, align_speech
from worker.lab.importers.spool import Spool

UNKNOWN_START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z, if neither file nor user knows when it was
LATEST_START_MS = 4_000_000_000_000
UNKNOWN_REGION = "ZZ"
AS_INSTANT_MS = 100_000_000_000  # a smaller time counts from the start
GAP_MS = 120_000  # chat that goes on this long after the last speech deserves a warning


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to import and what to say of the room where the files do not. At least one of chat and speech is
    given; several are parts of one broadcast.
    """

    out: Path
    chat: Path | tuple[Path, ...] | None = None
    chat_format: str = "auto"
    speech: Path | tuple[Path, ...] | None = None
    speech_format: str = "auto"
    platform: str | None = None
    region: str | None = None
    room_id: str | None = None
    host_id: str | None = None
    selling: bool = False
    started_at_ms: int | None = None
    speech_offset_ms: int = 0
    since_ms: int | None = None
    """Leave out what comes before, and `until_ms` what comes after: ms from the start, or Unix ms if that large."""
    until_ms: int | None = None
    salt: Path | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def chats(self) -> tuple[Path, ...]:
        return _paths(self.chat)

    @property
    def speeches(self) -> tuple[Path, ...]:
        return _paths(self.speech)


def _paths(given: Path | tuple[Path, ...] | None) -> tuple[Path, ...]:
    return () if given is None else (given,) if isinstance(given, Path) else given


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
    chats = [(path, *read_chat(path, job.chat_format, ledger, progress)) for path in job.chats]
    spoken = [(path, *read_speech(path, job.speech_format, ledger, progress)) for path in job.speeches]
    for kind, found in (("chat", [name for _, name, _ in chats]), ("speech", [name for _, name, _ in spoken])):
        if found:
            formats[kind] = ", ".join(dict.fromkeys(found))
    parts = [(path, chat) for path, _, chat in chats]
    chat = join_chats(parts, ledger) if parts else Chat(job.platform or "other", ledger)
    starts = [(path, part.started_at_ms) for path, part in parts]
    segments = join_speech([(path, said) for path, _, said in spoken], starts, chat.started_at_ms, ledger)
    if chat.started_at_ms is None and segments and len(spoken) > 1:
        chat.started_at_ms = min((at for path, _, _ in spoken if (at := start_in_name(path))), default=None)
    speech = align_speech(segments, job.speech_offset_ms, ledger)
    if not chat.items and not speech:
        raise ImportRefusedError(f"nothing to import: {_reasons(ledger)}")
    room = _room(job, chat, pseudonyms)
    if job.since_ms is not None or job.until_ms is not None:
        room, speech = _cut(job, room, chat, speech)
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
    for path in (*job.chats, *job.speeches, job.salt):
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


def _cut(job: Job, room: Room, chat: Chat, speech: list[Speech]) -> tuple[Room, list[Speech]]:
    """(`room` from `since_ms` on, its speech up to `until_ms`); `chat` is cut likewise.

    Raises:
        ImportRefusedError: nothing is left.
    """
    since, until = (
        at if at is None or at < AS_INSTANT_MS else at - room.started_at_ms for at in (job.since_ms, job.until_ms)
    )
    begin = max(0, since or 0)
    end = job.limits.span_ms if until is None else until
    before = len(chat.items) + len(speech)
    kept = Spool[Item](Item)
    for item in chat.items:
        if begin <= item.offset_ms <= end:
            item.offset_ms -= begin
            kept.append(item)
    chat.items = kept
    speech = [segment for segment in speech if begin <= segment.start_ms and segment.end_ms <= end]
    if not chat.items and not speech:
        raise ImportRefusedError("nothing lies between --since and --until; the recording begins elsewhere")
    chat.ledger.drop("outside of --since and --until", before - len(chat.items) - len(speech))
    for segment in speech:
        segment.start_ms, segment.end_ms = segment.start_ms - begin, segment.end_ms - begin
    chat.gaps = [(max(0, one - begin), two - begin) for one, two in chat.gaps if two > begin]
    chat.length_ms = max(0, min(chat.length_ms, end) - begin)
    return replace(room, started_at_ms=room.started_at_ms + begin), speech


def _warn(job: Job, log: RoomLog, ledger: Ledger) -> None:
    last_speech = max((segment.end_ms for segment in log.speech), default=0)
    if not log.speech:
        ledger.warnings.append("no speech: nothing can show that the host answers; do not judge that by this log")
    elif (last_item := log.last_item_ms()) is not None and last_item > last_speech + GAP_MS:
        ledger.warnings.append(
            f"speech ends {(last_item - last_speech) / 60_000:.0f} min before the chat: "
            "is the transcript whole, and --speech-offset-ms right?"
        )
    if log.last_item_ms() is None:
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
