"""From a transcript's pieces to speech: times where they are missing, and without what no one said."""

from bisect import bisect_right
from collections.abc import Sequence

from worker.lab.importers.json_walk import BROKEN
from worker.lab.importers.recording import Ledger, Speech
from worker.lab.importers.transcript_entries import FAR, Piece
from worker.lab.importers.whisper import COMPRESSION_RATIO, LOGPROB, NO_SPEECH_PROB, trim_repeats

GAP_MAX_MS = 10_000  # a piece without times is placed in a gap up to this long
CHARACTER_MS = 250  # four characters a second, for an end that the file does not have
LEAST_MS = 500
QUIET_SHARE = 0.9


def spoken(
    pieces: list[Piece], quiet: list[tuple[int, int]], ledger: Ledger, *, doubts: bool
) -> tuple[list[Speech], int]:
    """(speech, how many pieces had usable times). `quiet` are stretches without speech, in ms; `doubts` applies
    Whisper's own rules.
    """
    sound = []
    for number, piece in enumerate(pieces, 1):
        if max(abs(piece.start_ms or 0), abs(piece.end_ms or 0)) >= FAR:
            ledger.unreadable(0, f"segment {number}: its times are out of range")
        else:
            sound.append(piece)
    pieces = sound
    place_in_time(pieces, ledger)
    quiet = sorted(quiet)
    kept, read = [], 0
    for number, piece in enumerate(pieces, 1):
        start, end = piece.start_ms, piece.end_ms
        if start is None or end is None:
            ledger.unreadable(0, f"segment {number}: has no times, and no neighbours within 10 s to place it between")
            continue
        read += 1
        if text := _said(piece, start, end, quiet, ledger, doubts=doubts):
            confidence = None if piece.confidence is None else round(min(1.0, max(0.0, piece.confidence)), 4)
            kept.append(Speech(start, end, text, confidence))
    return kept, read


def _said(
    piece: Piece, start: int, end: int, quiet: list[tuple[int, int]], ledger: Ledger, *, doubts: bool
) -> str:  # fmt: skip
    """The text that was said, or nothing and a count of the reason."""
    if piece.silent:
        if piece.silent != BROKEN:  # counted already
            ledger.drop(piece.silent)
        return ""
    if not piece.text:
        ledger.drop("segment without text")
        return ""
    if not doubts:
        return piece.text
    if (piece.no_speech_prob or 0.0) > NO_SPEECH_PROB and (piece.avg_logprob or 0.0) < LOGPROB:
        ledger.drop("Whisper heard no speech (no_speech_prob > 0.6 and avg_logprob < -1)")
        return ""
    if end > start and _covered(start, end, quiet) >= QUIET_SHARE * (end - start):
        ledger.drop("within a stretch that stable-ts calls silent")
        return ""
    if (piece.compression_ratio or 0.0) > COMPRESSION_RATIO:
        trimmed = trim_repeats(piece.text)
        if trimmed == piece.text:
            ledger.drop("Whisper repeats itself (compression_ratio > 2.4)")
            return ""
        ledger.changed["Whisper repeats itself: kept once (compression_ratio > 2.4)"] += 1
        return trimmed
    return piece.text


def _covered(start: int, end: int, quiet: Sequence[tuple[int, int]]) -> int:
    """How many ms of [start, end) the sorted stretches cover."""
    covered, at = 0, max(0, bisect_right(quiet, (start, end)) - 1)
    while at < len(quiet) and quiet[at][0] < end:
        covered += max(0, min(end, quiet[at][1]) - max(start, quiet[at][0]))
        at += 1
    return covered


def place_in_time(pieces: list[Piece], ledger: Ledger) -> None:
    """Gives pieces without times a place: between their neighbours if these are at most 10 s apart, or after the
    last one. What cannot be placed keeps None.
    """
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        if piece.start_ms is not None:
            if piece.end_ms is None:
                piece.end_ms = _end_of(pieces, at)
                ledger.changed["end missing: the next segment's start, or by the text's length"] += 1
            at += 1
            continue
        last = at
        while last + 1 < len(pieces) and pieces[last + 1].start_ms is None:
            last += 1
        _place_run(pieces, at, last, ledger)
        at = last + 1


def _length_ms(text: str) -> int:
    return min(GAP_MAX_MS, max(LEAST_MS, CHARACTER_MS * len(text)))


def _end_of(pieces: list[Piece], at: int) -> int:
    start = pieces[at].start_ms or 0
    end = start + _length_ms(pieces[at].text)
    following = pieces[at + 1].start_ms if at + 1 < len(pieces) else None
    return min(end, following) if following is not None and following > start else end


def _place_run(pieces: list[Piece], first: int, last: int, ledger: Ledger) -> None:
    """Places the pieces `first` to `last`, none of which has a start."""
    before = pieces[first - 1].end_ms if first else None
    after = pieces[last + 1].start_ms if last + 1 < len(pieces) else None
    if before is None and after is None:
        return
    needed = sum(_length_ms(piece.text) for piece in pieces[first : last + 1])
    if before is None:
        before = max(0, (after or 0) - min(needed, GAP_MAX_MS))
    if after is None:
        after = before + min(needed, GAP_MAX_MS)
    count = last - first + 1
    if not 0 < after - before <= GAP_MAX_MS:
        return
    for number, piece in enumerate(pieces[first : last + 1]):
        piece.start_ms = before + (after - before) * number // count
        piece.end_ms = before + (after - before) * (number + 1) // count
    ledger.changed["times missing: placed between its neighbours"] += count
