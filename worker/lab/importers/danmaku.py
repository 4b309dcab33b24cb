"""Danmaku XML with the metadata of a recorder: BililiveRecorder and blrec record live rooms of Bilibili.

Both write `<i>` with one element per message; a crash leaves no `</i>`. They differ in what a time means:
BililiveRecorder's offsets and `ts` are the stopwatch at the moment of *writing*, so comments take the server
time p[4] instead; blrec's `ts` is server time minus the start. A *video's* comments share the format but
were written over years by different people at one place of the video; such a file is refused.

Prices: 1 CNY = 1,000 gold seeds (金瓜子). BililiveRecorder writes a super chat's price in CNY, blrec in gold
seeds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median_low
from typing import Literal

import msgspec

from worker.lab.importers.clocks import outliers
from worker.lab.importers.danmaku_writers import NO_MESSAGE
from worker.lab.importers.limits import ImportRefusedError
from worker.lab.importers.readable import NO_CHARACTER, REPLACEMENT
from worker.lab.importers.recording import NO_TEXT, Chat, Comment, Gift, HostText, Ledger, Progress
from worker.lab.importers.xml_stream import Element, read_elements

Recorder = Literal["bililive-recorder", "blrec"]

EARLIEST_MS, LATEST_MS = 1_420_070_400_000, 4_102_444_800_000  # 2015 and 2100: no server time lies outside
CLOCK_SKEW_MS = 5_000  # a recorder's clock further off than this is corrected by the server's
SAME_PURCHASE_MS = 60_000  # guard and toast of one purchase lie seconds apart
FEN_PER_CNY = 100
SEEDS_PER_FEN = 10
BEIJING = timezone(timedelta(hours=8))
METADATA = frozenset({
    "user_name", "room_id", "room_title", "live_start_time", "record_start_time", "recorder",
})  # fmt: skip
KINDS = frozenset({"d", "sc", "gift", "guard", "toast"})
STYLES = frozenset({"BililiveRecorderXmlStyle", "RecorderXmlStyle"})
HEADER = frozenset({
    "i", "chatserver", "chatid", "mission", "maxlimit", "state", "real_name", "source", "metadata", "area",
    "parent_area", "BililiveRecorder", "BililiveRecorderXmlStyle",
})  # fmt: skip
WRONG_TIME = "comment without a credible server time (placed by the recorder's clock)"
IN_SECONDS = "comment whose server time is in seconds (now ms)"


class _RawGift(msgspec.Struct):
    """The part of BililiveRecorder's `raw` attribute (the platform's own JSON) that carries the price."""

    uid: int | str = ""
    coin_type: str = ""
    total_coin: int | None = None
    price: int = 0
    num: int = 1


_RAW = msgspec.json.Decoder(_RawGift, strict=False)


@dataclass(slots=True)
class _Reader:
    recorder: Recorder
    chat: Chat
    read: int = 0
    name: str = ""
    recorded: bool = False
    comments: list[tuple[Comment | HostText, int, int]] = field(default_factory=list)  # item, server ms, line
    gifts: list[tuple[Gift, int]] = field(default_factory=list)
    guards: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # (uid, level) → offsets
    toasts: list[tuple[Gift, str, int]] = field(default_factory=list)  # gift, level, line

    def element(self, tag: str, attrs: Mapping[str, str], text: str, line: int) -> None:
        if tag == "BililiveRecorderRecordInfo" and self.recorder == "bililive-recorder":
            self.recorded = True
            self.name = attrs.get("name", "")
            self.chat.room = attrs.get("roomid", "")
            self.chat.title = attrs.get("title", "")
            self.chat.started_at_ms = self.instant(attrs.get("start_time", ""))
        elif tag in METADATA and self.recorder == "blrec":
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
        if tag == "record_start_time":
            self.recorded = True
            self.chat.started_at_ms = self.instant(text)
        elif tag == "room_id":
            self.chat.room = text
        elif tag == "room_title":
            self.chat.title = text
        elif tag == "user_name":
            self.name = text

    def instant(self, text: str) -> int | None:
        """Unix ms of an ISO 8601 time or of epoch seconds (older blrec); Beijing time if it has no offset."""
        try:
            if text.isascii() and text.isdigit() and len(text) <= 12:
                return int(text) * 1_000
            at = datetime.fromisoformat(text)
        except ValueError:
            self.chat.ledger.warnings.append("the recording's start time is unreadable")
            return None
        return round((at if at.tzinfo else at.replace(tzinfo=BEIJING)).timestamp() * 1_000)

    def d(self, attrs: Mapping[str, str], text: str, line: int) -> None:
        p = attrs["p"].split(",")
        offset, server = _ms(p[0]), self.server_ms(p[4])
        uid = self.uid(attrs, p[6])
        item: Comment | HostText
        if self.name and attrs.get("user") == self.name:
            item = HostText(offset, p[7] if len(p) > 7 else "")
        elif text.strip() and not text.strip(f"{REPLACEMENT} "):
            self.chat.ledger.drop(NO_CHARACTER)
            return
        elif text.strip():
            item = Comment(offset, uid, text.strip(), p[7] if len(p) > 7 else "")
        else:
            self.chat.ledger.drop(NO_TEXT)
            return
        self.comments.append((item, server, line))

    def server_ms(self, text: str) -> int:
        """A server time in Unix ms; 0 if it is none, as for a recorder that was not told one."""
        server = int(text) if text.isascii() and text.lstrip("-").isdigit() and len(text) < 20 else 0
        if EARLIEST_MS <= server * 1_000 <= LATEST_MS:
            self.chat.ledger.changed[IN_SECONDS] += 1
            return server * 1_000
        if EARLIEST_MS <= server <= LATEST_MS:
            return server
        self.chat.ledger.changed[WRONG_TIME] += 1
        return 0

    def sc(self, attrs: Mapping[str, str], text: str, line: int) -> None:
        price = float(attrs["price"])
        fen = price * FEN_PER_CNY if self.recorder == "bililive-recorder" else price / SEEDS_PER_FEN
        offset, uid = _ms(attrs["ts"]), self.uid(attrs)
        self.gifts.append((Gift(offset, uid, "super_chat", round(fen), "CNY"), line))
        if text.strip():
            # No server time of its own: the offset stands for it once the start is known.
            self.comments.append((Comment(offset, uid, text.strip()), 0, line))

    def gift(self, attrs: Mapping[str, str], _: str, line: int) -> None:
        gift = Gift(_ms(attrs["ts"]), self.uid(attrs), attrs.get("giftname") or "gift")
        raw = _raw(attrs)
        if "cointype" in attrs:
            seeds = float(attrs["price"]) * int(attrs["giftcount"]) if attrs["cointype"] == "金瓜子" else 0
            gift.value, gift.currency = round(seeds / SEEDS_PER_FEN), "CNY"
        elif raw is not None and raw.coin_type:
            total = raw.price * raw.num if raw.total_coin is None else raw.total_coin
            gift.value = round(total / SEEDS_PER_FEN) if raw.coin_type == "gold" else 0
            gift.currency = "CNY"
        else:
            self.unpriced()
        self.gifts.append((gift, line))

    def guard(self, attrs: Mapping[str, str], _: str, line: int) -> None:
        gift = self.membership(attrs)
        self.guards.setdefault((gift.author, attrs.get("level", "")), []).append(gift.offset_ms)
        self.gifts.append((gift, line))

    def toast(self, attrs: Mapping[str, str], _: str, line: int) -> None:
        self.toasts.append((self.membership(attrs), attrs.get("level", ""), line))

    def membership(self, attrs: Mapping[str, str]) -> Gift:
        gift = Gift(_ms(attrs["ts"]), self.uid(attrs), f"guard_{attrs.get('level', '0')[:8]}")
        if "price" in attrs:
            gift.value = round(float(attrs["price"]) * int(attrs.get("count", "1")) / SEEDS_PER_FEN)
            gift.currency = "CNY"
        else:
            self.unpriced()
        return gift

    def uid(self, attrs: Mapping[str, str], fallback: str = "") -> str:
        """The viewer's id, from `raw` if need be (BililiveRecorder 1.3.11), else the name.

        The platform gives a recorder that is not logged in the id 0 and a masked name for everybody.
        """
        raw = _raw(attrs) if "uid" not in attrs else None
        uid = attrs.get("uid") or (str(raw.uid) if raw is not None else "") or fallback
        if uid not in ("", "0"):
            return uid
        self.chat.ledger.changed["viewer without an id (told apart by name)"] += 1
        return f"name\0{attrs['user']}"

    def unpriced(self) -> None:
        self.chat.ledger.changed["gift without a readable price (value 0, currency XXX)"] += 1

    def finish(self) -> Chat:
        chat = self.chat
        if self.name:
            chat.title = chat.title.replace(self.name, "…")
        start = self.start_by_server()
        self.distrust()
        for item, server, line in self.comments:
            if self.recorder == "bililive-recorder" and server and start is not None:
                item.offset_ms = server - start
            chat.add(item, line)
        for gift, line in self.gifts:
            chat.add(gift, line)
        for toast, level, line in self.toasts:
            same = self.guards.get((toast.author, level), [])
            twin = next((at for at in same if abs(at - toast.offset_ms) <= SAME_PURCHASE_MS), None)
            if twin is None:
                chat.add(toast, line)
            else:
                same.remove(twin)
                chat.ledger.drop("toast of a purchase that its guard message already told")
        return chat

    def distrust(self) -> None:
        """Take a server time that disagrees with the recorder's clock, alone among its neighbours, for none."""
        timed = [at for at, (_, server, _) in enumerate(self.comments) if server]
        starts = [self.comments[at][1] - self.comments[at][0].offset_ms for at in timed]
        for wrong in outliers(starts, median_low(starts)) if starts else ():
            item, _, line = self.comments[timed[wrong]]
            self.comments[timed[wrong]] = (item, 0, line)
            self.chat.ledger.changed[WRONG_TIME] += 1

    def start_by_server(self) -> int | None:
        """When the recording began, by the server's clock; the recorder's own clock is believed if it
        agrees.
        """
        chat, own = self.chat, self.chat.started_at_ms
        measured = [server - item.offset_ms for item, server, _ in self.comments if server]
        if measured:
            by_server = median_low(measured)
            if own is None or abs(own - by_server) > CLOCK_SKEW_MS:
                chat.started_at_ms = by_server
                if own is not None:
                    off_s = abs(own - by_server) / 1_000
                    chat.ledger.warnings.append(f"the recorder's clock is {off_s:.0f} s off the server's; corrected")
        return chat.started_at_ms


def _ms(seconds: str) -> int:
    return round(float(seconds) * 1_000)


def _raw(attrs: Mapping[str, str]) -> _RawGift | None:
    try:
        return _RAW.decode(attrs["raw"]) if "raw" in attrs else None
    except (msgspec.DecodeError, RecursionError):
        return None


def read_danmaku(path: Path, recorder: Recorder, ledger: Ledger, progress: Progress) -> Chat:
    """Reads a recorder's file; one without its end is accepted with a warning.

    Raises:
        ImportRefusedError: no message, an XML bomb, no XML, too large, or too many unreadable
        elements.
    """
    reader, bad_before = _Reader(recorder, Chat("bilibili", ledger)), ledger.bad

    def take(element: Element) -> None:
        reader.element(element.tag, element.attrs, element.text, element.line)

    read_elements(path, ledger, progress, skip=STYLES, entries=KINDS, take=take)
    if not (reader.recorded or reader.read or ledger.bad > bad_before):
        raise ImportRefusedError(f"{path}: is by {recorder}, but has no message: {NO_MESSAGE}")
    ledger.check(path, bad_before, reader.read)
    return reader.finish()
