"""Outcomes of any number of rooms of one kind, added up while nothing is wrong there: a stratum's false alarms."""

from collections.abc import Iterable
from typing import TypeVar

from msgspec import Struct, field

from worker.lab.evaluate.watch import Mark, Outcome

Key = TypeVar("Key")


class Tally(Struct):
    """Sums over the honest hours of rooms of one archetype at one pace. `rules` are live rules that opened."""

    archetype: str
    sparse: bool
    declared: bool
    rooms: int = 0
    hours: float = 0.0
    events: int = 0
    challenges: int = 0
    alarms: dict[Mark, int] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)

    def expects(self, family: str) -> bool:
        """A declared avatar is AI, and the AI family may know it: that accuses nobody."""
        return self.declared and family == "AI"

    def merge(self, other: "Tally") -> None:
        """Add another tally of the same stratum."""
        self.rooms += other.rooms
        self.hours += other.hours
        self.events += other.events
        self.challenges += other.challenges
        _add(self.alarms, other.alarms)
        _add(self.rules, other.rules)


def tally_of(outcome: Outcome) -> Tally:
    """The tally of one room."""
    return Tally(
        archetype=outcome.truth.archetype,
        sparse=outcome.sparse,
        declared=outcome.truth.declared,
        rooms=1,
        hours=outcome.honest_hours,
        events=outcome.events,
        challenges=outcome.honest_challenges,
        alarms=dict(outcome.alarms),
        rules={rule: 1 for rule, at_min in outcome.rules_min.items() if at_min < 0},
    )


def merged(tallies: Iterable[Tally]) -> list[Tally]:
    """One tally per stratum, in order of archetype and pace."""
    found: dict[tuple[str, bool], Tally] = {}
    for one in tallies:
        known = found.get((one.archetype, one.sparse))
        if known is None:
            known = found[one.archetype, one.sparse] = Tally(one.archetype, one.sparse, one.declared)
        known.merge(one)
    return [found[key] for key in sorted(found)]


def _add(total: dict[Key, int], more: dict[Key, int]) -> None:
    for key, count in more.items():
        total[key] = total.get(key, 0) + count
