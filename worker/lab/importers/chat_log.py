"""From the messages of a log to a chat: one clock, each message once, each gift once.

Such logs have one time for each message, often that of its arrival. A time that lies far outside those around
it is wrong, and the message stands beside the one before it.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median_low

from worker.lab.importers.chat_dialects import ChatDialect
from worker.lab.importers.chat_messages import PARTIAL, About, Message
from worker.lab.importers.instants import PLATFORMS, unix_ms
from worker.lab.importers.limits import ImportRefusedError
from worker.lab.importers.recording import (
    DUPLICATE,
    NO_TEXT,
    Chat,
    Comment,
    Deed,
    Gift,
    HostText,
    Item,
    Ledger,
)
from worker.lab.importers.spool import Seen, Spool, held

AGREE_MS = 120_000
NO_PLACE = -(1 << 62)
STREAKS_MAX = 50_000
AROUND = 5
SLOW_MS = 7_200_000
STREAK_MS = 30_000
ID_SHIFT = 32
RISING = 0.9
LOOKED_AT = 1_000
BESIDE = "message without a time (placed beside the one before it)"
WRONG_TIME = "message whose time lies far outside those around it (placed beside the one before it)"
FROM_IDS = "times are taken from the messages' ids: the second in which the platform made them"
ARRIVAL = "times are of arrival: replies look later than they were by as much"
NO_TIMES = (
    "its messages have no time, and their ids hold none; log with each message when it came, in ms, as a field `time`"
)
NO_PRICE = "gift without a readable price (value 0, currency XXX)"


class ChatLog:
    """Takes messages in the file's order by `keep`; `finish` makes the chat."""

    def __init__(self, path: Path, dialect: ChatDialect, ledger: Ledger) -> None:
        self.path, self.dialect, self.ledger = path, dialect, ledger
        self.about = About()
        self.kept = Spool[Message](Message)
        self.sent = array("q")
        self.places = array("q")  # NO_PLACE if there is none
        self.left = bytearray()  # 1 for each message that is left out after all
        self.first_refs: Counter[str] = Counter()
        self.refs_count = True
        self.from_first = False  # whether places count from midnight, and the recording begins with its first message

    def keep(self, message: Message, line: int) -> None:
        """Keeps `message` unless it is to be left out."""
        if message.kind == "drop":
            self.ledger.drop(message.text)
        elif message.kind == "comment" and not message.text:
            self.ledger.drop(NO_TEXT)
        elif len(self.sent) >= self.ledger.limits.items:
            raise ImportRefusedError(
                f"more than {self.ledger.limits.items} chat entries; raise the limit with --max-items"
            )
        else:
            message.line = line
            if len(self.sent) < LOOKED_AT:
                self.first_refs[message.ref] += 1
            self.sent.append(message.sent_ms)
            self.places.append(NO_PLACE if message.place_ms is None else held(message.place_ms))
            self.left.append(0)
            self.kept.append(message)

    def _leave(self, at: int, reason: str) -> None:
        self.left[at] = 1
        self.ledger.drop(reason)

    def _unrepeated(self) -> None:
        """Leave each message once: by its id, else by author, text and second, never by text alone."""
        most, looked = self.first_refs.most_common(1)[0][1], self.first_refs.total()
        self.refs_count = most < 4 or most * 2 <= looked  # one id for most is no id
        seen = Seen()
        for at, message in enumerate(self.kept):
            again = False
            if message.ref and self.refs_count:
                again = seen.again(message.kind, message.ref) and not message.streak
            elif message.kind == "comment" and message.author and message.sent_ms:
                again = seen.again(message.author, message.text, message.sent_ms // 1_000)
            if again:
                self._leave(at, DUPLICATE)

    def finish(self) -> Chat:
        """The chat, in which each message has a place. Raises ImportRefusedError if none has a time."""
        about, ledger = self.about, self.ledger
        platform = PLATFORMS.get(about.platform.lower(), about.platform if about.platform in PLATFORMS.values() else "")
        title = about.title.replace(about.host_name, "…") if about.host_name else about.title
        chat = Chat(
            platform or self.dialect.platform, ledger, room=about.room, host=about.host, title=title,
            broadcast=about.broadcast,
        )  # fmt: skip
        if not self.sent:
            return chat
        self._unrepeated()
        dated = any(self.sent)
        times = self._times()
        dated = dated or FROM_IDS in ledger.warnings
        base = min(times) if dated or self.from_first else 0
        chat.started_at_ms = base if dated else None
        self._streaks(times)
        for message, at, left in zip(self.kept, times, self.left, strict=True):
            if not left:
                chat.add(self._item(message, at - base, about), message.line)
        if self.dialect.arrival and FROM_IDS not in ledger.warnings:
            ledger.warnings.append(ARRIVAL)
        return chat

    def _times(self) -> "array[int]":
        """Unix ms (or ms from the start, if there is nothing else) for each kept message."""
        sent = self.sent
        if not any(sent):
            if any(place != NO_PLACE for place in self.places):
                return _filled(array("q", (0 if place == NO_PLACE else max(1, place) for place in self.places)))
            sent = self._from_ids()
        bad = strays(sent)
        for at in bad:
            sent[at] = 0
        if bad:
            self.ledger.changed[WRONG_TIME] += len(bad)
        missing = sent.count(0) - len(bad)
        if missing:
            self.ledger.changed[BESIDE] += missing
        falls, first, last = 0, 0, 0
        for at, time in enumerate(sent):
            if time and time < last - AGREE_MS:
                falls, first = falls + 1, first or at
            last = time or last
        if falls:
            self.ledger.warnings.append(
                f"times run backwards {falls} times, first in line {self.kept[first].line}; messages are sorted by time"
            )
        return _filled(sent)

    def _from_ids(self) -> "array[int]":
        if self.dialect.ids_hold_times:
            refs = (message.ref for message in self.kept)
            times = array(
                "q", (unix_ms(int(ref) >> ID_SHIFT) if ref.isdigit() and len(ref) < 20 else 0 for ref in refs)
            )
            known = array("q", (at for at in times if at))
            rising = sum(two >= one - AGREE_MS for one, two in pairwise(known))
            near = bool(known) and max(known) - min(known) <= self.ledger.limits.span_ms
            if len(known) > len(times) // 2 and near and rising >= RISING * (len(known) - 1):
                self.ledger.warnings.append(FROM_IDS)
                return times
        raise ImportRefusedError(f"{self.path}: {NO_TIMES}")

    def _streaks(self, times: Sequence[int]) -> None:
        """Leave one gift of each streak: its last message, or the largest before a silence of 30 s."""
        running: dict[str, tuple[int, int, int, bool]] = {}  # streak → position and count of its largest, newest, over
        for at, message in enumerate(self.kept):
            if not message.streak or self.left[at]:
                continue
            place, count, newest, over = running.get(message.streak, (-1, 0, 0, False))
            if place < 0 or times[at] - newest > STREAK_MS or (message.count < count and over):
                place, count = at, message.count
            elif message.count >= count:
                self._leave(place, PARTIAL)
                place, count = at, message.count
            else:
                self._leave(at, PARTIAL)
            running[message.streak] = (place, count, times[at], message.last)
            if len(running) > STREAKS_MAX:
                del running[next(iter(running))]

    def _item(self, message: Message, offset: int, about: About) -> Item:
        author, kind = message.author, message.kind
        if kind == "host" or (author and author in (about.host, f"name\0{about.host_name}")):
            return HostText(offset, message.ref)
        ref = message.ref if self.refs_count else ""
        if kind == "comment":
            return Comment(offset, author, message.text, ref)
        if kind == "gift":
            if message.currency == "XXX":
                self.ledger.changed[NO_PRICE] += 1
                return Gift(offset, author, message.text, ref=ref)
            return Gift(offset, author, message.text, message.value, message.currency, ref)
        assert kind != "drop"
        return Deed(offset, author, kind, message.count, message.text, ref)


def _filled(times: "array[int]") -> "array[int]":
    """`times` with each 0 replaced by the one before it, or by the first."""
    last = next((at for at in times if at), 0)
    filled = array("q")
    for at in times:
        last = at or last
        filled.append(last)
    return filled


def strays(times: Sequence[int]) -> list[int]:
    """The positions of times that lie over two minutes outside those before and after them; 0 is no time."""
    places = array("q", (at for at, time in enumerate(times) if time))
    known, wrong = array("q", (time for time in times if time)), list[int]()
    if len(known) < 3:
        return wrong
    good = None
    for at, time in enumerate(known):
        if good is not None and abs(time - good) <= AGREE_MS:
            good = time
            continue
        before, after = known[max(0, at - AROUND) : at], known[at + 1 : at + 1 + AROUND]
        ends = [median_low(near) for near in (before, after) if near]
        low, high = min(ends), max(ends)
        if not before:  # a chat may begin and end slowly
            low = max(low - SLOW_MS, min(low, time))
        if not after:
            high = min(high + SLOW_MS, max(high, time))
        if low - AGREE_MS <= time <= high + AGREE_MS:
            good = time
        else:
            wrong.append(places[at])
    return wrong
