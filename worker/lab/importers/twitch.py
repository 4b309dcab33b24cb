"""TwitchDownloader's chat JSON (formats 1.0.0 of 2021 to 1.4.0).

Offsets count: `created_at` of a highlight is the time of the copy, thousands of comments within seconds.
Offsets are whole seconds and count from the start of the VOD, for a cut too; `video.start` says where the
cut begins.

The file is mapped, not read, and only the fields below are decoded, so embedded images cost neither memory
nor time.
"""

import mmap
from codecs import BOM_UTF8
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct, field

from worker.lab.importers.limits import ImportRefusedError, open_bounded
from worker.lab.importers.readable import REPAIRED_JSON, encoding_of, open_lines, repaired_json
from worker.lab.importers.recording import (
    DUPLICATE,
    NO_TEXT,
    Chat,
    Comment,
    Gift,
    HostText,
    Item,
    Ledger,
    Progress,
    Seconds,
)
from worker.lab.importers.spool import Seen
from worker.lab.importers.twitch_pieces import comments, objects


class _Streamer(Struct):
    id: int | str = ""
    name: str = ""


class _Video(Struct):
    id: str | int | None = None
    title: str | None = None
    created_at: str | None = None
    start: Seconds = 0.0
    end: Seconds = 0.0


class _File(Struct):
    comments: list[Raw]
    streamer: _Streamer | None = None
    video: _Video | None = None


class _Notice(Struct):
    new: str | None = field(default=None, name="msg_id")
    old: str | None = field(default=None, name="msg-id")


class _Commenter(Struct):
    id: str = field(default="", name="_id")


class _Message(Struct):
    body: str = ""
    bits_spent: int = 0
    user_notice_params: _Notice | None = None


class _Comment(Struct):
    content_offset_seconds: Seconds
    message: _Message
    commenter: _Commenter | None = None
    id: str = field(default="", name="_id")


T = TypeVar("T")

WHOLE_BYTES = 64 << 20  # a larger file is read comment by comment
EDGE_BYTES = 1 << 20  # of both ends of a broken file, where streamer and video are looked for
_STREAMER = msgspec.json.Decoder(_Streamer)
_VIDEO = msgspec.json.Decoder(_Video)
_FILE = msgspec.json.Decoder(_File)
_COMMENT = msgspec.json.Decoder(_Comment)
# `msg-id` of Twitch's USERNOTICE for subscriptions that somebody paid for now.
_SUBSCRIPTIONS = frozenset({"sub", "resub", "subgift", "submysterygift", "anonsubgift", "giftpaidupgrade"})
_SILENT = frozenset({"raid", "unraid", "bitsbadgetier", "ritual"})


def read_twitch(path: Path, ledger: Ledger, progress: Progress) -> Chat:
    """Reads the whole chat; offsets count from `video.start` afterwards.

    Raises:
        ImportRefusedError: no JSON of this kind, too large, or too many unreadable comments.
    """
    with open_bounded(path, ledger.limits.chat_bytes, "--max-chat-mb") as file:
        size = path.stat().st_size
        if size > WHOLE_BYTES:
            head = file.read(EDGE_BYTES)
            file.seek(max(0, size - EDGE_BYTES))
            return _in_pieces(path, head, file.read(), ledger, progress, "")
        # Never closed by hand: undecoded comments point into the map, which goes when the last of them does.
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        decoded = _FILE.decode(view[3:] if bytes(view[:3]) == BOM_UTF8 else view)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _in_pieces(path, bytes(view[:EDGE_BYTES]), bytes(view[-EDGE_BYTES:]), ledger, progress, str(error))
    progress(len(view))
    return _chat(path, decoded, decoded.comments, ledger)


def _in_pieces(path: Path, head: bytes, tail: bytes, ledger: Ledger, progress: Progress, why: str) -> Chat:
    """Reads a file comment by comment: one that is large, or no UTF-8, or no whole JSON, and `why`."""
    encoding, mark = encoding_of(head)
    about = head[mark:].decode(encoding, "replace").encode() + tail[: len(tail) // 4 * 4].decode(
        encoding, "replace"
    ).encode("utf-8", "replace")
    file = _File([], _first(_STREAMER, about, b"streamer"), _first(_VIDEO, about, b"video"))
    with open_lines(path, ledger.limits.chat_bytes, "--max-chat-mb", ledger, progress) as lines:
        pieces = comments(lines, ledger.limits.line_bytes)
        first = next(pieces, None)
        if first is None:
            raise ImportRefusedError(f"{path}: is no whole TwitchDownloader chat: {why or 'it has no comment'}")
        chat = _chat(path, file, chain([first], pieces), ledger)
        lines.check()
    if encoding == "utf-8" and why:
        ledger.warnings.append(f"the file is no whole JSON ({why}); its comments were read one by one")
    return chat


def _first(decoder: msgspec.json.Decoder[T], data: bytes, key: bytes) -> T | None:
    for found in objects(data, key):
        try:
            return decoder.decode(repaired_json(found))
        except (msgspec.DecodeError, RecursionError):
            continue
    return None


def _chat(path: Path, file: _File, raws: Iterable[Raw | bytes], ledger: Ledger) -> Chat:
    video, streamer = file.video or _Video(), file.streamer or _Streamer()
    title = (video.title or "").replace(streamer.name, "…") if streamer.name else video.title or ""
    chat = Chat("twitch", ledger, host=str(streamer.id), room=str(streamer.id), title=title)
    start_ms = max(0, round(video.start * 1_000))
    if video.created_at:
        try:
            at = datetime.fromisoformat(video.created_at)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            chat.started_at_ms = round(at.timestamp() * 1_000) + start_ms
        except ValueError:
            ledger.warnings.append("video.created_at is unreadable")
    if video.end > video.start:
        chat.length_ms = min(round((video.end - video.start) * 1_000), ledger.limits.span_ms)
    bad_before, read, whole, seen = ledger.bad, 0, True, Seen()
    for number, raw in enumerate(raws, 1):
        comment = _comment(raw, number, ledger)
        if comment is None:
            continue
        read += 1
        if comment.id and seen.again(comment.id):
            ledger.drop(DUPLICATE)
            continue
        whole = whole and comment.content_offset_seconds.is_integer()
        for item in _meaning(comment, chat, start_ms):
            chat.add(item, number)
    ledger.check(path, bad_before, read)
    if read and whole:
        ledger.warnings.append("chat times are whole seconds: delays of replies are known to 1 s")
    return chat


def _comment(raw: Raw | bytes, number: int, ledger: Ledger) -> _Comment | None:
    """One comment, repaired if need be; None if it was counted as unreadable."""
    try:
        return _COMMENT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        comment = _COMMENT.decode(repaired_json(bytes(raw)))
    except (msgspec.DecodeError, RecursionError) as error:
        # The library's message names the place, never the content.
        ledger.unreadable(number, f"comment {number}: {error}")
        return None
    ledger.changed[REPAIRED_JSON] += 1
    return comment


def _meaning(comment: _Comment, chat: Chat, start_ms: int) -> list[Item]:
    offset = round(comment.content_offset_seconds * 1_000) - start_ms
    author = comment.commenter.id if comment.commenter is not None else ""
    message, ref = comment.message, comment.id
    if chat.host and author == chat.host:
        return [HostText(offset, ref)]
    notice = message.user_notice_params or _Notice()
    kind = notice.new or notice.old or ""
    items: list[Item] = []
    if message.bits_spent > 0:  # one bit is one US cent to the streamer
        items.append(Gift(offset, author, "bits", message.bits_spent, "USD", ref))
    elif kind in _SUBSCRIPTIONS:
        items.append(Gift(offset, author, "subscription", ref=ref))
        chat.ledger.changed["gift without a readable price (value 0, currency XXX)"] += 1
    if kind in _SILENT:
        chat.ledger.drop("notice of the platform")
    elif message.body.strip():
        items.append(Comment(offset, author, message.body.strip(), ref))
    elif not items:
        chat.ledger.drop(NO_TEXT)
    return items
