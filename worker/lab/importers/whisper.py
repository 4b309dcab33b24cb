"""Whisper's habits: it invents speech in silence, and it repeats itself.

Neither was said, and a judge of loops would take both for a recording, so neither becomes speech. Whisper takes
a segment for silence only if `no_speech_prob` is above 0.6 and `avg_logprob` below -1.0: behind music the first
alone is high while the words are right. Thresholds are Whisper's own (`no_speech_threshold`, `logprob_threshold`,
`compression_ratio_threshold` of its `transcribe`).
"""

from itertools import groupby

from worker.lab.importers.recording import Ledger, Speech

NO_SPEECH_PROB = 0.6
LOGPROB = -1.0
COMPRESSION_RATIO = 2.4
MIN_REPEATS = 3
HELD_MS = 20_000
HELD_CHARS = 12
UNITS_MAX = 400  # of one segment; Whisper's have at most 224 tokens


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
