"""Which format a file has, from its beginning, and which reader reads it."""

import re
from pathlib import Path

from worker.lab.importers.captions import read_srt, read_webvtt
from worker.lab.importers.catalogue import Option, names
from worker.lab.importers.chat_dialects import DIALECTS as CHATS_IN_JSON
from worker.lab.importers.chat_json import read_chat_json, what_chat_it_is
from worker.lab.importers.chat_table import CHAT_CSV, CHAT_TEXT, read_chat_table, what_table_it_is
from worker.lab.importers.danmaku import read_danmaku
from worker.lab.importers.danmaku_ass import read_danmaku_ass
from worker.lab.importers.danmaku_writers import VIDEO, written_by
from worker.lab.importers.limits import ImportRefusedError, open_bounded
from worker.lab.importers.readable import HEAD_BYTES as ENCODING_BYTES
from worker.lab.importers.readable import encoding_of
from worker.lab.importers.recording import Chat, Ledger, Progress, Speech
from worker.lab.importers.subtitles import NAMES as SUBTITLES
from worker.lab.importers.subtitles import read_subtitles, what_subtitles_they_are
from worker.lab.importers.timed_text import NAMES as TIMED_TEXTS
from worker.lab.importers.timed_text import read_timed_text, what_timed_text_it_is
from worker.lab.importers.transcripts import explain, read_transcript, what_it_is
from worker.lab.importers.twitch import read_twitch
from worker.lab.importers.whisper import without_held_words
from worker.lab.importers.youtube import read_yt_dlp

HEAD_BYTES = 1 << 20  # the whole text may come before the segments
_SRT = re.compile(r"\s{0,200}(?:\d{1,9}[^\S\n]{0,8}\n)?\s{0,8}(?:\d{1,3}:)?\d{1,2}:\d{2}[,.]\d{1,3} {0,8}-->")


def detect(head: str) -> str:
    """The name of the format, or a description of what was found that is none of them."""
    head = head.lstrip("\ufeff")
    start = head.lstrip()
    if start.startswith("WEBVTT"):
        return "webvtt"
    if _SRT.match(head.replace("\r\n", "\n")):
        return "srt"
    if start.startswith("<"):
        return what_timed_text_it_is(start) or written_by(start)
    if found := what_chat_it_is(start) or what_it_is(start):
        return found
    if start.startswith("{") and '"replayChatItemAction"' in start:
        return "yt-dlp"
    if start.startswith("{"):
        return _detect_json(start)
    if "\0" in start:
        return "a binary file"
    return what_subtitles_they_are(head) or what_table_it_is(head) or explain(start) or "text of an unknown kind"


def _detect_json(start: str) -> str:
    if '"comments"' in start and ('"streamer"' in start or '"content_offset_seconds"' in start):
        return "twitchdownloader"
    return explain(start) or "JSON of an unknown kind"


def is_read(path: Path, option: Option) -> bool:
    """Whether the file seems to be of a format that `--chat` or `--speech` accepts."""
    try:
        with path.open("rb") as file:
            head = file.read(ENCODING_BYTES)
    except OSError:
        return True  # said when it is read
    encoding, mark = encoding_of(head)
    return detect(head[mark:HEAD_BYTES].decode(encoding, "replace")) in names(option)


def _resolve(
    path: Path, wanted: str, accepted: tuple[str, ...], other: tuple[str, ...], *, max_bytes: int, use: str
) -> str:
    option = f"--{use}"
    with open_bounded(path, max_bytes, f"--max-{use}-mb") as file:
        head = file.read(ENCODING_BYTES)
    encoding, mark = encoding_of(head)
    found = detect(head[mark:HEAD_BYTES].decode(encoding, "replace"))
    if found == VIDEO and use == "chat":
        raise ImportRefusedError(f"{path}: {VIDEO}")
    if wanted != "auto":
        return wanted
    if found in accepted:
        return found
    if found in other:
        right = "--speech" if use == "chat" else "--chat"
        raise ImportRefusedError(f"{path}: is {found}, which belongs to {right}, not to {option}")
    raise ImportRefusedError(
        f"{path}: not a format that {option} accepts; found: {found}. `stream-audit import --formats` lists what is "
        f"read; if it is one of these, name it with {option}-format"
    )


def read_chat(path: Path, wanted: str, ledger: Ledger, progress: Progress) -> tuple[str, Chat]:
    """(format, chat); `wanted` is a name in the catalogue or "auto". Raises ImportRefusedError."""
    limit = ledger.limits.chat_bytes
    found = _resolve(path, wanted, names("chat"), names("speech"), max_bytes=limit, use="chat")
    if found == "yt-dlp":
        return found, read_yt_dlp(path, ledger, progress)
    if any(dialect.name == found for dialect in CHATS_IN_JSON):
        return found, read_chat_json(path, found, ledger, progress)
    if found in (CHAT_CSV.name, CHAT_TEXT.name):
        return found, read_chat_table(path, found, ledger, progress)
    if found == "danmaku-ass":
        return found, read_danmaku_ass(path, ledger, progress)
    if found == "twitchdownloader":
        return found, read_twitch(path, ledger, progress)
    return found, read_danmaku(path, found, ledger, progress)


def read_speech(path: Path, wanted: str, ledger: Ledger, progress: Progress) -> tuple[str, list[Speech]]:
    """(format, segments); `wanted` is a name in the catalogue or "auto". Raises ImportRefusedError."""
    limit = ledger.limits.speech_bytes
    found = _resolve(path, wanted, names("speech"), names("chat"), max_bytes=limit, use="speech")
    if found in ("webvtt", "srt"):
        reader = read_webvtt if found == "webvtt" else read_srt
        segments = reader(path, ledger, progress)
    elif found in SUBTITLES:
        segments = read_subtitles(path, found, ledger, progress)
    elif found in TIMED_TEXTS:
        segments = read_timed_text(path, found, ledger, progress)
    else:
        segments = read_transcript(path, found, ledger, progress)
    return found, without_held_words(segments, ledger)
