"""JSON transcripts of speech recognisers: find the entries, repair or count the bad ones, place them in time."""

import ast
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from worker.lab.importers.dialects import DIALECTS, Dialect, entry_lists, outer_keys, recognise
from worker.lab.importers.json_walk import BROKEN, Bad, Walk
from worker.lab.importers.limits import ImportRefusedError, open_bounded
from worker.lab.importers.readable import BROKEN_FEW, BROKEN_RATIO, HEAD_BYTES, encoding_of
from worker.lab.importers.recording import Ledger, Progress, Speech
from worker.lab.importers.spoken import spoken
from worker.lab.importers.transcript_entries import Entry, Piece, by_characters, subtitle_text
from worker.lab.importers.transcript_entries import milliseconds as ms

BAD_MAX = 2_000  # unreadable entries of one file; reading stops there
BROKEN_WARN = 0.01
LINES_LOOKED_AT = 20  # of a file of JSON lines, until one is recognised
REPR_CHARS = 8 << 20  # a Python literal is read whole, at forty times its size
DRAFT, TEXTS, CSV = "jianying-draft", "funasr-text", "whisper.cpp-csv"
TIMELESS = (
    "has no times of sentences, and its times of characters do not fit the text; let FunASR write sentence_info "
    "(sentence_timestamp=True), or SenseVoice keep its VAD segments"
)
_REPR = re.compile(r"\s{0,100}[\[{]\s{0,100}(?:\{\s{0,100})?'")
_NO_NUMBER = re.compile(r"(?<![\w'\"])-?(?:nan|inf)(?![\w'\"])")
_CSV_HEAD = re.compile(r"\s{0,9}start,end,(?:speaker,)?text\s*(?:\n|\Z)")
_CSV_LINE = re.compile(r'\s{0,9}(-?\d{1,12}),\s?(-?\d{1,12}),(?:"?[^",\n]{0,64}"?,)??\s?"(.*)"\s*')
_TENCENT_LINE = re.compile(r"\[(\d{1,5}:\d{1,2}(?:\.\d{1,3})?),(\d{1,5}:\d{1,2}(?:\.\d{1,3})?)[^\]\n]{0,20}\](.*)")
_CAPCUT_NOISE = re.compile(r"[A-Za-z0-9+/]{400,}={0,2}")
_ALONE = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class Found:
    """What one file holds: pieces in its order, and stretches that its writer calls silent."""

    pieces: list[Piece] = field(default_factory=list)
    quiet: list[tuple[int, int]] = field(default_factory=list)
    broken: int = 0
    """Entries with a broken character."""
    bad: int = 0
    """Entries that were not understood."""
    timeless: bool = False
    """Whether a text had no times that fit it."""


def what_it_is(text: str) -> str:
    """The name of the transcript's format, or empty; `text` may be the beginning of a file."""
    if _CSV_HEAD.match(text):
        return CSV
    if _REPR.match(text) and ("'text'" in text or "'sentence_info'" in text):
        return "funasr"
    walk, lines = Walk(text), 0
    at = walk.gap(0)
    while at < len(text) and text[at] in "{[" and lines < LINES_LOOKED_AT:
        if dialect := recognise(walk, at):
            return dialect.name
        keys = outer_keys(walk, at)
        if {"tracks", "materials"} <= keys:
            return DRAFT
        if (
            "text" in keys
            and keys & {"timestamp", "timestamps", "key", "wav_name"}
            and not keys & {"message_type", "time"}
        ):
            return TEXTS
        if keys & {"Response", "Data"} and next(_tencent_result(walk, at), None) is not None:
            return "tencent"
        at, lines = walk.gap(walk.skip(at)), lines + 1
    return ""


def explain(text: str) -> str:
    """Why a file that looks like a transcript is none that can be read; empty if it looks like none."""
    start = text.lstrip("\ufeff \t\r\n")
    if _CAPCUT_NOISE.match(start):
        return "what may be an encrypted CapCut draft (version 6 and later); export the subtitles as SRT"
    walk = Walk(start)
    if start[:1] in ("{", "[") and "text" in outer_keys(walk, 0):
        return "a transcript without times; let the recogniser write segments"
    return ""


def read_transcript(path: Path, wanted: str, ledger: Ledger, progress: Progress) -> list[Speech]:
    """Segments of a transcript of format `wanted`.

    Raises:
        ImportRefusedError: too large, no entry, no times, or too many unreadable entries.
    """
    text = _text(path, ledger, progress)
    bad_before, found = ledger.bad, Found()
    if wanted == CSV:
        _read_csv(text, found, ledger)
    else:
        if _REPR.match(text):
            text = _from_repr(path, text)
        for line, walk in _values(text):
            _read_value(walk, line, wanted, found, ledger)
    if found.timeless and not found.pieces:
        raise ImportRefusedError(f"{path}: {TIMELESS}")
    if not found.pieces and ledger.bad == bad_before:
        raise ImportRefusedError(f"{path}: has no segment; an empty transcript says nothing about the host")
    _check_broken(path, text, found, ledger)
    doubts = wanted == CSV or any(d.name == wanted and d.doubts for d in DIALECTS)
    speech, read = spoken(found.pieces, found.quiet, ledger, doubts=doubts)
    ledger.check(path, bad_before, read)
    return speech


def _text(path: Path, ledger: Ledger, progress: Progress) -> str:
    """The text of the file. Broken bytes become U+FFFD here and are counted by the entries that hold them."""
    with open_bounded(path, ledger.limits.speech_bytes, "--max-speech-mb") as file:
        data = file.read()
    progress(len(data))
    encoding, mark = encoding_of(data[:HEAD_BYTES])
    return data[mark:].decode(encoding, "replace").replace("\r\n", "\n")


def _check_broken(path: Path, text: str, found: Found, ledger: Ledger) -> None:
    """Warns of many broken characters, and refuses a file that has one in every fifth entry."""
    if found.broken > max(BROKEN_FEW, BROKEN_RATIO * len(found.pieces)):
        at = text.find(BROKEN)
        line, place = 1 + text.count("\n", 0, at), at - text.rfind("\n", 0, at)
        raise ImportRefusedError(
            f"{path}: {found.broken} of {len(found.pieces)} entries have broken characters, the first in line {line}, "
            f"character {place}; find out the file's encoding and convert it to UTF-8"
        )
    if found.broken > max(1, BROKEN_WARN * len(found.pieces)):
        ledger.warnings.append(f"{found.broken} of {len(found.pieces)} segments have broken characters")


def _values(text: str) -> Iterator[tuple[int, Walk]]:
    """(line, its text) of each outermost value: one for a JSON file, many for JSON lines."""
    walk = Walk(text)
    at = walk.gap(0)
    after = walk.gap(walk.skip(at))
    lines = text.startswith("{", at) and "\n" in text[at:after] and text.startswith("{", after)
    if not lines:
        yield 1, walk
        return
    rows = text.split("\n")
    for number, line in enumerate(rows, 1):
        if line.strip():
            yield number, Walk(line, last=number == len(rows))


def _from_repr(path: Path, text: str) -> str:
    """What Python's `print` made of a list, as JSON."""
    if len(text) > REPR_CHARS:
        raise ImportRefusedError(f"{path}: a printed Python list of this size is not read; save it with json.dump")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(_NO_NUMBER.sub("None", text.strip()))
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ImportRefusedError(
            f"{path}: is no whole printed Python list ({error}); save it with json.dump"
        ) from error


def _read_value(walk: Walk, line: int, wanted: str, found: Found, ledger: Ledger) -> None:
    """Adds the pieces of one outermost value; counts what was repaired, left out or cut off."""
    at = walk.gap(0)
    before = ledger.bad
    if wanted == DRAFT:
        _read_draft(walk, at, found, ledger)
    elif wanted == TEXTS:
        _read_texts(walk, at, line, found, ledger)
    else:
        dialects = [d for d in DIALECTS if d.name == wanted]
        dialect = next((d for d in dialects if next(entry_lists(walk, at, d), None) is not None), None)
        if dialect is None:
            if wanted.startswith("funasr"):  # a line of the web socket without sentences
                _read_texts(walk, at, line, found, ledger)
            dialect = dialects[0]
        _read_lists(walk, at, line, dialect, found, ledger)
        if wanted == "tencent" and not found.pieces and ledger.bad == before:
            for piece in _tencent_result(walk, at):
                keep(piece, found, ledger)
        if wanted == "stable-ts":
            for place in walk.find(at, ("nonspeech_sections",)):
                found.quiet += _quiet(walk, place)
    if walk.numbers:
        ledger.changed["number that is none (NaN, Infinity), read as missing"] += walk.numbers
    if walk.escapes:
        ledger.changed["backslash that escapes nothing, kept"] += walk.escapes
    if walk.passed_over:
        ledger.drop("another channel of the same recording", walk.passed_over)
    if walk.cut:
        ledger.warnings.append("the transcript is cut off: its last entry is lost, what comes before it is kept")


def _read_lists(
    walk: Walk, at: int, line: int, dialect: Dialect, found: Found, ledger: Ledger
) -> None:  # fmt: skip
    for place in entry_lists(walk, at, dialect):
        for entry in walk.entries(place):
            if isinstance(entry, Bad):
                _bad(walk, entry, line, found, ledger)
                continue
            piece = dialect.take(entry)
            if piece is None:
                ledger.drop("partial result that a later one replaces")
            else:
                keep(piece, found, ledger)


def _bad(walk: Walk, bad: Bad, line: int, found: Found, ledger: Ledger) -> None:
    found.bad += 1
    number = len(found.pieces) + found.bad
    place = f"character {bad.at - walk.text.rfind(chr(10), 0, bad.at)}"
    ledger.unreadable(line + walk.text.count("\n", 0, bad.at), f"segment {number}: {bad.why} ({place})")
    if ledger.bad > BAD_MAX:
        first, why = ledger.bad_lines[0]
        raise ImportRefusedError(f"more than {BAD_MAX} entries are unreadable (first: line {first}: {why})")


def keep(piece: Piece, found: Found, ledger: Ledger) -> None:
    """Adds `piece` with its text cleaned: one broken character is kept and counted, a text of them is dropped."""
    text = _ALONE.sub(BROKEN, piece.text)
    if BROKEN in text:
        found.broken += 1
        if not text.replace(BROKEN, "").strip():
            ledger.drop("text of broken characters alone")
            piece.silent = piece.silent or BROKEN
        else:
            ledger.changed["broken character in the text (written as U+FFFD)"] += 1
    piece.text = " ".join("".join(c if c >= " " else " " for c in text).split())
    if len(found.pieces) >= ledger.limits.items:
        raise ImportRefusedError(f"more than {ledger.limits.items} speech segments; raise the limit with --max-items")
    found.pieces.append(piece)


def _quiet(walk: Walk, place: int) -> Iterator[tuple[int, int]]:
    for entry in walk.entries(place):
        if isinstance(entry, dict):
            start, end = ms(entry.get("start"), 1_000), ms(entry.get("end"), 1_000)
            if start is not None and end is not None and end > start:
                yield start, end


def _tencent_result(walk: Walk, at: int) -> Iterator[Piece]:
    """Tencent's `Result`: lines of `[0:1.200,0:3.000]  text`."""
    for path in (("Response", "Data", "Result"), ("Data", "Result"), ("Result",)):
        for place in walk.find(at, path):
            value, _ = walk.decode(place)
            for line in value.split("\n") if isinstance(value, str) else ():
                if times := _TENCENT_LINE.match(line):
                    yield Piece(ms(times[1], 1), ms(times[2], 1), times[3].strip())


def _read_csv(text: str, found: Found, ledger: Ledger) -> None:
    for number, line in enumerate(text.split("\n")[1:], 2):
        if fields := _CSV_LINE.fullmatch(line):
            keep(Piece(int(fields[1]), int(fields[2]), fields[3].replace('""', '"')), found, ledger)
        elif line.strip():
            ledger.unreadable(number, 'is no line of start,end,"text"')


def _read_draft(walk: Walk, at: int, found: Found, ledger: Ledger) -> None:
    """A CapCut draft: texts in one place, when they are shown in another, in microseconds."""
    texts: dict[str, str] = {}
    for place in walk.find(at, ("materials", "texts")):
        for entry in walk.entries(place):
            if isinstance(entry, Bad):
                ledger.unreadable(1 + walk.text.count("\n", 0, entry.at), f"text: {entry.why}")
            elif entry.get("type") in ("subtitle", None) and isinstance(entry.get("id"), str):
                texts[entry["id"]] = subtitle_text(entry.get("content"))
    for track in walk.find(at, ("tracks", "[]")):
        members = dict(walk.members(track))
        if not {"type", "segments"} <= members.keys() or walk.decode(members["type"])[0] != "text":
            continue
        for entry in walk.entries(members["segments"]):
            if isinstance(entry, Bad):
                ledger.unreadable(1 + walk.text.count("\n", 0, entry.at), f"segment: {entry.why}")
                continue
            identity, span = entry.get("material_id"), entry.get("target_timerange")
            if not isinstance(identity, str) or identity not in texts:
                ledger.drop("text on the picture, no subtitle")
                continue
            times: Entry = span if isinstance(span, dict) else {}
            start, length = ms(times.get("start"), 0.001), ms(times.get("duration"), 0.001)
            end = start + length if start is not None and length is not None else None
            keep(Piece(start, end, texts[identity]), found, ledger)
    if found.pieces:
        ledger.warnings.append("a CapCut draft has the times of the edit, which need not be those of the broadcast")


def _read_texts(walk: Walk, at: int, line: int, found: Found, ledger: Ledger) -> None:
    """FunASR's and SenseVoice's text with a time for each character, and the lines of FunASR's web socket."""
    places = [at] if walk.text[at : at + 1] in ("{", "[") else []
    for place in places:
        for entry in walk.entries(place):
            if isinstance(entry, Bad):
                _bad(walk, entry, line, found, ledger)
                continue
            if entry.get("mode") not in (None, "offline", "2pass-offline"):
                ledger.drop("partial result that a later one replaces")
                continue
            pieces = by_characters(entry)
            if not pieces and "<|nospeech|>" in str(entry.get("text")):
                ledger.drop("FunASR heard no speech")
            elif not pieces and entry.get("text"):
                found.bad += 1
                found.timeless = True
                ledger.unreadable(line, "has no time for each character, and none for sentences")
            for piece in pieces:
                keep(piece, found, ledger)
