"""The writers of JSON transcripts: by which keys each is known, where its entries are, and who takes them.

The first that fits is taken, so the special comes before the general. A writer is known by the keys of the
outermost value and of the first entry, never by words that occur somewhere in the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.lab.importers.json_walk import Walk
from worker.lab.importers.transcript_entries import (
    Take,
    bcut,
    bilibili,
    chunk,
    funasr,
    plain,
    volcengine,
    whisper,
    whisper_cpp,
    youtube,
)

LIST = "[]"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One writer. `outer` are keys of the outermost object, or of the first object in an outermost list.

    `paths` lead to its lists of entries; the first that leads anywhere counts. `entry` are keys that its first
    entry has. `doubts` says that Whisper's rules for invented speech apply.
    """

    name: str
    outer: frozenset[str]
    paths: tuple[tuple[str, ...], ...]
    entry: frozenset[str]
    take: Take
    doubts: bool = False


def _dialect(
    name: str, outer: str, paths: tuple[str, ...], entry: str, take: Take, *, doubts: bool = False
) -> Dialect:  # fmt: skip
    """Keys are given as words, paths as steps between dots."""
    steps = tuple(tuple(path.split(".")) if path else () for path in paths)
    return Dialect(name, frozenset(outer.split()), steps, frozenset(entry.split()), take, doubts)


_TENCENT = ("Response.Data.ResultDetail", "Data.ResultDetail", "ResultDetail")

DIALECTS: tuple[Dialect, ...] = (
    _dialect("stable-ts", "segments ori_dict", ("segments",), "text", whisper, doubts=True),
    _dialect("whisperx", "segments word_segments", ("segments",), "text", whisper, doubts=True),
    _dialect("openai", "task segments", ("segments",), "text", whisper, doubts=True),
    _dialect("whisper", "segments", ("segments",), "text", whisper, doubts=True),
    _dialect("whisper.cpp", "transcription", ("transcription",), "text", whisper_cpp, doubts=True),
    _dialect("hf-chunks", "chunks", ("chunks",), "text timestamp", chunk, doubts=True),
    _dialect("youtube-json3", "events", ("events",), "tStartMs", youtube),
    _dialect("aliyun", "transcripts", ("transcripts.[0].sentences",), "begin_time text",
             plain("begin_time", "end_time", "text", 1)),
    _dialect("aliyun-isi", "Result", ("Result.Sentences",), "BeginTime Text", plain("BeginTime", "EndTime", "Text", 1)),
    _dialect("tencent", "", _TENCENT, "StartMs FinalSentence", plain("StartMs", "EndMs", "FinalSentence", 1)),
    _dialect("volcengine", "result", ("result.utterances", "result.[].utterances"), "start_time text", volcengine),
    _dialect("bcut", "utterances", ("utterances",), "start_time transcript", bcut),
    _dialect("jianying-asr", "data", ("data.utterances",), "start_time text", bcut),
    _dialect("bilibili-subtitle", "body", ("body",), "from content", bilibili),
    _dialect("funasr-http", "sentences", ("sentences",), "start text", funasr),
    _dialect("funasr-http", "sentences", ("sentences",), "start sentence", funasr),
    _dialect("funasr-onnx", "stamp_sents", ("stamp_sents",), "text_seg", funasr),
    _dialect("funasr", "sentence_info", ("sentence_info", "[].sentence_info"), "start", funasr),
    _dialect("videocaptioner", "1", ("*",), "start_time original_subtitle",
             plain("start_time", "end_time", "original_subtitle", 1)),
    _dialect("faster-whisper", "start end text", (LIST, ""), "text", whisper, doubts=True),
)  # fmt: skip
"""In the order in which they are tried."""


def entry_lists(walk: Walk, at: int, dialect: Dialect) -> Iterator[int]:
    """The places of the lists of entries in the value at `at`."""
    is_list = walk.text[at : at + 1] == "["
    for path in dialect.paths:
        if path == (LIST,):
            if is_list:
                yield at
                return
            continue
        found = False
        for place in walk.find(at, path):
            if walk.text[place : place + 1] in ("[", "{"):
                found = True
                yield place
        if found:
            return


def outer_keys(walk: Walk, place: int) -> set[str]:
    """The keys of the object at `place`, or of the first object in the list there."""
    at: int | None = place
    if walk.text[place : place + 1] == "[":
        at = _first_object(walk, place)
    return set() if at is None else walk.keys(at)


def _first_object(walk: Walk, at: int) -> int | None:
    return next((place for place in walk.elements(at) if walk.text[place] == "{"), None)


def recognise(walk: Walk, at: int) -> Dialect | None:
    """The first dialect whose outer keys are there and whose first entry fits."""
    keys = outer_keys(walk, at)
    for dialect in DIALECTS:
        if not dialect.outer <= keys:
            continue
        place = next(entry_lists(walk, at, dialect), None)
        if place is None:
            continue
        first = place if walk.text[place] == "{" else _first_object(walk, place)
        if first is None or dialect.entry <= walk.keys(first):
            return dialect
    return None
