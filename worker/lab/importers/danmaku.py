"""Danmaku XML by recorders of live rooms: one element per message within `<i>`; a crash leaves no `</i>`.

They differ in what a time, an id and a price mean: `danmaku_writers` says so for each. A stopwatch at the
moment of *writing* is not the sending time, so where the platform's time is there it is taken. A *video's*
comments share the format but were written over years by different people at one place of the video; such a
file is refused.

Prices: 1 CNY = 1,000 gold seeds (金瓜子).
"""

import math
import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Struct

from worker.lab.importers.clocks import first_start, middle_of, outliers
from worker.lab.importers.danmaku_writers import NO_MESSAGE, WRITERS, Writer
from worker.lab.importers.instants import PLATFORMS, instant_ms, unix_ms
from worker.lab.importers.limits import ImportRefusedError, open_bounded
from worker.lab.importers.readable import NO_CHARACTER, REPLACEMENT
from worker.lab.importers.recording import NO_TEXT, Chat, Comment, Gift, HostText, Ledger, Progress
from worker.lab.importers.spool import Spool, held
from worker.lab.importers.xml_stream import Element, read_elements

CLOCK_SKEW_MS = 5_000  # a recorder's clock further off than this is corrected by the server's
SAME_PURCHASE_MS = 60_000  # guard and toast of one purchase lie seconds apart
SEEDS_PER_FEN = 10
METADATA = frozenset({
    "user_name", "room_id", "room_title", "live_start_time", "record_start_time", "recorder", "video_start_time",
    "platform", "video_end_time",
})  # fmt: skip
KINDS = frozenset({"d", "sc", "gift", "guard", "toast", "s"})
STYLES = frozenset({"BililiveRecorderXmlStyle", "RecorderXmlStyle"})
HEADER = frozenset({
    "i", "chatserver", "chatid", "mission", "maxlimit", "state", "real_name", "source", "metadata", "area",
    "parent_area", "BililiveRecorder", "BililiveRecorderXmlStyle",
})  # fmt: skip
WRONG_TIME = "comment without a credible server time (placed by the recorder's clock)"
IN_SECONDS = "comment whose server time is in seconds (now ms)"
OTHER_UNIT = "comment whose server time is in another unit (now ms)"
NO_TIME = "message without any time (placed beside the one before it)"


class _RawGift(msgspec.Struct):
    """The part of BililiveRecorder's `raw` attribute (the platform's own JSON) that carries the price."""

    uid: int | str = ""
    coin_type: str = ""
    total_coin: int | None = None
    price: int = 0
    num: int = 1


_RAW = msgspec.json.Decoder(_RawGift, strict=False)


_ABOUT = re.compile(r"<!-- (Platform|Room ID|Start Time): ([^<>]{1,60}?) -->")
_MISSING = frozenset({"", "NaN", "undefined", "null", "None"})


class _Entry(Struct, array_like=True, gc=False):
    """An item as it stands in the file; its place is None if the file has none."""

    item: Comment | Gift
    place_ms: int | None
    line: int
    user: str = ""


@dataclass(slots=True)
class _Reader:
    writer: Writer
    chat: Chat
    read: int = 0
    name: str = ""
    recorded: bool = False
    entries: Spool[_Entry] = field(default_factory=lambda: Spool(_Entry))
    sent: "array[int]" = field(default_factory=lambda: array("q"))
    """For each entry when it was sent (Unix ms, 0 if unknown), as far as that is believed."""
    starts: "array[int]" = field(default_factory=lambda: array("q"))
    """When the recording began by each entry that has both clocks."""
    timed: "array[int]" = field(default_factory=lambda: array("I"))
    """The positions of those entries."""
    last: tuple[int | None, int, int] = (None, 0, 0)
    """Place, sending time and line of the newest entry."""
    guards: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # (uid, level) → offsets
    toasts: list[tuple[Gift, str, int]] = field(default_factory=list)  # gift, level, line
    steady: bool = True

    def element(self, tag: str, attrs: Mapping[str, str], text: str, line: int) -> None:
        if tag == "BililiveRecorderRecordInfo" and self.writer.name == "bililive-recorder":
            self.recorded = True
            self.name = attrs.get("name", "")
            self.chat.room = attrs.get("roomid", "")
            self.chat.title = attrs.get("title", "")
            self.chat.started_at_ms = self.instant(attrs.get("start_time", ""))
        elif tag in METADATA:
            self.metadata(tag, text.strip())
        elif tag in KINDS:
            try:
                getattr(self, tag)(attrs, text, line)
            except (ValueError, KeyError, IndexError, OverflowError):
                self.chat.ledger.unreadable(line, f"<{tag}> lacks a number or an attribute")
            else:
                self.read += 1
        elif tag not in HEADER:
            self.chat.ledger.drop("element that the room log has no event for")

    def metadata(self, tag: str, text: str) -> None:
        if tag in ("record_start_time", "video_start_time"):
            self.recorded = True
            self.chat.started_at_ms = self.instant(text)
        elif tag == "live_start_time":
            self.chat.broadcast = text
        elif tag == "platform":
            self.chat.platform = PLATFORMS.get(text.lower(), self.writer.platform)
        elif tag == "room_id":
            self.chat.room = text
        elif tag == "room_title":
            self.chat.title = text
        elif tag == "user_name":
            self.name = text

    def instant(self, text: str) -> int | None:
        if found := instant_ms(text):
            return found
        self.chat.ledger.warnings.append("the recording's start time is unreadable")
        return None

    def d(self, attrs: Mapping[str, str], text: str, line: int) -> None:
        p = attrs["p"].split(",")
        place, server = _place(p[0]), self.server_ms(p[4])
        text = text.strip()
        if text and not text.strip(f"{REPLACEMENT} "):
            self.chat.ledger.drop(NO_CHARACTER)
        elif text:
            ref = p[7] if len(p) > 7 and self.writer.message_id else ""
            author = self.uid(attrs, p[6] if self.writer.author else "")
            self.keep(Comment(0, author, text, ref), place, server, line, attrs.get("user", ""))
        else:
            self.chat.ledger.drop(NO_TEXT)

    def keep(self, item: Comment | Gift, place: int | None, sent: int, line: int, user: str = "") -> None:
        place = None if place is None else held(place)
        if sent and place is not None:
            self.timed.append(len(self.sent))
            self.starts.append(sent - place)
        if len(self.sent) >= self.chat.ledger.limits.items:
            raise ImportRefusedError(f"more than {len(self.sent)} chat entries; raise the limit with --max-items")
        self.sent.append(sent)
        self.entries.append(_Entry(item, place, line, user))
        self.last = (place, sent, line)

    def server_ms(self, text: str) -> int:
        """A server time in Unix ms; 0 if it is none, as for a recorder that was not told one."""
        found, changed = unix_ms(text), self.chat.ledger.changed
        if found:
            if len(text) == 10 and not self.writer.seconds:
                changed[IN_SECONDS] += 1
            return found
        number = _number(text)
        if number is not None and (found := unix_ms(number * 1_000_000)):
            changed[OTHER_UNIT] += 1  # biliLive-tools divides a Unix time by a million for some of Douyin's messages
            return found
        if not (self.writer.seconds and text == "0"):
            changed[WRONG_TIME] += 1
        return 0

    def gifted(self, gift: Gift, attrs: Mapping[str, str], line: int) -> None:
        """Keep a gift at its `ts`, and at its `timestamp` if it has one."""
        place = _place(attrs["ts"]) if "ts" in attrs else None
        sent = self.server_ms(attrs["timestamp"]) if "timestamp" in attrs else 0
        if place is None and not sent and "ts" not in attrs:
            raise KeyError("ts")
        self.keep(gift, place, sent, line)

    def sc(self, attrs: Mapping[str, str], text: str, line: int) -> None:
        gift = self.priced(Gift(0, self.uid(attrs), "super_chat"), float(attrs["price"]) * self.writer.sc_fen)
        self.gifted(gift, attrs, line)
        if text.strip():
            self.said_by_giver(text.strip(), gift.author)

    def said_by_giver(self, text: str, author: str) -> None:
        self.keep(Comment(0, author, text), *self.last)

    def priced(self, gift: Gift, fen: float) -> Gift:
        if fen > 0 and math.isfinite(fen):
            gift.value, gift.currency = round(fen), "CNY"
        else:
            self.unpriced()
        return gift

    def gift(self, attrs: Mapping[str, str], _: str, line: int) -> None:
        gift = Gift(0, self.uid(attrs), attrs.get("giftname") or "gift")
        raw = _raw(attrs)
        if "cointype" in attrs:
            seeds = float(attrs["price"]) * int(attrs["giftcount"]) if attrs["cointype"] == "金瓜子" else 0
            gift.value, gift.currency = round(seeds / SEEDS_PER_FEN), "CNY"
        elif raw is not None and raw.coin_type:
            total = raw.price * raw.num if raw.total_coin is None else raw.total_coin
            gift.value = round(total / SEEDS_PER_FEN) if raw.coin_type == "gold" else 0
            gift.currency = "CNY"
        elif (price := _number(attrs.get("price", ""))) is not None:
            self.priced(gift, price * (_number(attrs.get("giftcount", "1")) or 1) / SEEDS_PER_FEN)
        else:
            self.unpriced()
        self.gifted(gift, attrs, line)

    def s(self, attrs: Mapping[str, str], text: str, line: int) -> None:
        """biliup's gifts of every kind: they have a sending time in seconds, and no place."""
        kind = attrs["type"]
        name = {"super_chat": "super_chat", "guard_buy": "guard"}.get(kind) or attrs.get("giftname") or "gift"
        count = 1 if kind == "super_chat" else _number(attrs.get("num", "1")) or 1
        gift = self.priced(
            Gift(0, self.uid(attrs), name), (_number(attrs.get("price", "")) or 0) * count / SEEDS_PER_FEN
        )
        self.gifted(gift, attrs, line)
        if kind == "super_chat" and text.strip():
            self.said_by_giver(text.strip(), gift.author)

    def guard(self, attrs: Mapping[str, str], _: str, line: int) -> None:
        gift = self.membership(attrs)
        self.guards.setdefault((gift.author, attrs.get("level", "")), []).append(_ms(attrs["ts"]))
        self.gifted(gift, attrs, line)

    def toast(self, attrs: Mapping[str, str], _: str, line: int) -> None:
        gift = self.membership(attrs)
        gift.offset_ms = _ms(attrs["ts"])
        self.toasts.append((gift, attrs.get("level", ""), line))

    def membership(self, attrs: Mapping[str, str]) -> Gift:
        gift = Gift(0, self.uid(attrs), f"guard_{attrs.get('level', '0')[:8]}")
        if "price" in attrs:
            gift.value = round(float(attrs["price"]) * int(attrs.get("count", "1")) / SEEDS_PER_FEN)
            gift.currency = "CNY"
        else:
            self.unpriced()
        return gift

    def uid(self, attrs: Mapping[str, str], fallback: str = "") -> str:
        """The viewer's id, from `raw` if need be (BililiveRecorder 1.3.11), else the name, else nothing.

        The platform gives a recorder that is not logged in the id 0 and a masked name for everybody.
        """
        raw = _raw(attrs) if "uid" not in attrs else None
        uid = attrs.get("uid") or (str(raw.uid) if raw is not None else "") or fallback
        user = attrs.get("user") or attrs.get("username") or ""
        if uid not in _MISSING and uid != "0" and not (self.writer.by_name and user):
            return uid
        if user in _MISSING:
            return ""
        if self.writer.author:
            self.chat.ledger.changed["viewer without an id (told apart by name)"] += 1
        return f"name\0{user}"

    def unpriced(self) -> None:
        self.chat.ledger.changed["gift without a readable price (value 0, currency XXX)"] += 1

    def finish(self) -> Chat:
        chat = self.chat
        if self.name:
            chat.title = chat.title.replace(self.name, "…")
        self.distrust()
        start, by_sending = self.start()
        shift, before = 0, 0
        for entry, sent in zip(self.entries, self.sent, strict=True):
            if sent and (by_sending or entry.place_ms is None):
                offset = sent - start
                shift = offset - entry.place_ms if entry.place_ms is not None else shift
            elif entry.place_ms is not None:
                offset = entry.place_ms + (shift if not self.steady else 0)
            else:
                offset = before
                chat.ledger.changed[NO_TIME] += 1
            item: Comment | HostText | Gift = entry.item
            if isinstance(item, Comment) and self.name and entry.user == self.name:
                item = HostText(0, item.ref)
            item.offset_ms = before = offset
            chat.add(item, entry.line)
        self.toasted()
        return chat

    def toasted(self) -> None:
        for toast, level, line in self.toasts:
            same = self.guards.get((toast.author, level), [])
            twin = next((at for at in same if abs(at - toast.offset_ms) <= SAME_PURCHASE_MS), None)
            if twin is None:
                self.chat.add(toast, line)
            else:
                same.remove(twin)
                self.chat.ledger.drop("toast of a purchase that its guard message already told")

    def distrust(self) -> None:
        """Take a sending time that disagrees with the recorder's clock, alone among its neighbours, for none."""
        wrong = outliers(self.starts, middle_of(self.starts)) if self.starts else set[int]()
        for at in wrong:
            self.sent[self.timed[at]] = 0
            self.chat.ledger.changed[WRONG_TIME] += 1
        if wrong:
            self.starts = array("q", (start for at, start in enumerate(self.starts) if at not in wrong))

    def start(self) -> tuple[int, bool]:
        """(when the recording began, Unix ms; whether sending times place messages).

        The recorder's own clock is believed if it agrees with the platform's.
        """
        chat, own, starts = self.chat, self.chat.started_at_ms, self.starts
        if starts:
            by_server, self.steady = first_start(starts)
            if own is None or abs(own - by_server) > CLOCK_SKEW_MS:
                chat.started_at_ms = by_server
                if own is not None:
                    off_s = abs(own - by_server) / 1_000
                    chat.ledger.warnings.append(f"the recorder's clock is {off_s:.0f} s off the server's; corrected")
            if not self.steady and not self.writer.sent:
                chat.ledger.warnings.append(
                    "the recorder's clock stood still or jumped while messages were sent; their sending times are taken"
                )
        elif own is None:
            chat.started_at_ms = next((sent for sent in self.sent if sent), None)
        return chat.started_at_ms or 0, bool(starts) and (self.writer.sent or not self.steady)


def _number(text: str) -> float | None:
    """A finite number; None if it is none."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _ms(seconds: str) -> int:
    return round(float(seconds) * 1_000)


def _place(text: str) -> int | None:
    """A place in ms; None where the writer had none. Raises ValueError, OverflowError for anything else."""
    return None if text in _MISSING else _ms(text)


def _raw(attrs: Mapping[str, str]) -> _RawGift | None:
    try:
        return _RAW.decode(attrs["raw"]) if "raw" in attrs else None
    except (msgspec.DecodeError, RecursionError):
        return None


def read_danmaku(path: Path, recorder: str, ledger: Ledger, progress: Progress) -> Chat:
    """Reads a file by `recorder`, a name in `WRITERS`; one without its end is accepted with a warning.

    Raises:
        ImportRefusedError: no message, an XML bomb, no XML, too large, or too many unreadable
        elements.
    """
    writer = WRITERS[recorder]
    reader, bad_before = _Reader(writer, Chat(writer.platform, ledger)), ledger.bad
    with open_bounded(path, ledger.limits.chat_bytes, "--max-chat-mb") as file:
        about = dict(_ABOUT.findall(file.read(4_096).decode("utf-8", "replace")))
    reader.chat.platform = PLATFORMS.get(about.get("Platform", "").lower(), writer.platform)
    reader.chat.room = about.get("Room ID", "")

    def take(element: Element) -> None:
        reader.element(element.tag, element.attrs, element.text, element.line)

    read_elements(path, ledger, progress, skip=STYLES, entries=KINDS, take=take)
    if not (reader.recorded or reader.read or ledger.bad > bad_before):
        raise ImportRefusedError(f"{path}: is by {recorder}, but has no message: {NO_MESSAGE}")
    ledger.check(path, bad_before, reader.read)
    return reader.finish()
