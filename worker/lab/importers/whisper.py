"""Whisper's JSON: segments with times, and with its own doubts.

Whisper invents speech in silence ("you" every 30 s) and sometimes repeats itself for a whole segment.
Neither was said, and a judge of loops would take both for a recording, so neither becomes speech. Thresholds
are Whisper's own defaults (`no_speech_threshold` 0.6, `compression_ratio_threshold` 2.4).
"""

from itertools import groupby
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from worker.lab.importers.limits import ImportRefusedError, open_bounded, require_utf8
from worker.lab.importers.recording import Ledger, Progress, Seconds, Speech

NO_SPEECH_PROB = 0.6
COMPRESSION_RATIO = 2.4
MIN_REPEATS = 3
HELD_MS = 20_000
HELD_CHARS = 12
UNITS_MAX = 400  # of one segment; Whisper's have at most 224 tokens


class _File(Struct):
    segments: list[Raw]


class _Segment(Struct):
    start: Seconds
    end: Seconds
    text: str
    no_speech_prob: float | None = None
    compression_ratio: float | None = None


_FILE = msgspec.json.Decoder(_File)
_SEGMENT = msgspec.json.Decoder(_Segment)


def read_whisper(path: Path, ledger: Ledger, progress: Progress) -> list[Speech]:
    """Segments that Whisper believes to be speech.

    Raises:
        ImportRefusedError: no such JSON, no segments, too large, or too many unreadable segments.
    """
    with open_bounded(path, ledger.limits.speech_bytes, "--max-speech-mb") as file:
        data = file.read()
    progress(len(data))
    try:
        segments = _FILE.decode(require_utf8(data, path)).segments
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImportRefusedError(f"{path}: is no whole Whisper JSON: {error}") from error
    if not segments:
        raise ImportRefusedError(f"{path}: has no segment; an empty transcript says nothing about the host")
    bad_before, read, kept = ledger.bad, 0, []
    for number, raw in enumerate(segments, 1):
        try:
            segment = _SEGMENT.decode(raw)
            start, end = round(segment.start * 1_000), round(segment.end * 1_000)
        except msgspec.DecodeError as error:
            ledger.unreadable(number, f"segment {number}: {error}")
            continue
        read += 1
        text = _said(segment, ledger)
        if text:
            kept.append(Speech(start, end, text))
    ledger.check(path, bad_before, read)
    return kept


def without_held_words(segments: list[Speech], ledger: Ledger) -> list[Speech]:
    """Leaves out a short text that is "said" for 20 s or more, at least three times in a row.

    Whisper's subtitles carry no doubts, but nobody takes 30 s for "you": it is the same artefact of silence.
    """
    kept: list[Speech] = []
    for _, group in groupby(segments, key=_held):
        run = list(group)
        if _held(run[0]) and len(run) >= MIN_REPEATS:
            ledger.drop("one word held for 20 s again and again: silence", len(run))
        else:
            kept += run
    return kept


def _held(segment: Speech) -> str:
    """The text if it is far too short for its time, else empty."""
    long = segment.end_ms - segment.start_ms >= HELD_MS
    return segment.text if long and len(segment.text) <= HELD_CHARS else ""


def _said(segment: _Segment, ledger: Ledger) -> str:
    text = " ".join(segment.text.split())
    if segment.no_speech_prob is not None and segment.no_speech_prob > NO_SPEECH_PROB:
        ledger.drop("Whisper heard no speech (no_speech_prob > 0.6)")
        return ""
    if not text:
        ledger.drop("segment without text")
        return ""
    if segment.compression_ratio is not None and segment.compression_ratio > COMPRESSION_RATIO:
        trimmed = trim_repeats(text)
        if trimmed == text:
            ledger.drop("Whisper repeats itself (compression_ratio > 2.4)")
            return ""
        ledger.changed["Whisper repeats itself: kept once (compression_ratio > 2.4)"] += 1
        return trimmed
    return text


def trim_repeats(text: str) -> str:
    """`text` with the longest run of one repeated unit (≥ 3 times, ≥ half of the text) kept once, else
    unchanged.

    Units are words, or characters where words are not separated by spaces.
    """
    words = text.split(" ")
    spaced = len(words) * 8 > len(text)
    whole = words if spaced else list(text)
    units = whole[:UNITS_MAX]
    size = len(units)
    best_covered, best_at, best_length = 0, 0, 0
    for length in range(1, size // MIN_REPEATS + 1):
        run = 0  # how many units in a row equal the one `length` before
        for at in range(length, size + 1):
            if at < size and units[at] == units[at - length]:
                run += 1
                continue
            covered = run + length
            if run >= (MIN_REPEATS - 1) * length and covered > best_covered:
                best_covered, best_at, best_length = covered, at - covered, length
            run = 0
    if best_covered * 2 < size or not best_covered:
        return text
    kept = units[: best_at + best_length] + whole[best_at + best_covered :]
    return (" " if spaced else "").join(kept)
