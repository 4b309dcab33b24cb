"""What every reader makes of its file: items at offsets from the recording's start, and a ledger of what was
lost.

Names and ids are still the platform's own here; `roomlog` turns ids into keyed hashes, and names go no
further.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from worker.lab.importers.limits import ImportRefusedError, Limits
from worker.lab.importers.spool import Spool

Seconds = Annotated[float, Meta(ge=-1e9, le=1e9)]
"""A time in a JSON file: wider than any recording, and small enough to calculate with."""

Progress = Callable[[int], None]
"""Called with the number of bytes read since the last call."""

BEFORE = "sent before the recording began"
DUPLICATE = "the same message again"
NO_TEXT = "comment without text"
BAD_SHOWN = 5
EARLY_MS = 120_000
NO_CURRENCY = "XXX"  # ISO 4217: no currency; such a gift has value 0 because its price is not in the file


class Comment(Struct, tag="c", array_like=True, gc=False):
    """A viewer wrote `text`; `ref` is the platform's id of the message, or empty."""

    offset_ms: int
    author: str
    text: str
    ref: str = ""


class Gift(Struct, tag="g", array_like=True, gc=False):
    """A viewer gave something worth `value` minor units; value 0 in `NO_CURRENCY` if the file has no
    price.
    """

    offset_ms: int
    author: str
    gift: str
    value: int = 0
    currency: str = NO_CURRENCY
    ref: str = ""


class HostText(Struct, tag="h", array_like=True, gc=False):
    """The host wrote in the chat."""

    offset_ms: int
    ref: str = ""


class Deed(Struct, tag="d", array_like=True, gc=False):
    """A viewer did something else than write or give: `count` likes, or an order of the product `what`."""

    offset_ms: int
    author: str
    kind: Literal["joined", "liked", "followed", "shared", "order"]
    count: int = 1
    what: str = ""
    ref: str = ""


@dataclass(slots=True)
class Speech:
    """A segment of the host's speech, `[start_ms, end_ms)` from the recording's start."""

    start_ms: int
    end_ms: int
    text: str
    confidence: float | None = None
    """The recogniser's own, 0 to 1; None if the file has none."""


Item = Comment | Gift | HostText | Deed


@dataclass(slots=True)
class Ledger:
    """What did not make it into the log, and why. Never holds text or names."""

    limits: Limits
    dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    bad: int = 0
    bad_lines: list[tuple[int, str]] = field(default_factory=list)

    def drop(self, reason: str, count: int = 1) -> None:
        """`count` entries were understood and left out."""
        if count:
            self.dropped[reason] += count

    def undrop(self, reason: str, count: int) -> None:
        """`count` entries that were left out are needed after all."""
        self.dropped[reason] -= count
        if self.dropped[reason] <= 0:
            del self.dropped[reason]

    def unreadable(self, line: int, why: str) -> None:
        """The entry at `line` (from 1) was not understood."""
        self.bad += 1
        if len(self.bad_lines) < BAD_SHOWN:
            self.bad_lines.append((line, why))

    def check(self, path: Path, bad_before: int, read: int) -> None:
        """Refuses a file with too large a share of unreadable entries; `read` counts the readable ones."""
        bad = self.bad - bad_before
        if bad > self.limits.bad_ratio * (bad + read):
            first = "; ".join(f"line {line}: {why}" for line, why in self.bad_lines)
            raise ImportRefusedError(
                f"{path}: {bad} of {bad + read} entries are unreadable, more than "
                f"{self.limits.bad_ratio:.0%} ({first}); raise --max-bad-percent to import the rest"
            )


@dataclass(slots=True)
class Chat:
    """A chat file as read. `room` and `host` are the platform's ids, raw; `started_at_ms` is Unix ms or
    unknown.
    """

    platform: str
    ledger: Ledger
    items: Spool[Item] = field(default_factory=lambda: Spool(Item))
    started_at_ms: int | None = None
    length_ms: int = 0
    room: str = ""
    host: str = ""
    title: str = ""
    broadcast: str = ""
    """What the file has to tell one broadcast of the room from another, such as when it went live; raw."""
    early: list[Item] = field(default_factory=list)
    """Items of the two minutes before the recording began, left out here: another part may need them."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Stretches that were not recorded, in ms from the start: neither silence nor a break of the host's."""

    def add(self, item: Item, line: int) -> None:
        """Keeps `item` if its time lies within the recording; counts it otherwise."""
        limits = self.ledger.limits
        if item.offset_ms > limits.span_ms:
            self.ledger.unreadable(line, f"more than {limits.span_ms // 3_600_000} h after the start (--max-hours)")
        elif item.offset_ms < 0:
            self.ledger.drop(BEFORE)
            if item.offset_ms >= -EARLY_MS and len(self.early) < limits.items:
                self.early.append(item)
        elif len(self.items) >= limits.items:
            raise ImportRefusedError(f"more than {limits.items} chat entries; raise the limit with --max-items")
        else:
            self.items.append(item)
