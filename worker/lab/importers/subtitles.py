"""Subtitles and simple transcripts as lines: ASS, LRC, TSV, labels, and blocks under the name of a speaker.

Each has a start, some no end: such a line ends where the next begins, at most ten seconds later. Danmaku
written as ASS are a picture of a chat and no speech.
"""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from worker.lab.importers.captions import without_growth
from worker.lab.importers.limits import ImportRefusedError
from worker.lab.importers.readable import read_text
from worker.lab.importers.recording import Ledger, Progress, Speech
from worker.lab.importers.spoken import spoken
from worker.lab.importers.transcript_entries import Piece, milliseconds
from worker.lab.importers.transcripts import Found, keep

ASS, LRC, TSV, LABELS, SPEAKERS = "ass", "lrc", "tsv", "labels", "speaker-blocks"
NAMES = (ASS, LRC, TSV, LABELS, SPEAKERS)
EVENT = "left out: drawing or chat, no speech"
_DANMAKU_STYLES = frozenset({
    "r2l", "l2r", "top", "btm", "sp", "danmaku", "gift", "message_box", "danmakufactory_stat", "scroll", "bottom",
})  # fmt: skip
_OVERRIDE = re.compile(r"\{[^{}]{0,2000}\}")
_CLOCK = re.compile(r"(\d{1,3}):(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?")
_STAMP = re.compile(r"\[(\d{1,4}):(\d{1,2}(?:[.:]\d{1,3})?)\]")
_OFFSET = re.compile(r"\[offset:\s?([+-]?\d{1,8})\]", re.I)
_TSV_HEAD = re.compile(r"\ufeff?start\tend\ttext\b")
_LABEL = re.compile(r"\ufeff?(\d{1,7}(?:[.,]\d{1,7})?)\t(\d{1,7}(?:[.,]\d{1,7})?)\t(.*)")
_SPEAKER_TAG = re.compile(r"\[\[?[A-Z_]{0,20}\d{0,4}\]?\]:?\s?")
_BLOCK = re.compile(
    r"\ufeff?(?:说话人|发言人|讲话人|Speaker|SPEAKER)[ _]?\S{0,20}?\s{1,8}((?:\d{1,3}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?)"
)


def what_subtitles_they_are(head: str) -> str:
    """The name of the format, or empty; "danmaku-ass" for a chat written as ASS."""
    start = head.lstrip("\ufeff \t\r\n")
    if (
        start[:200].lower().startswith(("[script info]", "[v4+ styles]", "[v4 styles]"))
        or "\nDialogue: " in start[:20_000]
    ):
        return "danmaku-ass" if _is_danmaku(start) else ASS
    lines = [line for line in start.split("\n")[:20] if line.strip()]
    if _TSV_HEAD.match(start):
        return TSV
    if lines and all(_LABEL.fullmatch(line.strip("\r")) for line in lines[: max(1, len(lines) - 1)]):
        return LABELS
    if sum(bool(_STAMP.match(line)) for line in lines) * 2 > len(lines):
        return LRC
    if lines and _BLOCK.fullmatch(lines[0].strip()):
        return SPEAKERS
    return ""


def _is_danmaku(text: str) -> bool:
    """Whether the events move over the picture, or have the styles of a chat."""
    if "DanmakuFactory" in text[:400] or "DanmakuRender" in text[:400]:
        return True
    events = [line for line in text.split("\n") if line.startswith(("Dialogue:", "Comment:"))][:200]
    styles = [fields[3].strip().lower() for line in events if len(fields := line.split(",", 9)) == 10]
    moving = sum("\\move(" in line or ",Banner;" in line for line in events)
    return moving * 2 > len(events) or sum(style in _DANMAKU_STYLES for style in styles) * 2 > max(1, len(events))


def read_subtitles(path: Path, wanted: str, ledger: Ledger, progress: Progress) -> list[Speech]:
    """Segments of a file of one of `NAMES`.

    Raises:
        ImportRefusedError: too large, no line, or too many unreadable lines.
    """
    text = read_text(path, ledger.limits.speech_bytes, "--max-speech-mb", ledger, progress)
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    bad_before, found = ledger.bad, Found()
    reader: Callable[[str, Found, Ledger], None] = {
        ASS: _ass, LRC: _lrc, TSV: _tsv, LABELS: _labels, SPEAKERS: _blocks,
    }[wanted]  # fmt: skip
    reader(text, found, ledger)
    return in_order(path, found, bad_before, ledger)


def in_order(path: Path, found: Found, bad_before: int, ledger: Ledger) -> list[Speech]:
    """The segments of what was found in a file, by time. `bad_before`: how many entries were unreadable before it.

    Raises:
        ImportRefusedError: no line, or too many unreadable lines.
    """
    if not found.pieces and ledger.bad == bad_before:
        raise ImportRefusedError(f"{path}: has no line of speech; an empty transcript says nothing about the host")
    found.pieces.sort(key=lambda piece: (piece.start_ms or 0, piece.end_ms or 0))
    speech, read = spoken(found.pieces, [], ledger, doubts=False)
    ledger.check(path, bad_before, read)
    return without_growth(speech, ledger)


def _ass(text: str, found: Found, ledger: Ledger) -> None:
    names = ["layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text"]
    events = False
    for number, line in enumerate(text.split("\n"), 1):
        key, colon, rest = line.partition(":")
        if line.startswith("["):
            events = line.strip().lower() == "[events]"
        elif not colon or not events:
            continue
        elif key == "Format":
            given = [name.strip().lower() for name in rest.split(",")][:30]
            names = given if {"start", "end", "text"} <= set(given) and given[-1] == "text" else names
        elif key == "Dialogue":
            fields = dict(zip(names, rest.split(",", len(names) - 1), strict=False))
            start, end = clock_ms(fields.get("start", "")), clock_ms(fields.get("end", ""))
            if start is None or end is None or "text" not in fields:
                ledger.unreadable(number, "is no line of an ASS file with two times")
            elif "\\p1" in fields["text"] or fields.get("style", "").strip().lower() in _DANMAKU_STYLES:
                ledger.drop(EVENT)
            else:
                said = _OVERRIDE.sub("", fields["text"]).replace("\\N", " ").replace("\\n", " ").replace("\\h", " ")
                keep(Piece(start, end, said), found, ledger)


def clock_ms(text: str) -> int | None:
    """An ASS time as ms; None if it is none."""
    clock = _CLOCK.fullmatch(text.strip())
    if clock is None:
        return None
    hours, minutes, seconds, part = clock.groups()
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1_000 + int((part or "0").ljust(3, "0"))


def _lrc(text: str, found: Found, ledger: Ledger) -> None:
    """One text may have several stamps; minutes go beyond 59."""
    shift = int(offset[1]) if (offset := _OFFSET.search(text[:4_000])) else 0
    pieces: list[Piece] = []
    for number, line in enumerate(text.split("\n"), 1):
        at, row = 0, line.strip()
        stamps = []
        while stamp := _STAMP.match(row, at):
            stamps.append((int(stamp[1]) * 60_000 + round(float(stamp[2].replace(":", ".")) * 1_000)) - shift)
            at = stamp.end()
        if stamps:
            said = _OVERRIDE.sub("", re.sub(r"<\d{1,4}:\d{1,2}(?:\.\d{1,3})?>", "", row[at:]))
            pieces += [Piece(max(0, start), None, said) for start in stamps[:100]]
        elif row and not row.startswith("["):
            ledger.unreadable(number, "is no line of a time in brackets and a text")
    for piece in sorted(pieces, key=lambda piece: piece.start_ms or 0):
        keep(piece, found, ledger)
    _end_at_next(found.pieces)


def _end_at_next(pieces: list[Piece]) -> None:
    """An empty line is where the text before it ends; it stays a piece without text."""
    for piece, following in pairwise(pieces):
        if piece.end_ms is None and piece.start_ms is not None and following.start_ms is not None:
            piece.end_ms = min(following.start_ms, piece.start_ms + 10_000)


def _tsv(text: str, found: Found, ledger: Ledger) -> None:
    """Whisper's table: times in ms."""
    for number, line in enumerate(text.split("\n")[1:], 2):
        fields = line.split("\t", 2)
        if len(fields) == 3:
            keep(Piece(milliseconds(fields[0], 1), milliseconds(fields[1], 1), fields[2]), found, ledger)
        elif line.strip():
            ledger.unreadable(number, "is no row of start, end and text")


def _labels(text: str, found: Found, ledger: Ledger) -> None:
    """Audacity's labels and WhisperX's .aud: times in seconds."""
    for number, line in enumerate(text.split("\n"), 1):
        if row := _LABEL.fullmatch(line):
            start, end = (milliseconds(time.replace(",", "."), 1_000) for time in (row[1], row[2]))
            keep(Piece(start, end, _SPEAKER_TAG.sub("", row[3])), found, ledger)
        elif line.strip() and not line.startswith("\\"):
            ledger.unreadable(number, "is no row of start, end and text")


def _blocks(text: str, found: Found, ledger: Ledger) -> None:
    """A line with a speaker and a time, then what was said until the next such line."""
    start: int | None = None
    said: list[str] = []
    for line in [*text.split("\n"), None]:
        head = _BLOCK.fullmatch(line.strip()) if line is not None else None
        if head is None and line is not None:
            said.append(line.strip())
            continue
        if start is not None:
            keep(Piece(start, None, " ".join(said)), found, ledger)
        if head is not None:
            start, said = milliseconds(head[1], 1_000), []
