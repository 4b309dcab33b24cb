"""Who wrote a danmaku XML file, and what it is, by what the file itself shows; and how each writer means it.

Many tools write Bilibili's `<d p="...">`. Bilibili itself gives the comments on an uploaded video: sent on
different days by people known only as a checksum. Those of a live room were all sent at their own place of
the recording, so sending time minus place is the same for every one of them.
"""

import re
from dataclasses import dataclass
from statistics import median_low

VIDEO = (
    "these are the comments on an uploaded Bilibili video, not the chat of a live room: their times are places "
    "in the video, and they were sent on different days. Accepted are files by recorders of live rooms"
)
NO_MESSAGE = "it was cut before its first message, or none was sent"

SPREAD_S = 86_400  # comments on a video were sent over more than this


@dataclass(frozen=True, slots=True)
class Writer:
    """What one recorder means by what it writes. Prices are worth so many fen for each unit in the file."""

    name: str
    platform: str = "other"
    sent: bool = False
    """Whether an item's time is p[4] or `timestamp`; else its place, as long as that clock keeps pace."""
    message_id: bool = False
    """Whether p[7] is the platform's id of the message."""
    author: bool = True
    """Whether p[6] is a viewer's id."""
    by_name: bool = False
    """Whether viewers are told apart by name although there is an id, since kinds of messages differ in it."""
    sc_fen: float = 0.1  # gold seeds: 1,000 are 1 CNY
    seconds: bool = False
    """Whether p[4] is in seconds, and 0 where the writer does not keep it."""


WRITERS: dict[str, Writer] = {
    writer.name: writer
    for writer in (
        Writer("bililive-recorder", "bilibili", sent=True, sc_fen=100),
        Writer("blrec", "bilibili", message_id=True),
        Writer("bililive-tools", sent=True),
        Writer("biliup", seconds=True),
        Writer("stream-rec", sent=True),
        Writer("rust-srec", sent=True, author=False, by_name=True, sc_fen=100),
        Writer("douyin-live-recorder", "douyin", sent=True, author=False),
        Writer("danmaku", sent=True),
    )
}

_PLACE = re.compile(r'<d\s[^>]{0,80}?p="([^"]{1,200})"([^>]{0,300})')
_CHECKSUM = re.compile(r"[0-9a-f]{6,8}")
_MARKS = (
    ("<BililiveRecorder", "bililive-recorder"),
    ("<record_start_time", "blrec"),
    ("<recorder>blrec", "blrec"),
    ("<video_start_time", "bililive-tools"),
    ("<!-- Rust-Srec", "rust-srec"),
    (',1602022773,0"', "douyin-live-recorder"),
)

Place = tuple[list[str], str]  # the fields of p, the other attributes


def written_by(head: str) -> str:
    """The name of a format that is read, `VIDEO`, or a description of what else the file is."""
    for mark, found in _MARKS:
        if mark in head:
            return found
    places = [(place.split(","), rest) for place, rest in _PLACE.findall(head)]
    places = [place for place in places if len(place[0]) >= 8]
    if places:
        return _by_places(head, places)
    if "<d " in head or "<s " in head:
        return (
            "biliup" if re.search(r'\n\t<s timestamp="\d', head) else "danmaku XML of an unknown writer, without times"
        )
    if "<chatserver" in head or "<chatid" in head or re.search(r"<i>\s*(?:</i>|$)", head):
        return f"danmaku XML without a message and without its writer's name: {NO_MESSAGE}"
    return "XML of an unknown kind"


def _by_places(head: str, places: list[Place]) -> str:
    fields = [place for place, _ in places]
    if _is_video(fields):
        return VIDEO
    # Its metadata stands at the end, and is missing after a crash: p has nine fields, two of them the uid.
    if all(len(place) == 9 and place[6] == place[7] and "timestamp=" in rest for place, rest in places):
        return "bililive-tools"
    seconds = sum(place[4].isdigit() and len(place[4]) == 10 for place in fields)
    tabs = "\n\t<d " in head
    if tabs and (seconds or all(place[4] == "0" for place in fields)):
        return "biliup"
    if tabs and "<?xml-stylesheet" in head:
        return "stream-rec"
    return "danmaku"


def _is_video(fields: list[list[str]]) -> bool:
    """Whether sending times and places have nothing to do with each other, or people are checksums."""
    starts = []
    for place in fields:
        try:
            at, sent = float(place[0]), float(place[4])
        except ValueError:
            continue
        if 1e9 < sent < 4e9:
            starts.append(sent - at)
        elif 1e12 < sent < 4e12:
            return False  # Bilibili writes seconds
    if not starts:
        return False
    middle = median_low(starts)
    apart = sum(abs(start - middle) > SPREAD_S for start in starts)
    if len(starts) >= 3:
        return apart >= 0.2 * len(starts)
    return all(_CHECKSUM.fullmatch(place[6]) and place[7].isdigit() and len(place[7]) > 5 for place in fields)
