"""What one entry of a transcript says, by the writer's own field names. Times are ms from the start of the file.

A function here takes one decoded entry and returns a `Piece`, or None if the writer itself does not mean it as
speech that is over. Fields that are not needed may hold anything.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

FAR = 1e12  # a time of so many ms is out of range
MUSIC = 0.8
PAUSE_MS = 800  # a pause this long ends a sentence where there is no punctuation
SENTENCE_CHARS = 60
_TAG = re.compile(r"<\|[^|<>]{0,40}\|>")
_PICTURES = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\ufe0f]")
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,4}):(\d{1,2})(?:[.,](\d{1,3}))?")
_SPACED = re.compile(r"(?<=[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])\s+(?=[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])")
_ENDS = frozenset("，。！？；,.!?;")
_BROKEN = re.compile("\ufffd+")
_UNIT = re.compile(
    r"([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\ufffd]|[A-Za-z0-9'\u2019]+)|([，。！？；,.!?;])|.", re.DOTALL
)


@dataclass(slots=True)
class Piece:
    """A segment as the writer gives it; a time is None where the file has none."""

    start_ms: int | None
    end_ms: int | None
    text: str
    confidence: float | None = None
    no_speech_prob: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    silent: str = ""
    """Why the writer itself says that this is no speech."""


Entry = dict[str, Any]
Take = Callable[[Entry], Piece | None]


def number(value: object) -> float | None:
    """A finite number, also one that is written as a string; else None."""
    if isinstance(value, str) and len(value) <= 30:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def milliseconds(value: object, unit: float) -> int | None:
    """`value` in units of `unit` ms as ms; None for what is no time, `FAR` for one out of range."""
    found = number(value)
    if found is None and isinstance(value, str) and (clock := _CLOCK.fullmatch(value.strip())):
        hours, minutes, seconds, rest = clock.groups()
        return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1_000 + int((rest or "0").ljust(3, "0"))
    if found is None:
        return None
    return round(found * unit) if abs(found * unit) < FAR else int(FAR)


def ratio(value: object) -> float | None:
    """A probability, held within 0 and 1; None for what is no number."""
    found = number(value)
    return None if found is None else min(1.0, max(0.0, found))


def words(value: object) -> str:
    """`value` if it is text, else nothing."""
    return value if isinstance(value, str) else ""


def items(value: object) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def mean(values: Iterator[float | None]) -> float | None:
    """The mean of those that are known; None if none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def plain(start: str, end: str, text: str, unit: float) -> Take:
    """A taker for entries that hold no more than times, in units of `unit` ms, and text."""

    def take(entry: Entry) -> Piece | None:
        return Piece(
            milliseconds(entry.get(start), unit), milliseconds(entry.get(end), unit), words(entry.get(text))
        )  # fmt: skip

    return take


def whisper(entry: Entry) -> Piece | None:
    """A segment of Whisper and its relatives: seconds, and the model's own doubts."""
    logprob = number(entry.get("avg_logprob"))
    said = [word for word in items(entry.get("words")) if isinstance(word, dict)]
    if logprob is not None:
        confidence: float | None = math.exp(min(0.0, logprob))
    else:
        confidence = mean(ratio(word.get("probability", word.get("score"))) for word in said)
    return Piece(
        milliseconds(entry.get("start"), 1_000), milliseconds(entry.get("end"), 1_000), words(entry.get("text")),
        confidence=confidence, no_speech_prob=number(entry.get("no_speech_prob")), avg_logprob=logprob,
        compression_ratio=number(entry.get("compression_ratio")),
    )  # fmt: skip


def whisper_cpp(entry: Entry) -> Piece | None:
    """whisper.cpp's `transcription`: ms in `offsets`, the same as clock times in `timestamps`."""
    offsets = entry.get("offsets") if isinstance(entry.get("offsets"), dict) else {}
    clocks = entry.get("timestamps") if isinstance(entry.get("timestamps"), dict) else {}
    spoken = (
        token for token in items(entry.get("tokens"))
        if isinstance(token, dict) and not words(token.get("text")).startswith("[_")
    )  # fmt: skip
    times = []
    for end in ("from", "to"):
        found = milliseconds(offsets.get(end), 1) if offsets else None
        times.append(found if found is not None else milliseconds((clocks or {}).get(end), 1_000))
    return Piece(times[0], times[1], words(entry.get("text")), confidence=mean(ratio(t.get("p")) for t in spoken))


def chunk(entry: Entry) -> Piece | None:
    """A chunk of Hugging Face's pipeline: `timestamp` is a pair of seconds, the last end often null."""
    pair = [*items(entry.get("timestamp")), None, None]
    return Piece(milliseconds(pair[0], 1_000), milliseconds(pair[1], 1_000), words(entry.get("text")))


def without_tags(text: str) -> str:
    """SenseVoice's `<|zh|>` tags and pictures of moods taken out."""
    return _PICTURES.sub("", _TAG.sub("", text))


def funasr(entry: Entry) -> Piece | None:
    """A sentence of FunASR: ms. Where it has times of characters they win: `start` may be of the last word."""
    pairs = [p for p in items(entry.get("timestamp")) + items(entry.get("ts_list")) if isinstance(p, list) and p]
    text = words(entry.get("text")) or words(entry.get("sentence"))
    if not text:
        text = _SPACED.sub("", words(entry.get("text_seg"))) + words(entry.get("punc"))
    start, end = milliseconds(entry.get("start"), 1), milliseconds(entry.get("end"), 1)
    first = milliseconds(pairs[0][0], 1) if pairs else None
    last = milliseconds(pairs[-1][-1], 1) if pairs else None
    start = first if first is not None else start
    if last is not None and (end is None or (start is not None and end <= start)):
        end = last
    if start is not None and end is not None and end <= start and text:
        end = None  # old servers write the start twice
    silent = "FunASR heard no speech" if "<|nospeech|>" in text else ""
    return Piece(start, end, without_tags(text), silent=silent)


def volcengine(entry: Entry) -> Piece | None:
    """An utterance of Volcengine; one that is not `definite` is a guess that a later one replaces."""
    if entry.get("definite") is False:
        return None
    return plain("start_time", "end_time", "text", 1)(entry)


def bcut(entry: Entry) -> Piece | None:
    """An utterance of Bcut (`transcript`) or of CapCut's recogniser (`text`): ms; confidence 0 means none."""
    text = words(entry.get("transcript")) or words(entry.get("text"))
    confidence = ratio(entry.get("confidence")) or None
    return Piece(milliseconds(entry.get("start_time"), 1), milliseconds(entry.get("end_time"), 1), text, confidence)


def bilibili(entry: Entry) -> Piece | None:
    """A line of Bilibili's subtitles: seconds; `music` is the share of music in it."""
    text = words(entry.get("content"))
    music = number(entry.get("music")) or 0.0
    silent = "music, by the subtitles' own mark" if music > MUSIC or text.strip().startswith("♪") else ""
    return Piece(milliseconds(entry.get("from"), 1_000), milliseconds(entry.get("to"), 1_000), text, silent=silent)


def youtube(entry: Entry) -> Piece | None:
    """An event of YouTube's json3: ms; one without text only sets a window."""
    said = "".join(words(part.get("utf8")) for part in items(entry.get("segs")) if isinstance(part, dict))
    start, length = milliseconds(entry.get("tStartMs"), 1), milliseconds(entry.get("dDurationMs"), 1)
    return Piece(start, None if start is None or length is None else start + length, said)


def by_characters(entry: Entry) -> list[Piece]:
    """Sentences of a FunASR text without sentences, from the times of its characters.

    Nothing if there is not one time for each character or word: then no one knows which time is whose.
    """
    stamps: object = entry.get("timestamp")
    if isinstance(stamps, str) and len(stamps) <= 1 << 20:
        try:
            stamps = json.loads(stamps)
        except (ValueError, RecursionError):
            return []
    text = _BROKEN.sub("\ufffd", without_tags(words(entry.get("text"))))
    times = [
        (milliseconds(pair[0], 1), milliseconds(pair[1], 1))
        for pair in items(stamps) if isinstance(pair, list) and len(pair) == 2
    ]  # fmt: skip
    if not times:
        return _by_tokens(entry)
    if len(times) != sum(1 for unit in _UNIT.finditer(text) if unit[1]):
        return []
    pieces: list[Piece] = []
    first, begun = 0, 0  # the text and the times that the sentence under way begins with
    heard = 0
    for unit in _UNIT.finditer(text):
        heard += bool(unit[1])
        if unit[2] and heard > begun:
            pieces.append(Piece(times[begun][0], times[heard - 1][1], text[first : unit.end()]))
            first, begun = unit.end(), heard
    if heard > begun:
        pieces.append(Piece(times[begun][0], times[heard - 1][1], text[first:]))
    return pieces


def _by_tokens(entry: Entry) -> list[Piece]:
    """Sentences from Fun-ASR-Nano's `timestamps`: tokens with their times in seconds."""
    pieces: list[Piece] = []
    said, start, end = "", 0, 0
    for token in items(entry.get("timestamps")) or items(entry.get("ctc_timestamps")):
        if not isinstance(token, dict):
            return []
        text = words(token.get("token")) or words(token.get("text"))
        begin = milliseconds(token.get("start_time", token.get("start")), 1_000)
        until = milliseconds(token.get("end_time", token.get("end")), 1_000)
        if begin is None or until is None:
            return []
        if said and (len(said) >= SENTENCE_CHARS or begin - end >= PAUSE_MS):
            pieces.append(Piece(start, end, without_tags(said).strip()))
            said = ""
        start = start if said else begin
        said, end = said + text, until
        if text.strip() in _ENDS:
            pieces.append(Piece(start, end, without_tags(said).strip()))
            said = ""
    return [*pieces, Piece(start, end, without_tags(said).strip())] if said else pieces


def subtitle_text(content: object) -> str:
    """The text within the `content` of a CapCut draft, which is JSON in a string."""
    if not isinstance(content, str) or len(content) > 1 << 20:
        return ""
    try:
        inner = json.loads(content, strict=False)
    except (ValueError, RecursionError):
        return ""
    return words(inner.get("text")) if isinstance(inner, dict) else ""
