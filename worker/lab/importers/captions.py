"""Subtitles as speech: WebVTT and SRT.

Automatic captions roll: a cue repeats the line before it above the new one, and cues of 10 ms only shift
lines. Of those only the new text is speech. They also overlap by design (a cue ends after the next begins),
which is not two speakers: segments are clipped where the next begins, and no voice is claimed.
"""

import html
import io
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import srt
import webvtt

from worker.lab.importers.limits import ImportRefusedError
from worker.lab.importers.readable import NO_CHARACTER, REPLACEMENT, read_text
from worker.lab.importers.recording import Ledger, Progress, Speech

BEGINNING_MS = 60_000  # of a piece
LASTING = 5  # cues in order, for a piece to begin
GROWN_MS = 2_000  # a text that goes on within this time has grown
HIGHLIGHT_MS = 100
FAST = 10  # characters a second: no one says so many; a word of a text that stays is shown for its own time
HIGHLIGHT_CHARS = 6
FILLER_MS = 50  # a cue this short shifts lines and says nothing
ROLLED_LINES = 12
ROLLING_RATIO = 0.25  # of the cues begin with the line that ended the one before
_TAG = re.compile(r"<[^<>\n]{0,200}>|\{\\[^{}\n]{0,100}\}")
_SOUND = re.compile(r"[\[(（【♪♫][^\[\]()（）【】\n]{0,80}[\])）】♪♫]|[♪♫\s]{1,80}")
_TIME = r"\s{0,8}((?:\d{1,6}:)?\d{1,2}:\d{1,2}[.,]\d{1,3})"
_TIMING = re.compile(rf"{_TIME} {{0,8}}-->{_TIME}(?!\d)")

CUE_ERRORS = (webvtt.errors.MalformedCaptionError, webvtt.errors.MalformedFileError, ValueError, OverflowError)
OUT_OF_RANGE = "a cue's times are out of range"

Cue = tuple[int, int, list[str]]  # start, end, lines without tags and empty lines


def read_webvtt(path: Path, ledger: Ledger, progress: Progress) -> list[Speech]:
    """Cues of a WebVTT file in order. Raises ImportRefusedError: no WebVTT, too large, too many bad cues."""
    text, bad_before = _text(path, ledger, progress), ledger.bad
    try:
        cues = _vtt_cues(text)
    except webvtt.errors.MalformedFileError as error:
        raise ImportRefusedError(f"{path}: does not begin with WEBVTT") from error
    except CUE_ERRORS:
        cues = _vtt_cues_each(text, ledger)
    return _speech(path, text, cues, ledger, bad_before)


def _vtt_cues(text: str) -> list[Cue]:
    captions = webvtt.from_buffer(io.StringIO(text))
    return [(c.start_time.in_milliseconds(), c.end_time.in_milliseconds(), _lines(c.raw_text)) for c in captions]


def _vtt_cues_each(text: str, ledger: Ledger) -> list[Cue]:
    """The cues of each block by itself, so that a bad one costs itself only."""
    cues, number = list[Cue](), 1
    for block in text.split("\n\n"):
        if _TIMING.search(block):
            try:
                cues += _vtt_cues(f"WEBVTT\n\n{block}\n")
            except CUE_ERRORS:
                at = number + block[: block.find("-->")].count("\n")
                ledger.unreadable(at, OUT_OF_RANGE)
        number += block.count("\n") + 2
    return cues


def read_srt(path: Path, ledger: Ledger, progress: Progress) -> list[Speech]:
    """Cues of an SRT file in order. Raises ImportRefusedError: no cues, too large, too many bad cues."""
    text, bad_before = _text(path, ledger, progress), ledger.bad
    cues: list[Cue] = []
    for line, start, end, content in _srt_blocks(text):
        try:
            cues.append((_srt_ms(start), _srt_ms(end), _lines("\n".join(content))))
        except (ValueError, OverflowError):
            ledger.unreadable(line, OUT_OF_RANGE)
    return _speech(path, text, cues, ledger, bad_before)


def _srt_blocks(text: str) -> Iterator[tuple[int, str, str, list[str]]]:
    """(line, start, end, lines) of each cue: what stands between its times and the next cue's number.

    `srt.parse` would do, but its expression is quadratic: one megabyte of digits keeps it busy for minutes.
    """
    times: re.Match[str] | None = None
    content: list[str] = []
    at = 0
    for number, line in enumerate([*text.split("\n"), None], 1):
        found = None if line is None else _TIMING.match(line)
        if line is not None and found is None:
            content.append(line)
            continue
        if times is not None:
            if found is not None and content and content[-1].strip().isdecimal():
                content.pop()  # the next cue's number
            yield at, times[1], times[2], content
        times, content, at = found, [], number


def _srt_ms(time: str) -> int:
    whole = time if time.count(":") == 2 else f"00:{time}"  # some tools leave the hours out
    return round(float(srt.srt_timestamp_to_timedelta(whole).total_seconds()) * 1_000)


def _text(path: Path, ledger: Ledger, progress: Progress) -> str:
    text = read_text(path, ledger.limits.speech_bytes, "--max-speech-mb", ledger, progress)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _lines(text: str) -> list[str]:
    stripped = (" ".join(html.unescape(_TAG.sub("", line)).split()) for line in text.split("\n"))
    return [line for line in stripped if line]


def _speech(path: Path, text: str, cues: list[Cue], ledger: Ledger, bad_before: int) -> list[Speech]:
    """Counts what the libraries passed over in silence, then keeps new text only."""
    timed, counted = 0, ledger.bad - bad_before
    for number, line in enumerate(text.split("\n"), 1):
        if "-->" in line:
            if _TIMING.match(line):
                timed += 1
            else:
                ledger.unreadable(number, "is no pair of cue times")
    lost = timed - len(cues) - counted
    for _ in range(max(0, lost)):
        ledger.unreadable(0, "a cue was passed over (its block is malformed)")
    if not cues:
        raise ImportRefusedError(f"{path}: has no cue; an empty transcript says nothing about the host")
    ledger.check(path, bad_before, len(cues))
    cues = _one_after_the_other(cues, ledger)
    cues.sort(key=lambda cue: cue[:2])
    kept = []
    for start, end, lines in unroll(cues, ledger) if is_rolling(cues) else cues:
        line = " ".join(part for part in lines if not _SOUND.fullmatch(part))
        if line and not line.strip(REPLACEMENT + " "):
            ledger.drop(NO_CHARACTER)
        elif line:
            kept.append(Speech(start, end, line))
        elif lines:
            ledger.drop("caption of a sound, not of speech")
        else:
            ledger.drop("caption without text")
    return without_growth(kept, ledger)


def _one_after_the_other(cues: list[Cue], ledger: Ledger) -> list[Cue]:
    """Cues of a file that was put together of pieces, each of which counts from its own start."""
    placed, shift, again = list[Cue](), 0, 0
    for at, (start, end, lines) in enumerate(cues):
        before = placed[-LASTING:]
        if start < BEGINNING_MS and len(before) == LASTING:
            first, high = min(cue[0] for cue in before), max(cue[1] for cue in before)
            near = [cue[0] for cue in cues[at : at + LASTING]]
            falls = start + shift < first - BEGINNING_MS and near[-1] + shift < high
            if falls and len(near) == LASTING and near == sorted(near):
                shift, again = high, again + 1
        placed.append((start + shift, end + shift, lines))
    if again:
        ledger.warnings.append(
            f"the clock of the subtitles starts again {again} times: the pieces were placed one after the other; "
            "give them as several --speech if they lie apart"
        )
    return placed


def is_rolling(cues: list[Cue]) -> bool:
    """Whether many cues begin with the last lines of the cue before, as fillers or with something new below
    them.
    """
    carried = 0
    for (_, _, before), (start, end, lines) in pairwise(cues):
        same = _carried(before, lines)
        if same and (len(lines) > same or end - start <= FILLER_MS):
            carried += 1
    return carried >= 2 and carried >= ROLLING_RATIO * len(cues)


def _carried(before: list[str], lines: list[str]) -> int:
    """How many of the last lines of one cue begin the next."""
    same = min(len(before), len(lines), ROLLED_LINES)
    while same and before[-same:] != lines[:same]:
        same -= 1
    return same


def without_growth(segments: list[Speech], ledger: Ledger) -> list[Speech]:
    """Segments without the earlier states of a text that grows, or that stays while its words are highlighted.

    What a host says twice is kept: equal texts are one only if each is shown too shortly to be said.
    """
    kept: list[Speech] = []
    for segment in segments:
        last = kept[-1] if kept else None
        if last is not None and _continues(last, segment):
            ledger.drop("caption that grows: an earlier state of it")
            kept[-1] = Speech(last.start_ms, max(last.end_ms, segment.end_ms), segment.text, segment.confidence)
        else:
            kept.append(segment)
    return kept


def _continues(before: Speech, now: Speech) -> bool:
    gap = now.start_ms - before.end_ms
    if len(now.text) > len(before.text):
        return gap <= GROWN_MS and now.text.startswith(before.text) and now.start_ms >= before.start_ms
    shown_ms = max(1, now.end_ms - now.start_ms)
    fast = len(now.text) >= HIGHLIGHT_CHARS and len(now.text) * 1_000 > FAST * shown_ms
    return now.text == before.text and abs(gap) <= HIGHLIGHT_MS and fast


def unroll(cues: list[Cue], ledger: Ledger) -> list[Cue]:
    """The new lines of each cue: those after the longest beginning that ended the cue before."""
    fresh, before = [], list[str]()
    for start, end, lines in cues:
        same = _carried(before, lines)
        if new := lines[same:]:
            fresh.append((start, end, new))
        elif lines:
            ledger.drop("rolling caption that repeats the one before")
        before = lines or before
    return fresh
