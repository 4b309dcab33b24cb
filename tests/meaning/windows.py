"""How far a room is (its watermark), and which signals abstain in which block. CONTRACT.md, "Late" and "Abstaining"."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.meaning.log import MINUTE, SECOND, Entry

if TYPE_CHECKING:
    from tests.meaning.scan import Placed

LATENESS_MS = 60 * SECOND
SLACK_MS = 30 * SECOND
HOLD_MS = 240 * SECOND
LAG_MAX_MS = 10 * MINUTE
BLOCK_MS = 5 * MINUTE
BAND_MS = 20 * SECOND
CLAMPED_MS = 2 * SECOND

JOINS = frozenset({"unanswered", "excitation", "latency"})
"""Signals that join speech and gateway."""
PROMPTS = frozenset({"viewer.comment", "viewer.gift", "viewer.order"})
ANSWERS = frozenset({"host.reply", "host.action"})


def block_of(time_ms: int, phase_ms: int) -> int:
    """The number of the block that holds a time."""
    return (time_ms - phase_ms) // BLOCK_MS


def block_end(number: int, phase_ms: int) -> int:
    return (number + 1) * BLOCK_MS + phase_ms


@dataclass(slots=True)
class Clock:
    """M, the lags and W. The lag of a class is the largest that an event showed, less a tenth of the time since."""

    newest: int = 0
    head: dict[str, int] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)  # the greatest 10 · (M − time) + M of a class
    watermark: int = -(1 << 62)

    def lag(self, cls: str) -> int:
        return max(0, self.shown.get(cls, 0) - self.newest) // 10

    def take(self, x: Entry, *, lags: bool = True) -> None:
        """Let an event of the room tell how far it is, and how far its source `lags`."""
        if x.kind == "answer":
            return
        self.newest = max(self.newest, x.e)
        if x.cls:
            self.head[x.cls] = max(self.head.get(x.cls, 0), x.tells)
            lag = 10 * min(self.newest - x.tells, LAG_MAX_MS) + self.newest if lags else 0
            self.shown[x.cls] = max(self.shown.get(x.cls, lag), lag)
        silence = self.newest - self.head["G"] if "G" in self.head else 0
        behind = max([silence, *(self.lag(c) for c in "GSLC")])
        hold = min(HOLD_MS, max(0, behind - SLACK_MS))
        self.watermark = max(self.watermark, self.newest - LATENESS_MS - hold)


@dataclass(frozen=True, slots=True)
class Block:
    """A closed block of a session: its statistics that count, by the time of what they tell, and who abstains why."""

    number: int
    start: int
    end: int
    events: tuple[Entry, ...]
    heard: int  # up to when speech had been heard when the block closed
    why: tuple[str, ...]

    @property
    def abstain(self) -> frozenset[str]:
        return JOINS if self.why else frozenset()


def closed_blocks(placed: Sequence["Placed"], session: int, phase_ms: int) -> list[Block]:
    """The blocks of a session that have closed within the log so far."""
    if not placed:
        return []
    mine = [p for p in placed if p.session == session and p.entry.kind == "statistic" and is_measured(p)]
    numbers = sorted({block_of(p.entry.tells, phase_ms) for p in mine})
    blocks = []
    for number in numbers:
        end = block_end(number, phase_ms)
        if placed[-1].watermark < end:
            break
        until = next(p.entry.offset for p in placed if p.watermark >= end)
        known = [p for p in mine if p.entry.offset <= until]
        here = [p for p in known if block_of(p.entry.tells, phase_ms) == number]
        heard = max((p.entry.tells for p in known if p.entry.cls == "S"), default=0)
        events = sorted((p.entry for p in here if p.status == "applied"), key=lambda x: (x.tells, x.key[1]))
        blocks.append(Block(number, end - BLOCK_MS, end, tuple(events), heard, reasons(here)))
    return blocks


def is_measured(p: "Placed") -> bool:
    """Whether a record counts, or would if it had not come behind W. What tells of a time off the air does not."""
    closed = None if p.current is None else p.current.closed_e
    return p.status == "applied" or (p.status == "late" and (closed is None or p.entry.tells < closed))


def reasons(here: Sequence["Placed"]) -> tuple[str, ...]:
    """Why the signals that join speech and gateway abstain in a block; empty: they need not."""
    why = []
    speech = [p for p in here if p.entry.cls == "S"]
    answers = [p for p in here if p.entry.type in ANSWERS]
    if any(many(sum(p.status == "late" for p in some), len(some)) for some in (speech, answers)):
        why.append("late")
    gateway = [p for p in here if p.entry.type in PROMPTS | ANSWERS]
    if any(p.entry.at - p.entry.e > CLAMPED_MS for p in (*speech, *gateway)):
        why.append("clamped")
    if speech and gateway:
        delays = [[p.entry.append - said(p.entry) for p in some] for some in (speech, gateway)]
        least = min(min(some) for some in delays)
        if any(off_band(some, least) for some in delays):
            why.append("clocks")
    return tuple(why)


def said(x: Entry) -> int:
    """When an event says that it happened, not clamped."""
    return x.tells - x.e + x.at


def many(some: int, of: int) -> bool:
    return some >= 2 and 20 * some > of


def off_band(delays: Sequence[int], least: int) -> bool:
    """Whether more than 1 in 20 of the delays (or all) lie over 20 s above the least of the block."""
    off = sum(delay - least > BAND_MS for delay in delays)
    return off == len(delays) or many(off, len(delays))
