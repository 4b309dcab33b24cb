"""Which format a file has, from its beginning, and which reader reads it."""

import re
from pathlib import Path
from typing import Literal, get_args

from worker.lab.importers.captions import read_srt, read_webvtt
from worker.lab.importers.danmaku import VIDEO, read_danmaku
from worker.lab.importers.limits import ImportRefusedError, open_bounded
from worker.lab.importers.readable import HEAD_BYTES as ENCODING_BYTES
from worker.lab.importers.readable import encoding_of
from worker.lab.importers.recording import Chat, Ledger, Progress, Speech
from worker.lab.importers.twitch import read_twitch
from worker.lab.importers.whisper import read_whisper, without_held_words
from worker.lab.importers.youtube import read_yt_dlp

ChatFormat = Literal["yt-dlp", "bililive-recorder", "blrec", "twitchdownloader"]
SpeechFormat = Literal["webvtt", "srt", "whisper"]
CHAT_FORMATS: tuple[ChatFormat, ...] = get_args(ChatFormat)
SPEECH_FORMATS: tuple[SpeechFormat, ...] = get_args(SpeechFormat)

HEAD_BYTES = 65_536
_SRT = re.compile(r"\s{0,200}(?:\d{1,9}[^\S\n]{0,8}\n)?\s{0,8}(?:\d{1,3}:)?\d{1,2}:\d{2}[,.]\d{1,3} {0,8}-->")

_WHISPER = re.compile(r'\{\s{0,20}"text"\s{0,4}:')  # the whole text comes first and may fill the head


def detect(head: str) -> str:
    """The name of the format, or a description of what was found that is none of them."""
    head = head.lstrip("\ufeff")
    start = head.lstrip()
    if start.startswith("WEBVTT"):
        return "webvtt"
    if _SRT.match(head.replace("\r\n", "\n")):
        return "srt"
    if start.startswith("<"):
        return _detect_xml(start)
    if start.startswith("{") and '"replayChatItemAction"' in start:
        return "yt-dlp"
    if start.startswith("{"):
        return _detect_json(start)
    if start.startswith("[") and ('"time_in_seconds"' in start or '"message_type"' in start):
        return "JSON by chat-downloader; record the chat with yt-dlp instead"
    if "\0" in start:
        return "a binary file"
    return "text of an unknown kind"


def _detect_xml(start: str) -> str:
    if "<BililiveRecorderRecordInfo" in start:
        return "bililive-recorder"
    if "<record_start_time" in start or "<recorder>blrec" in start:
        return "blrec"
    if "<d p=" in start or "<chatserver" in start:
        return VIDEO
    return "XML of an unknown kind"


def _detect_json(start: str) -> str:
    if '"segments"' in start or _WHISPER.match(start):
        return "whisper"
    if '"comments"' in start and ('"streamer"' in start or '"content_offset_seconds"' in start):
        return "twitchdownloader"
    if '"transcription"' in start:
        return "JSON by whisper.cpp; let it write SRT (-osrt) instead"
    return "JSON of an unknown kind"


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
        f"{path}: not a format that {option} accepts; found: {found}. Accepted: {', '.join(accepted)}. "
        f"If it is one of these, name it with {option}-format"
    )


def read_chat(path: Path, wanted: str, ledger: Ledger, progress: Progress) -> tuple[str, Chat]:
    """(format, chat); `wanted` is a `ChatFormat` or "auto". Raises ImportRefusedError."""
    limit = ledger.limits.chat_bytes
    found = _resolve(path, wanted, CHAT_FORMATS, SPEECH_FORMATS, max_bytes=limit, use="chat")
    if found == "yt-dlp":
        return found, read_yt_dlp(path, ledger, progress)
    if found == "twitchdownloader":
        return found, read_twitch(path, ledger, progress)
    recorder: Literal["bililive-recorder", "blrec"] = "blrec" if found == "blrec" else "bililive-recorder"
    return found, read_danmaku(path, recorder, ledger, progress)


def read_speech(path: Path, wanted: str, ledger: Ledger, progress: Progress) -> tuple[str, list[Speech]]:
    """(format, segments); `wanted` is a `SpeechFormat` or "auto". Raises ImportRefusedError."""
    limit = ledger.limits.speech_bytes
    found = _resolve(path, wanted, SPEECH_FORMATS, CHAT_FORMATS, max_bytes=limit, use="speech")
    reader = {"webvtt": read_webvtt, "srt": read_srt, "whisper": read_whisper}[found]
    return found, without_held_words(reader(path, ledger, progress), ledger)
