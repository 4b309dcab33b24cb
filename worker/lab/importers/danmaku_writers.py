"""Who wrote a danmaku XML file, and what it is, by what the file itself shows.

Many tools write Bilibili's `<d p="...">`. Bilibili itself gives the comments on an uploaded video: sent on
different days by people known only as a checksum. Those of a live room were all sent at their own place of
the recording, so sending time minus place is the same for every one of them.
"""

import re
from statistics import median_low

VIDEO = (
    "these are the comments on an uploaded Bilibili video, not the chat of a live room: their times are places "
    "in the video, and they were sent on different days. Accepted are files by BililiveRecorder and blrec"
)
NO_MESSAGE = "it was cut before its first message, or none was sent"
UNREAD = "which is not read yet"

SPREAD_S = 86_400  # comments on a video were sent over more than this
_PLACE = re.compile(r'<d\s[^>]{0,80}?p="([^"]{1,200})"')
_CHECKSUM = re.compile(r"[0-9a-f]{6,8}")
_MARKS = (
    ("<BililiveRecorder", "bililive-recorder"),
    ("<record_start_time", "blrec"),
    ("<recorder>blrec", "blrec"),
    ("<video_start_time", f"a live recording by biliLive-tools, {UNREAD}"),
    ("<!-- Rust-Srec", f"a live recording by rust-srec, {UNREAD}"),
    (',1602022773,0"', f"a live recording by DouyinLiveRecorder (danmu_recorder), {UNREAD}"),
)


def written_by(head: str) -> str:
    """The name of a format that is read, `VIDEO`, or a description of what else the file is."""
    for mark, found in _MARKS:
        if mark in head:
            return found
    fields = [place.split(",") for place in _PLACE.findall(head)]
    fields = [place for place in fields if len(place) >= 8]
    if fields:
        return _by_places(head, fields)
    if "<d " in head or "<s " in head:
        return f"danmaku XML of an unknown writer, {UNREAD}"
    if "<chatserver" in head or "<chatid" in head or re.search(r"<i>\s*(?:</i>|$)", head):
        return f"danmaku XML without a message and without its writer's name: {NO_MESSAGE}"
    return "XML of an unknown kind"


def _by_places(head: str, fields: list[list[str]]) -> str:
    if _is_video(fields):
        return VIDEO
    seconds = sum(place[4].isdigit() and len(place[4]) == 10 for place in fields)
    tabs = "\n\t<d " in head
    if tabs and (seconds or all(place[4] == "0" for place in fields)):
        return f"a live recording as biliup writes it, {UNREAD}"
    if tabs:
        return f"a live recording as stream-rec writes it, {UNREAD}"
    times = "times" if any(place[4] not in ("0", "") for place in fields) else "no times"
    return f"danmaku XML of an unknown writer ({times}, no recorder's name), {UNREAD}"


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
