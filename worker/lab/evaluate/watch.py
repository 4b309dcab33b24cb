"""Watches one room while it is judged: when each family reached each level, before and after the guards.

*Mass* is evidence before the guards: M ≥ c, for PLAY from LIMIT up the mass with the longer allowance. *Level* is what
the room's level says, after the guards; rules read that one.
"""

from math import inf

from msgspec import Struct, field

from worker.audit.evidence import CLEAR_SHARE, FAMILIES, MS_PER_HOUR, THRESHOLDS, Level
from worker.audit.room import Room
from worker.lab.simulate import Truth

LEVELS: tuple[Level, ...] = (Level.WATCH, Level.LABEL, Level.LIMIT, Level.RESTRICT)
MASS, GUARDED = "mass", "level"
Mark = tuple[str, str, int]
"""(MASS or GUARDED, family, level)"""
MINUTE_MS = 60_000


class Outcome(Struct):
    """What became of one room.

    Attributes:
        honest_hours: room-hours in which nothing was wrong: all of an honest room, or those before a switch.
        hours: room-hours in all.
        delay_min: minutes from when the room turned guilty until a mark was first reached.
        alarms: how often a mark was reached anew while nothing was wrong.
        rules_min: minutes until a live rule first opened; negative where nothing was wrong yet.
        challenges: how many were issued while nothing was wrong, and in all.
        events_to_rule: events from a marker that settles the matter to the first rule that opens, itself included.
        sparse: the room was simulated at the pace of the mass run.
    """

    truth: Truth
    hours: float = 0.0
    honest_hours: float = 0.0
    delay_min: dict[Mark, float] = field(default_factory=dict)
    alarms: dict[Mark, int] = field(default_factory=dict)
    rules_min: dict[str, float] = field(default_factory=dict)
    honest_challenges: int = 0
    challenges: int = 0
    events: int = 0
    events_to_rule: int | None = None
    sparse: bool = False

    def delay_of(self, kind: str, level: int) -> float:
        """Minutes until any family reached the level; inf when none did. What a declared avatar declares is apart."""
        return min((at for (k, _, l_), at in self.delay_min.items() if (k, l_) == (kind, level)), default=inf)

    def rule_delay(self) -> float:
        """Minutes until the first live rule opened, once the room was guilty."""
        return min((at for at in self.rules_min.values() if at >= 0), default=inf)

    def expected_delay(self) -> float:
        """Minutes until the last of the rules that the truth expects had opened; inf when one never did."""
        return max((self.rules_min.get(rule, inf) for rule in self.truth.expects), default=inf)


class Watch:
    """Collects a room's outcome. Call `look` after every few seconds of event time."""

    def __init__(self, truth: Truth, started_at_ms: int) -> None:
        self.outcome = Outcome(truth)
        self._started_at_ms = started_at_ms
        self._guilty_ms: float = inf if truth.honest else started_at_ms + truth.switch_ms
        self._on: set[Mark] = set()
        self._looked_ms = started_at_ms
        self._stepped: dict[str, tuple[int, int, int]] = {}
        self._fact_offset: int | None = None

    def guilty(self, at_ms: int) -> bool:
        """Whether something is wrong at an event time."""
        return at_ms >= self._guilty_ms

    def look(self, room: Room) -> None:
        """Note what the room's families have reached by now; until a label was seen, AI stands in for UNLABELLED."""
        now_ms = room.max_at_ms
        self._looked_ms = max(self._looked_ms, now_ms)
        for name in FAMILIES:
            family = room.session.families.get(name) or (
                room.session.families.get("AI") if name == "UNLABELLED" else None
            )
            if family is None:
                continue
            longer = room.session.families.get("PLAY_LONG") if name == "PLAY" else family
            stepped = family.last_ms, family.level, longer.last_ms if longer else 0
            if stepped == self._stepped.get(name):
                continue
            self._stepped[name] = stepped
            mass, strong = family.mass(), 0.0 if longer is None else longer.mass()
            for level in LEVELS:
                held = mass if level <= Level.LABEL else strong
                self._mark((MASS, name, level), held >= THRESHOLDS[level], held < THRESHOLDS[level] * CLEAR_SHARE)
                self._mark((GUARDED, name, level), family.level >= level, family.level < level)

    def _mark(self, mark: Mark, reached: bool, left: bool) -> None:
        on = mark in self._on
        if reached and self.guilty(self._looked_ms):
            self.outcome.delay_min.setdefault(mark, (self._looked_ms - self._guilty_ms) / MINUTE_MS)
        elif reached and not on:
            self.outcome.alarms[mark] = self.outcome.alarms.get(mark, 0) + 1
        if reached and not on:
            self._on.add(mark)
        elif on and left:
            self._on.discard(mark)

    def fact(self, offset: int) -> None:
        """A marker that settles the matter by itself stands at `offset` of the log."""
        if self._fact_offset is None:
            self._fact_offset = offset

    def opened(self, rule: str, at_ms: int, offset: int) -> None:
        """A live rule opened, at an event time and an offset of the log."""
        since_ms = self._guilty_ms if self._guilty_ms < inf else at_ms + MINUTE_MS
        if self._fact_offset is not None and self.outcome.events_to_rule is None:
            self.outcome.events_to_rule = offset - self._fact_offset + 1
        self.outcome.rules_min.setdefault(rule, (at_ms - since_ms) / MINUTE_MS)

    def challenged(self, at_ms: int) -> None:
        """A challenge was issued."""
        self.outcome.challenges += 1
        self.outcome.honest_challenges += not self.guilty(at_ms)

    def end(self) -> Outcome:
        """The outcome, once the room's log is over."""
        outcome = self.outcome
        outcome.hours = (self._looked_ms - self._started_at_ms) / MS_PER_HOUR
        outcome.honest_hours = (min(self._guilty_ms, self._looked_ms) - self._started_at_ms) / MS_PER_HOUR
        return outcome
