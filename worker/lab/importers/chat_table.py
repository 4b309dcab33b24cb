"""Chats as tables (CSV) and as lines of text, one message a line.

A table is known by its head: a column of times, one of texts, and what it has of people. A clock without a
date is local; the date is taken from the name of the file or its folder, and a clock that falls by over
twelve hours has passed midnight.
"""

import csv
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from worker.lab.importers.chat_dialects import ChatDialect
from worker.lab.importers.chat_douyin import diamonds
from worker.lab.importers.chat_log import ChatLog
from worker.lab.importers.chat_messages import About, Entry, Kind, Message, comment, dropped, who, whole
from worker.lab.importers.chat_rooms import chat_downloader
from worker.lab.importers.instants import BEIJING, instant_ms
from worker.lab.importers.limits import ImportRefusedError
from worker.lab.importers.readable import Lines, open_lines
from worker.lab.importers.recording import Chat, Ledger, Progress

DAY_MS = 86_400_000
HALF_DAY_MS = DAY_MS // 2
FIELDS_MAX = 1_000
TIMELESS = "its table has no column of times: a chat without times cannot be judged"
_COLUMNS = {
    "time": ("time", "timestamp", "时间", "发送时间", "评论时间", "弹幕时间", "datetime", "date", "created_at"),
    "id": ("user_id", "userid", "uid", "用户id", "author.id", "user id"),
    "name": ("user_name", "username", "nickname", "昵称", "用户昵称", "用户名", "user", "author.name"),
    "text": ("content", "comment", "弹幕", "弹幕内容", "评论", "评论内容", "内容", "message", "text"),
    "gift": ("gift_name", "礼物", "礼物名称"), "gifts": ("gift_count", "礼物数量"), "coins": ("diamond_total",),
    "action": ("action", "动作"), "likes": ("count",), "ref": ("message_id", "msg_id", "消息id"),
}  # fmt: skip
_CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,3}))?")
_DATE = re.compile(
    r"(?<!\d)(20\d{2})[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)(?:[-_ T]([01]\d|2[0-3])[-_.]?([0-5]\d))?"
)
_FOLDER = re.compile(r"20\d{6}_\d{4,6}_(\d{1,20})")
_MS_LINE = re.compile(r"(\d{13}):(.*)")
_LOG_LINE = re.compile(r"(\d{1,2}:\d{2}:\d{2}) \[弹幕消息\] \[.{0,4}\] (.{0,80}?): (.*)")
_ACTIONS: dict[str, Kind] = {"关注": "followed", "分享": "shared", "进入": "joined", "进入直播间": "joined"}

CHAT_CSV = ChatDialect("chat-csv", "other", frozenset(), lambda _, __: [], arrival=True)
CHAT_TEXT = ChatDialect("chat-text", "douyin", frozenset(), lambda _, __: [], arrival=True)


def what_table_it_is(head: str) -> str:
    """The name of the format of a table or of lines of text, or why it is none that can be read; empty for neither."""
    lines = [line.strip("\r") for line in head.lstrip("\ufeff").split("\n")[:5]]
    if any(_MS_LINE.fullmatch(line) or _LOG_LINE.fullmatch(line) for line in lines if line):
        return CHAT_TEXT.name
    if "," not in lines[0] or len(lines[0]) > 10_000:
        return ""
    names = {name.strip().strip('"').lower() for name in lines[0].split(",")}
    columns = {use for use, known in _COLUMNS.items() if names & set(known)}
    if "time" in columns and columns & {"text", "gift"} and columns & {"id", "name"}:
        return CHAT_CSV.name
    if "time" in columns and "id" in columns and columns & {"action", "likes", "name"}:
        return CHAT_CSV.name
    return "a table without a column of times" if {"text", "id"} <= columns or {"text", "name"} <= columns else ""


class _Clock:
    """Local times of day as Unix ms, or as ms from the first one's midnight if the date is unknown."""

    def __init__(self, path: Path) -> None:
        found = _DATE.search(path.name) or _DATE.search(path.parent.name)
        self.day_ms = 0
        self.dated = False
        self.last = -1  # time of day, ms
        if found:
            try:
                day = datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=BEIJING)
            except ValueError:
                return
            self.day_ms, self.dated = round(day.timestamp() * 1_000), True
            if found[4]:
                self.last = (int(found[4]) * 60 + int(found[5])) * 60_000

    def read(self, text: str) -> int | None:
        """ms; None if `text` is no time of day."""
        clock = _CLOCK.fullmatch(text.strip())
        if clock is None:
            return None
        hours, minutes, seconds, part = clock.groups()
        at = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1_000 + int((part or "0").ljust(3, "0"))
        if self.last >= 0 and at < self.last - HALF_DAY_MS:
            self.day_ms += DAY_MS
        self.last = at
        return self.day_ms + at


def read_chat_table(path: Path, wanted: str, ledger: Ledger, progress: Progress) -> Chat:
    """Reads a chat that is a table ("chat-csv") or lines of text ("chat-text").

    Raises:
        ImportRefusedError: too large, no times, or too many unreadable rows.
    """
    is_table = wanted == CHAT_CSV.name
    log, bad_before, read = ChatLog(path, CHAT_CSV if is_table else CHAT_TEXT, ledger), ledger.bad, 0
    if folder := _FOLDER.fullmatch(path.parent.name):
        log.about.room = log.about.broadcast = folder[1]
        log.about.platform = "douyin"
    clock = _Clock(path)
    log.from_first = not clock.dated
    with open_lines(path, ledger.limits.chat_bytes, "--max-chat-mb", ledger, progress) as lines:
        for number, messages in (_rows if is_table else _texts)(path, lines, log.about, clock, ledger):
            read += 1
            for message in messages:
                log.keep(message, number)
        lines.check()
    ledger.check(path, bad_before, read)
    return log.finish()


def _text_lines(lines: Lines) -> Iterator[str]:
    while data := lines.readline():
        yield data.decode("utf-8", "replace").replace("\0", "")


def _texts(
    path: Path, lines: Lines, about: About, clock: _Clock, ledger: Ledger
) -> Iterator[tuple[int, list[Message]]]:  # fmt: skip
    for number, line in enumerate(_text_lines(lines), 1):
        row = line.strip("\ufeff\r\n ")
        if found := _MS_LINE.fullmatch(row):
            yield number, [comment("", found[2], instant_ms(found[1]))]
        elif found := _LOG_LINE.fullmatch(row):
            yield number, [_at(comment(who("", found[2]), found[3], 0), clock.read(found[1]), clock)]
        elif row:
            ledger.unreadable(number, "is no line of a time and a message")


def _at(message: Message, at: int | None, clock: _Clock) -> Message:
    if at is not None and clock.dated:
        message.sent_ms = at
    else:
        message.place_ms = at
    return message


def _rows(
    path: Path, lines: Lines, about: About, clock: _Clock, ledger: Ledger
) -> Iterator[tuple[int, list[Message]]]:  # fmt: skip
    reader = csv.reader(_text_lines(lines), strict=False)
    head: list[str] = []
    take: Callable[[Entry], list[Message]] | None = None
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            ledger.unreadable(reader.line_num, f"is no row of the table: {error}")
            continue
        if row is None:
            return
        if take is None:
            head = [name.strip('\ufeff "').lower() for name in row[:FIELDS_MAX]]
            take = _taker(path, head, about, clock)
            continue
        if not any(row):
            continue
        if len(row) < min(len(head), 3):
            ledger.unreadable(reader.line_num, f"has {len(row)} fields, the head {len(head)}")
            continue
        yield reader.line_num, take(dict(zip(head, row, strict=False)))


def _taker(path: Path, head: list[str], about: About, clock: _Clock) -> Callable[[Entry], list[Message]]:
    if "message_type" in head and ("time_in_seconds" in head or "timestamp" in head):
        return lambda row: chat_downloader(_unflattened(row), about)
    column = {use: next((name for name in known if name in head), "") for use, known in _COLUMNS.items()}
    if not column["time"]:
        raise ImportRefusedError(f"{path}: {TIMELESS}")

    def take(row: Entry) -> list[Message]:
        author = who(row.get(column["id"], ""), row.get(column["name"], ""))
        written = str(row.get(column["time"], "")).strip()
        message = Message("comment", author, "", instant_ms(written), str(row.get(column["ref"], "")))
        if not message.sent_ms:
            message = _at(message, clock.read(written), clock)
        if column["text"]:
            message.text = str(row.get(column["text"], "")).strip()
        elif column["gift"]:
            message.kind, message.text = "gift", str(row.get(column["gift"], ""))
            message.count = whole(row.get(column["gifts"]), 1)
            message.value, message.currency = diamonds(whole(row.get(column["coins"])), 1)
            message.streak = f"{author}\0{message.text}"
        elif column["action"]:
            message.kind = _ACTIONS.get(str(row.get(column["action"], "")).strip(), "drop")
        elif column["likes"]:
            message.kind, message.count = "liked", whole(row.get(column["likes"]), 1)
        else:
            message.kind = "joined"
        return dropped() if message.kind == "drop" else [message]

    return take


def _unflattened(row: Entry) -> Entry:
    """A row whose columns are named by paths (`author.id`) as the object that it was; numbers stay text."""
    entry: Entry = {}
    for key, value in row.items():
        outer, _, inner = key.partition(".")
        if value == "":
            continue
        if inner:
            below = entry.setdefault(outer, {})
            if isinstance(below, dict):
                below[inner] = value
        else:
            entry[outer] = value
    return entry
