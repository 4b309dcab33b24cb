"""Subtitles as XML: YouTube's srv3 and srv1, and TTML."""

import re
from pathlib import Path

from worker.lab.importers.recording import Ledger, Progress, Speech
from worker.lab.importers.subtitles import in_order
from worker.lab.importers.transcript_entries import Piece, milliseconds
from worker.lab.importers.transcripts import Found, keep
from worker.lab.importers.xml_stream import Element, read_elements

SRV3, SRV1, TTML = "youtube-srv3", "youtube-srv1", "ttml"
NAMES = (SRV3, SRV1, TTML)
_OFFSET_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(h|m|s|ms)")
_UNITS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_FRAMES = re.compile(r"(\d{1,3}):(\d{2}):(\d{2}):\d{2}")


def what_timed_text_it_is(head: str) -> str:
    """The name of the format, or empty."""
    start = re.sub(r"<\?.{0,200}?\?>|<!--.{0,500}?-->", "", head[:4_000]).lstrip()
    if start.startswith("<timedtext"):
        return SRV3
    if re.match(r"<transcript>\s{0,20}(?:<text start=|</)", start):
        return SRV1
    return TTML if re.match(r"<(?:\w{1,10}:)?tt[\s>]", start) else ""


def read_timed_text(path: Path, wanted: str, ledger: Ledger, progress: Progress) -> list[Speech]:
    """Segments of a file of one of `NAMES`.

    Raises:
        ImportRefusedError: too large, an XML bomb, no line, or too many unreadable lines.
    """
    bad_before, found, inner = ledger.bad, Found(), list[str]()

    def take(element: Element) -> None:
        tag, attrs = element.tag.rpartition("}")[2], element.attrs
        if tag in ("s", "span"):
            inner.append(element.text)
        elif tag in ("p", "text"):
            said = " ".join((element.text + "".join(inner)).split())
            inner.clear()
            start, length = _times(wanted, attrs)
            end = _time(attrs["end"]) if "end" in attrs else None
            end = start + length if end is None and start is not None and length is not None else end
            keep(Piece(start, end, said), found, ledger)

    read_elements(
        path, ledger, progress, skip=frozenset({"head"}), entries=frozenset({"p", "text"}), take=take,
        max_bytes=ledger.limits.speech_bytes, option="--max-speech-mb",
    )  # fmt: skip
    return in_order(path, found, bad_before, ledger)


def _times(wanted: str, attrs: dict[str, str]) -> tuple[int | None, int | None]:
    """(start, length) in ms."""
    if wanted == SRV3:
        return milliseconds(attrs.get("t"), 1), milliseconds(attrs.get("d"), 1)
    if wanted == SRV1:
        return milliseconds(attrs.get("start"), 1_000), milliseconds(attrs.get("dur"), 1_000)
    return _time(attrs.get("begin", "")), _time(attrs.get("dur", ""))


def _time(text: str) -> int | None:
    """A TTML time: a clock, or a number with a unit."""
    if found := _OFFSET_TIME.fullmatch(text.strip()):
        return round(float(found[1]) * _UNITS[found[2]])
    if frames := _FRAMES.fullmatch(text.strip()):
        return ((int(frames[1]) * 60 + int(frames[2])) * 60 + int(frames[3])) * 1_000
    return milliseconds(text, 1_000) if ":" in text else None
