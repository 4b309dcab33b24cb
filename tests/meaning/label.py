"""What is known of a room's label at one look: on, off or unknown. CONTRACT.md, "Label"."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tests.meaning.log import MINUTE, SECOND, Entry

GRACE_MS = 60 * SECOND
GATEWAY_WAIT_MS = 10 * MINUTE
MARKS_MAX = 64  # of one label ahead of W; with more it is unknown
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Label:
    """The fact `label`. None: unknown, which accuses no one."""

    visible: bool | None
    continuous: bool | None
    ever: bool
    kind: str
    by: str
    area_ratio: float
    gap_minutes: int


@dataclass(frozen=True, slots=True)
class Sight:
    """What a reading of the label stands on, in ms: the session's start, M, W, and how far G was heard."""

    start: int
    newest: int
    watermark: int
    heard: int
    accused: int | None  # append time since which an AI presenter is at least possible
    least: int  # the least delay from an event to its record that the session has shown
    whole: bool  # the session was seen from its start
    blind: tuple[Span, ...]  # closed, displaced, or under a rival's claim
    gaps: tuple[int, ...]  # effective times behind which records were lost

    @property
    def horizon(self) -> int:
        """Up to when "no label" is known."""
        return min(self.watermark, max(self.heard - GRACE_MS, self.newest - GATEWAY_WAIT_MS))

    @property
    def due(self) -> int:
        """From when on a missing label counts."""
        accused = self.start if self.accused is None else self.accused - self.least
        return max(self.start, accused) + GRACE_MS


def first_of_each(entries: Sequence[Entry]) -> list[Entry]:
    """The first record of each id, in the order of registers."""
    first: dict[str, Entry] = {}
    for x in entries:
        first.setdefault(x.id, x)
    return sorted(first.values(), key=lambda x: x.key)


def marks_of(entries: Sequence[Entry]) -> list[tuple[int, bool, Entry]]:
    """(since when, visible, entry): an "off" that came late begins at the W that it met.

    A mark holds until one with a larger key takes effect; one that would never hold is left out.
    """
    marks: list[tuple[int, bool, Entry]] = []
    for x in first_of_each([x for x in entries if x.type == "label.state"]):
        visible = bool(x.event["visible"])
        since = x.e if visible else max(x.e, x.behind)
        while marks and marks[-1][0] >= since:
            marks.pop()
        marks.append((since, visible, x))
    return marks


def hidden(entries: Sequence[Entry], sight: Sight) -> list[Entry]:
    """Each "off" by the host, right behind an "on" by the platform, that the horizon has passed."""
    pairs = pairwise(marks_of(entries))
    return [
        replace(off, e=since)
        for (_, was_on, on), (since, is_on, off) in pairs
        if was_on and not is_on and on.event["by"] == "platform" and off.event["by"] == "host" and since < sight.horizon
    ]


def without(spans: Sequence[Span], hole: Span) -> list[Span]:
    """Spans less a hole."""
    left = []
    for a, b in spans:
        left += [(a, min(b, hole[0])), (max(a, hole[1]), b)]
    return [(a, b) for a, b in left if a < b]


def off_spans(marks: Sequence[tuple[int, bool, Entry]], sight: Sight) -> list[Span]:
    """When the label was off for certain, up to the horizon."""
    states = [(sight.start, False), *((max(since, sight.start), on) for since, on, _ in marks), (1 << 62, False)]
    spans = [(a, min(b, sight.horizon)) for (a, on), (b, _) in pairwise(states) if not on and a < b]
    times = [since for since, _, _ in marks]
    if not sight.whole:
        spans = without(spans, (0, times[0] if times else 1 << 62))
    for gap in sight.gaps:
        spans = without(spans, (gap, next((since for since in times if since > gap), 1 << 62)))
    for hole in sight.blind:
        spans = without(spans, hole)
    return [(a, b) for a, b in spans if a < b]


def label_of(entries: Sequence[Entry], sight: Sight) -> Label:
    """The fact, from all label.state of the session and from what could be seen."""
    marks = marks_of(entries)
    off = off_spans(marks, sight)
    counted = [(max(a, sight.due), b) for a, b in off if b > sight.due]
    newest = marks[-1][2].event if marks else {}
    ever = any(x.event["visible"] for x in entries if x.type == "label.state")
    gone = sight.horizon > sight.due and any(b == sight.horizon for _, b in off)
    missing = sight.horizon - missing_since(off, sight) if gone else 0
    many = sum(x.e >= sight.watermark for _, _, x in marks) > MARKS_MAX
    visible = None if many else False if gone else True if ever else None
    goes = bool(marks) and not marks[-1][1]
    continuous = None if many else False if counted else True if visible and not goes else None
    return Label(
        visible, continuous, ever, str(newest.get("kind", "")), str(newest.get("by", "")),
        -1.0 if newest.get("area_ratio") is None else float(newest["area_ratio"]), missing // MINUTE,
    )  # fmt: skip


def missing_since(off: Sequence[Span], sight: Sight) -> int:
    """Since when a label that is missing at the horizon has been."""
    since = off[-1][0]
    for a, b in reversed(off):
        if b < since:
            break
        since = a
    return max(since, sight.due)
