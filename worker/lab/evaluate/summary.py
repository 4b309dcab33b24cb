"""Outcomes of many rooms, summed up with confidence intervals."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import isfinite

from msgspec import Struct

from worker.audit.evidence import FAMILIES, THRESHOLDS, Level
from worker.lab.evaluate.intervals import Interval, quantile, rate, share
from worker.lab.evaluate.watch import GUARDED, LEVELS, MASS, Outcome

PROVES = 3.0  # no event in N hours: with 95 % confidence the rate is below 3/N


class Delay(Struct):
    """How surely and how soon something happens. Minutes; a median of inf was not reached by half of the rooms."""

    detected: Interval
    median_min: Interval
    p90_min: float


class Detection(Struct):
    """One guilty archetype. `levels` and `masses` follow `LEVELS`; `rules` is the first live rule that opens."""

    archetype: str
    title: str
    rooms: int
    hours: float
    expects: tuple[str, ...]
    levels: list[Delay]
    masses: list[Delay]
    rules: Delay
    families_min: dict[str, list[float]]  # median minutes per family, after guards, in the order of LEVELS


class Alarm(Struct):
    """False alarms of one family at one level, before (`mass`) or after (`level`) the guards."""

    kind: str
    family: str
    level: str
    count: int
    hours: float
    per_hour: Interval
    bound_per_hour: float


class Stratum(Struct):
    """One kind of room while nothing is wrong there. `alarms` counts levels reached after guards, by level."""

    archetype: str
    title: str
    rooms: int
    hours: float
    alarms: dict[str, int]
    families: dict[str, int]
    label_per_hour: Interval
    rules: dict[str, int]
    challenges_per_hour: Interval


class Ablation(Struct):
    """A guilty archetype with some sources switched off: medians at LABEL and LIMIT after guards, share at LIMIT."""

    archetype: str
    without: tuple[str, ...]
    rooms: int
    label_min: float
    limit_min: float
    limit_share: float


class Summary(Struct):
    """Everything that `evaluate` prints."""

    synthetic: bool
    rooms: int
    hours: float
    events: int
    challenges: int
    detections: list[Detection]
    alarms: list[Alarm]
    strata: list[Stratum]
    ablations: list[Ablation] = []
    curves: dict[str, list[float]] = {}  # archetype → sorted minutes to LIMIT after guards of rooms that reached it

    @property
    def honest_hours(self) -> float:
        """Room-hours in which nothing was wrong."""
        return sum(stratum.hours for stratum in self.strata)


def summarise(
    outcomes: Sequence[Outcome], ablated: Iterable[tuple[tuple[str, ...], Outcome]] = (), *, synthetic: bool
) -> Summary:
    """Sum up outcomes; `ablated` are (sources switched off, outcome)."""
    by_archetype: dict[str, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda o: (o.truth.archetype, o.truth.seed)):
        by_archetype.setdefault(outcome.truth.archetype, []).append(outcome)
    guilty = [rooms for rooms in by_archetype.values() if not rooms[0].truth.honest]
    honest = [rooms for rooms in by_archetype.values() if sum(o.honest_hours for o in rooms) > 0]
    return Summary(
        synthetic=synthetic,
        rooms=len(outcomes),
        hours=sum(o.hours for o in outcomes),
        events=sum(o.events for o in outcomes),
        challenges=sum(o.challenges for o in outcomes),
        detections=[_detection(rooms) for rooms in guilty],
        alarms=_alarms([o for o in outcomes if o.honest_hours > 0]),
        strata=[_stratum(rooms) for rooms in honest],
        ablations=_ablations(outcomes, ablated),
        curves={rooms[0].truth.archetype: _curve(rooms) for rooms in guilty},
    )


def _delay(minutes: Sequence[float]) -> Delay:
    return Delay(share(sum(map(isfinite, minutes)), len(minutes)), quantile(minutes, 0.5), quantile(minutes, 0.9).value)


def _detection(rooms: list[Outcome]) -> Detection:
    fact = rooms[0].truth
    reached = {family for o in rooms for kind, family, _ in o.delay_min if kind == GUARDED}
    missing = float("inf")
    return Detection(
        archetype=fact.archetype,
        title=fact.title,
        rooms=len(rooms),
        hours=sum(o.hours for o in rooms),
        expects=fact.expects,
        levels=[_delay([o.delay_of(GUARDED, level) for o in rooms]) for level in LEVELS],
        masses=[_delay([o.delay_of(MASS, level) for o in rooms]) for level in LEVELS],
        rules=_delay([o.rule_delay() for o in rooms]),
        families_min={
            family: [
                quantile([o.delay_min.get((GUARDED, family, level), missing) for o in rooms], 0.5).value
                for level in LEVELS
            ]
            for family in FAMILIES
            if family in reached
        },
    )


def _expected_of_it(outcome: Outcome, family: str) -> bool:
    """A declared avatar is AI, and the AI family may know it: that accuses nobody."""
    return outcome.truth.declared and family == "AI"


def _alarms(rooms: list[Outcome]) -> list[Alarm]:
    found = []
    for kind in (MASS, GUARDED):
        for family in FAMILIES:
            counted = [o for o in rooms if not _expected_of_it(o, family)]
            hours = sum(o.honest_hours for o in counted)
            for level in LEVELS if hours else ():
                count = sum(o.alarms.get((kind, family, level), 0) for o in counted)
                bound = 1 / THRESHOLDS[level]
                found.append(Alarm(kind, family, level.name, count, hours, rate(count, hours), bound))
    return found


def _stratum(rooms: list[Outcome]) -> Stratum:
    fact = rooms[0].truth
    hours = sum(o.honest_hours for o in rooms)
    alarms: Counter[str] = Counter()
    families: Counter[str] = Counter()
    for outcome in rooms:
        for (kind, family, level), count in outcome.alarms.items():
            if kind == GUARDED and not _expected_of_it(outcome, family):
                alarms[Level(level).name] += count
                families[family] += count
    return Stratum(
        archetype=fact.archetype,
        title=fact.title if fact.honest else f"{fact.title}: before the switch",
        rooms=len(rooms),
        hours=hours,
        alarms=dict(alarms),
        families=dict(families),
        label_per_hour=rate(alarms[Level.LABEL.name], hours),
        rules=dict(Counter(rule for o in rooms for rule, at in o.rules_min.items() if at < 0)),
        challenges_per_hour=rate(sum(o.honest_challenges for o in rooms), hours),
    )


def _ablations(outcomes: Sequence[Outcome], ablated: Iterable[tuple[tuple[str, ...], Outcome]]) -> list[Ablation]:
    """The same rooms with and without; rooms that were not judged again are left out."""
    groups: dict[tuple[str, tuple[str, ...]], list[Outcome]] = {}
    for without, outcome in ablated:
        groups.setdefault((outcome.truth.archetype, without), []).append(outcome)
    again = {outcome.truth.room_id for rooms in groups.values() for outcome in rooms}
    for outcome in outcomes:
        if outcome.truth.room_id in again:
            groups.setdefault((outcome.truth.archetype, ()), []).append(outcome)
    found = []
    for (archetype, without), rooms in sorted(groups.items()):
        label, limit = ([o.delay_of(GUARDED, level) for o in rooms] for level in (Level.LABEL, Level.LIMIT))
        found.append(
            Ablation(
                archetype,
                without,
                len(rooms),
                quantile(label, 0.5).value,
                quantile(limit, 0.5).value,
                sum(map(isfinite, limit)) / len(limit),
            )
        )
    return found


def _curve(rooms: list[Outcome]) -> list[float]:
    return sorted(at for o in rooms if isfinite(at := o.delay_of(GUARDED, Level.LIMIT)))
