"""From the messages of a log to a chat: one clock, each message once, each gift once.

Such logs have one time for each message, often that of its arrival. A time that lies far outside those around
it is wrong, and the message stands beside the one before it.
"""

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

AGREE_MS = 120_000
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
        self.kept: list[tuple[Message, int]] = []
        self.refs_count = True
        self.from_first = False  # whether places count from midnight, and the recording begins with its first message

    def keep(self, message: Message, line: int) -> None:
        """Keeps `message` unless it is to be left out, or was there before."""
        if message.kind == "drop":
            self.ledger.drop(message.text)
        elif message.kind == "comment" and not message.text:
            self.ledger.drop(NO_TEXT)
        elif len(self.kept) >= self.ledger.limits.items:
            raise ImportRefusedError(
                f"more than {self.ledger.limits.items} chat entries; raise the limit with --max-items"
            )
        else:
            self.kept.append((message, line))

    def _unrepeated(self) -> None:
        """Keep each message once: by its id, else by author, text and second, never by text alone."""
        refs = Counter(message.ref for message, _ in self.kept[:LOOKED_AT])
        most = refs.most_common(1)[0][1]
        self.refs_count = most < 4 or most * 2 <= len(self.kept[:LOOKED_AT])  # one id for most is no id
        seen, kept = set[tuple[str, str, int] | None](), list[tuple[Message, int]]()
        for message, line in self.kept:
            key: tuple[str, str, int] | None = None
            if message.ref and self.refs_count:
                key = (message.kind, message.ref, -1)
            elif message.kind == "comment" and message.author and message.sent_ms:
                key = (message.author, message.text, message.sent_ms // 1_000)
            if key in seen and not (message.streak and message.ref):
                self.ledger.drop(DUPLICATE)
                continue
            if key is not None:
                seen.add(key)
            kept.append((message, line))
        self.kept = kept

    def finish(self) -> Chat:
        """The chat, in which each message has a place. Raises ImportRefusedError if none has a time."""
        about, ledger = self.about, self.ledger
        platform = PLATFORMS.get(about.platform.lower(), about.platform if about.platform in PLATFORMS.values() else "")
        title = about.title.replace(about.host_name, "…") if about.host_name else about.title
        chat = Chat(
            platform or self.dialect.platform, ledger, room=about.room, host=about.host, title=title,
            broadcast=about.broadcast,
        )  # fmt: skip
        if not self.kept:
            return chat
        self._unrepeated()
        dated = any(message.sent_ms for message, _ in self.kept)
        times = self._times()
        dated = dated or FROM_IDS in ledger.warnings
        base = min(times) if dated or self.from_first else 0
        chat.started_at_ms = base if dated else None
        self._streaks(times)
        for (message, line), at in zip(self.kept, times, strict=True):
            if message.kind != "drop":
                chat.add(self._item(message, at - base, about), line)
        if self.dialect.arrival and FROM_IDS not in ledger.warnings:
            ledger.warnings.append(ARRIVAL)
        return chat

    def _times(self) -> list[int]:
        """Unix ms (or ms from the start, if there is nothing else) for each kept message."""
        messages = [message for message, _ in self.kept]
        sent = [message.sent_ms for message in messages]
        if not any(sent):
            places = [message.place_ms for message in messages]
            if any(place is not None for place in places):
                return self._filled([0 if place is None else max(1, place) for place in places])
            sent = self._from_ids(messages)
        bad = strays(sent)
        for at in bad:
            sent[at] = 0
        if bad:
            self.ledger.changed[WRONG_TIME] += len(bad)
        missing = sent.count(0) - len(bad)
        if missing:
            self.ledger.changed[BESIDE] += missing
        falls = [at for at, (one, two) in enumerate(pairs(sent)) if two < one - AGREE_MS]
        if falls:
            line = self.kept[falls[0] + 1][1]
            self.ledger.warnings.append(
                f"times run backwards {len(falls)} times, first in line {line}; messages are sorted by time"
            )
        return self._filled(sent)

    def _filled(self, times: list[int]) -> list[int]:
        """`times` with each 0 replaced by the one before it, or by the first."""
        last = next((at for at in times if at), 0)
        filled = []
        for at in times:
            last = at or last
            filled.append(last)
        return filled

    def _from_ids(self, messages: Sequence[Message]) -> list[int]:
        if self.dialect.ids_hold_times:
            times = [unix_ms(int(m.ref) >> ID_SHIFT) if m.ref.isdigit() and len(m.ref) < 20 else 0 for m in messages]
            known = [at for at in times if at]
            rising = sum(two >= one - AGREE_MS for one, two in pairs(known))
            near = known and max(known) - min(known) <= self.ledger.limits.span_ms
            if len(known) > len(times) // 2 and near and rising >= RISING * (len(known) - 1):
                self.ledger.warnings.append(FROM_IDS)
                return times
        raise ImportRefusedError(f"{self.path}: {NO_TIMES}")

    def _streaks(self, times: Sequence[int]) -> None:
        """Leave one gift of each streak: its last message, or the largest before a silence of 30 s."""
        running: dict[str, tuple[int, int]] = {}  # streak → (position of its largest so far, time of its newest)
        for at, (message, _) in enumerate(self.kept):
            if not message.streak:
                continue
            before = running.get(message.streak)
            if before is not None and times[at] - before[1] <= STREAK_MS:
                largest = self.kept[before[0]][0]
                if message.count >= largest.count:
                    largest.kind, place = "drop", at
                elif largest.last:  # smaller than what is over: another streak
                    place = at
                else:
                    message.kind, place = "drop", before[0]
                if message.kind == "drop" or largest.kind == "drop":
                    self.ledger.drop(PARTIAL)
                running[message.streak] = (place, times[at])
            else:
                running[message.streak] = (at, times[at])

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


def pairs(times: Sequence[int]) -> list[tuple[int, int]]:
    """Each known time and the next known one."""
    known = [at for at in times if at]
    return list(pairwise(known))


def strays(times: Sequence[int]) -> list[int]:
    """The positions of times that lie over two minutes outside those before and after them; 0 is no time."""
    places = [at for at, time in enumerate(times) if time]
    known, wrong = [times[at] for at in places], list[int]()
    if len(known) < 3:
        return wrong
    for at, time in enumerate(known):
        before, after = known[max(0, at - AROUND) : at], known[at + 1 : at + 1 + AROUND]
        ends = [median_low(near) for near in (before, after) if near]
        low, high = min(ends), max(ends)
        if not before:  # a chat may begin and end slowly
            low = max(low - SLOW_MS, min(low, time))
        if not after:
            high = min(high + SLOW_MS, max(high, time))
        if not low - AGREE_MS <= time <= high + AGREE_MS:
            wrong.append(places[at])
    return wrong
