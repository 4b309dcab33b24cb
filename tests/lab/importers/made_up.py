"""Made-up recordings in the shapes of the real formats. Nobody in them exists."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from worker.lab.importers import Summary

START_MS = 1_780_000_000_000


@dataclass
class Imported:
    """The room log as plain JSON, and what the import said of it."""

    events: list[dict[str, Any]]
    summary: Summary
    text: str

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type_]

    def offsets(self, type_: str) -> list[int]:
        return [event["at_ms"] - self.summary.start_ms for event in self.of(type_)]


Importer = Callable[..., Imported]


def youtube(offset_ms: int, kind: str = "TextMessage", *, live: bool = False, **renderer: Any) -> str:
    """One line of a `live_chat.json`; keyword arguments go into the renderer."""
    base = {
        "id": f"m{offset_ms}",
        "timestampUsec": str((START_MS + offset_ms) * 1_000),
        "authorExternalChannelId": "UC-made-up-viewer",
        "authorName": {"simpleText": "Made-up Name"},
        "message": {"runs": [{"text": "how much is it?"}]},
    }
    item = {f"liveChat{kind}Renderer": base | renderer}
    return youtube_action(offset_ms, {"addChatItemAction": {"item": item}}, live=live)


def youtube_action(offset_ms: int, action: dict[str, Any], *, live: bool = False) -> str:
    if live:
        line = {
            "replayChatItemAction": {"actions": [action]},
            "videoOffsetTimeMsec": str(offset_ms),
            "isLive": True,
        }
    else:
        line = {"replayChatItemAction": {"actions": [action], "videoOffsetTimeMsec": str(offset_ms)}}
    return json.dumps(line, ensure_ascii=False) + "\n"


def bililive(*elements: str, end: str = "</i>", start: str = "2026-05-28T20:26:40.0000000+00:00") -> str:
    """A BililiveRecorder file; its default start is `START_MS`."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<?xml-stylesheet type="text/xsl" href="#s"?>\n<i>\n'
        "<chatserver>chat.bilibili.com</chatserver><chatid>0</chatid><source>k-v</source>\n"
        '<BililiveRecorder version="2.10.0" />\n'
        f'<BililiveRecorderRecordInfo roomid="4242" shortid="0" name="主播甲" title="主播甲的直播间" '
        f'areanameparent="生活" areanamechild="日常" start_time="{start}" />\n'
        '<BililiveRecorderXmlStyle><z:stylesheet version="1.0" id="s" xmlns:z="http://www.w3.org/1999/XSL/Transform">'
        '<z:template match="/"><d p="1,1,25,1,5,0,6,0">style</d></z:template></z:stylesheet>'
        "</BililiveRecorderXmlStyle>\n" + "\n".join(elements) + "\n" + end
    )


def blrec(*elements: str, start: str = "2026-05-29T04:26:40+08:00") -> str:
    """A blrec file; its default start is `START_MS`."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<i>\n<chatserver>chat.bilibili.com</chatserver>\n'
        "<metadata><user_name>主播甲</user_name><room_id>4242</room_id><room_title>卖货</room_title>"
        f"<live_start_time>{start}</live_start_time><record_start_time>{start}</record_start_time>"
        "<recorder>blrec v2.0.0</recorder></metadata>\n" + "\n".join(elements) + "\n</i>"
    )


def twitch(*comments: dict[str, Any], **top: Any) -> str:
    return json.dumps(
        {
            "FileInfo": {"Version": {"Major": 1, "Minor": 4, "Patch": 0}},
            "streamer": {"name": "MadeUpHost", "login": "madeuphost", "id": 77},
            "video": {"id": "1", "title": "a stream", "created_at": "2026-05-28T20:26:40Z"},
            "comments": comments,
        }
        | top
    )


def tweet(offset_s: float, body: str = "hi", uid: str = "501", **message: Any) -> dict[str, Any]:
    """One comment of a TwitchDownloader file."""
    return {
        "_id": f"c{offset_s}-{uid}-{body}",
        "created_at": "2026-05-28T20:26:40Z",
        "content_offset_seconds": offset_s,
        "commenter": {"_id": uid, "name": "madeupname", "display_name": "MadeUpName"},
        "message": {"body": body, "bits_spent": 0, "fragments": [], **message},
    }


def whisper(*segments: dict[str, Any]) -> str:
    full = [
        {"id": n, "seek": 0, "tokens": [1, 2], "temperature": 0.0, "avg_logprob": -0.3,
         "compression_ratio": 1.2, "no_speech_prob": 0.05} | segment
        for n, segment in enumerate(segments)
    ]  # fmt: skip
    return json.dumps({"text": "all of it", "segments": full, "language": "en"}, ensure_ascii=False)


def srt_cue(n: int, start: str, end: str, text: str) -> str:
    return f"{n}\n{start} --> {end}\n{text}\n\n"
