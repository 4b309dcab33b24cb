"""Outcomes of many rooms, summed up with confidence intervals."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf, isfinite
from typing import Protocol

from msgspec import Struct

from worker.audit.evidence import FAMILIES, THRESHOLDS, Level
from worker.lab.evaluate.bound import Measured
from worker.lab.evaluate.intervals import Interval, quantile, rate, share
from worker.lab.evaluate.scenes import FARM_RULE, SHARED, WITHIN_MIN, SceneOutcome
from worker.lab.evaluate.tally import Tally, merged, tally_of
from worker.lab.evaluate.watch import GUARDED, LEVELS, MASS, Outcome
from worker.lab.simulate import ARCHETYPES

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

    @property
    def limit(self) -> Delay:
        """To LIMIT, after the guards."""
        return self.levels[LEVELS.index(Level.LIMIT)]


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
    """One kind of room while nothing is wrong there. `alarms` counts levels reached, after guards: (family, level)."""

    archetype: str
    title: str
    sparse: bool
    rooms: int
    hours: float
    alarms: list[tuple[str, str, int]]
    watch_per_hour: Interval
    label_per_hour: Interval
    limit_per_hour: Interval
    rules: dict[str, int]
    challenges_per_hour: Interval


class Fact(Struct):
    """A guilty archetype that one event gives away: events from that one, itself included, to the first rule."""

    archetype: str
    rooms: int
    opened: int
    most_events: int


class Marked(Struct):
    """An archetype that markers give away. `expected`: until all rules that it is for are open; `others` opened too."""

    archetype: str
    title: str
    rooms: int
    expects: tuple[str, ...]
    expected: Delay
    others: dict[str, int]


class Sharing(Struct):
    """A kind of scene and a kind of identity, or the rule about farms.

    Attributes:
        judged: something is wanted of it: a farm's rooms need not know of what the scene does not say they share.
        told: rooms that were told of a fleet that is not permitted, or in which the rule opened; `within` two identity
            periods; `most_min`: when the last of them was. permitted: rooms that were told of a permitted one.
        wanted: the share of scenes in which all went as wanted; rooms of a scene succeed and fail together.
    """

    scene: str
    kind: str
    judged: bool
    scenes: int
    rooms: int
    told: int
    within: int
    most_min: float
    permitted: int
    wanted: Interval


class Ablation(Struct):
    """A guilty archetype without a signal: medians at LABEL and LIMIT after guards, share at LIMIT."""

    archetype: str
    challenged: bool
    without: str
    rooms: int
    label_min: float
    limit_min: float
    limit_share: float


class Discounted(Struct):
    """An honest archetype without a discount: alarms before the guards, in the order of `LEVELS`, any family."""

    archetype: str
    without: str
    rooms: int
    hours: float
    alarms: list[int]


class Counted(Protocol):
    """What adds to the totals."""

    @property
    def hours(self) -> float: ...
    @property
    def events(self) -> int: ...


class Measurement(Struct):
    """What was measured, piece by piece; `summarise` sums it up."""

    challenged: list[Outcome] = []
    unchallenged: list[Outcome] = []
    facts: list[Outcome] = []
    marked: list[Outcome] = []
    ablated: list[tuple[bool, str, Outcome]] = []  # challenged, the signal or discount that is missing
    discounted: list[tuple[str, Outcome]] = []  # the discount that is missing, "" for none
    honest: list[Tally] = []
    bound: list[Measured] = []
    scenes: list[SceneOutcome] = []


class Summary(Struct):
    """Everything that `evaluate` prints."""

    synthetic: bool
    rooms: int
    hours: float
    events: int
    challenged: list[Detection]
    unchallenged: list[Detection]
    facts: list[Fact]
    marked: list[Marked]
    sharing: list[Sharing]
    alarms: list[Alarm]
    strata: list[Stratum]
    ablations: list[Ablation]
    discounts: list[Discounted]
    bound: list[Measured]
    curves: dict[str, list[float]]  # archetype → sorted minutes to LIMIT after guards of rooms that reached it

    @property
    def honest_hours(self) -> float:
        """Room-hours in which nothing was wrong."""
        return sum(stratum.hours for stratum in self.strata)


def summarise(measured: Measurement, *, synthetic: bool) -> Summary:
    """Sum up what was measured. Rooms without challenges count no false alarms of their own where others have them."""
    outcomes = measured.challenged + measured.unchallenged + measured.facts + measured.marked
    outcomes = outcomes + [o for *_, o in measured.ablated] + [o for _, o in measured.discounted]
    innocent = [tally_of(o) for o in measured.challenged or measured.unchallenged if o.honest_hours > 0]
    tallies = merged([*innocent, *measured.honest])
    everything: tuple[Sequence[Counted], ...] = (outcomes, measured.scenes, measured.honest)
    return Summary(
        synthetic=synthetic,
        rooms=sum(o.rooms for o in measured.scenes) + len(outcomes) + sum(t.rooms for t in measured.honest),
        hours=sum(counted.hours for group in everything for counted in group),
        events=sum(counted.events for group in everything for counted in group),
        challenged=[_detection(rooms) for rooms in _guilty(measured.challenged)],
        unchallenged=[_detection(rooms) for rooms in _guilty(measured.unchallenged)],
        facts=[_fact(rooms) for rooms in _guilty(measured.facts)],
        sharing=_sharing(measured.scenes),
        marked=[_marked(rooms) for rooms in _guilty(measured.marked)],
        alarms=_alarms(tallies),
        strata=[_stratum(tally) for tally in tallies],
        ablations=_ablations(measured),
        discounts=_discounts(measured),
        bound=measured.bound,
        curves={rooms[0].truth.archetype: _curve(rooms) for rooms in _guilty(measured.challenged)},
    )


def _guilty(outcomes: Iterable[Outcome]) -> list[list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda o: (o.truth.archetype, o.truth.seed)):
        if not outcome.truth.honest:
            found.setdefault(outcome.truth.archetype, []).append(outcome)
    return list(found.values())


def _delay(minutes: Sequence[float]) -> Delay:
    return Delay(share(sum(map(isfinite, minutes)), len(minutes)), quantile(minutes, 0.5), quantile(minutes, 0.9).value)


def _detection(rooms: list[Outcome]) -> Detection:
    fact = rooms[0].truth
    reached = {family for o in rooms for kind, family, _ in o.delay_min if kind == GUARDED}
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
                quantile([o.delay_min.get((GUARDED, family, level), inf) for o in rooms], 0.5).value for level in LEVELS
            ]
            for family in FAMILIES
            if family in reached
        },
    )


def _fact(rooms: list[Outcome]) -> Fact:
    events = [o.events_to_rule for o in rooms if o.events_to_rule is not None]
    return Fact(rooms[0].truth.archetype, len(rooms), len(events), max(events, default=0))


def _marked(rooms: list[Outcome]) -> Marked:
    fact = rooms[0].truth
    return Marked(
        archetype=fact.archetype,
        title=fact.title,
        rooms=len(rooms),
        expects=fact.expects,
        expected=_delay([o.expected_delay() for o in rooms]),
        others=dict(Counter(rule for o in rooms for rule in o.rules_min if rule not in fact.expects)),
    )


def _sharing(outcomes: list[SceneOutcome]) -> list[Sharing]:
    """A row for each kind that a scene shares or was told of, and one for the rule about farms."""
    found = []
    for scene in dict.fromkeys(o.job.scene for o in outcomes):
        played = [o for o in outcomes if o.job.scene == scene]
        others = {kind for o in played for kind in (*o.told_min, *o.permitted)} - set(SHARED[scene])
        for kind in (*SHARED[scene], *sorted(others), FARM_RULE):
            told = [minutes for o in played for minutes in o.told_min.get(kind, {}).values()]
            opened = sum(len(o.reviews) for o in played) if kind == FARM_RULE else 0
            wanted = [o for o in played if _as_wanted(o, kind)]
            found.append(
                Sharing(
                    scene=scene,
                    kind=kind,
                    judged=played[0].honest or kind in (*SHARED[scene], FARM_RULE),
                    scenes=len(played),
                    rooms=sum(o.rooms for o in played),
                    told=len(told) + opened,
                    within=sum(minutes <= WITHIN_MIN for minutes in told),
                    most_min=max(told, default=inf),
                    permitted=sum(len(o.permitted.get(kind, ())) for o in played),
                    wanted=share(len(wanted), len(played)),
                )
            )
    return found


def _as_wanted(outcome: SceneOutcome, kind: str) -> bool:
    """Honest rooms know of what they share that it is permitted, of nothing that is not, and no rule opens; a farm's
    all know in time, and the rule opens in all of them."""
    if kind == FARM_RULE:
        return len(outcome.reviews) == (0 if outcome.honest else outcome.rooms)
    told, permitted = outcome.told_min.get(kind, {}), outcome.permitted.get(kind, set())
    if outcome.honest:
        return not told and (kind not in SHARED[outcome.job.scene] or len(permitted) == outcome.rooms)
    return len(told) == outcome.rooms and max(told.values()) <= WITHIN_MIN


def _alarms(tallies: list[Tally]) -> list[Alarm]:
    found = []
    for kind in (MASS, GUARDED):
        for family in FAMILIES:
            counted = [tally for tally in tallies if not tally.expects(family)]
            hours = sum(tally.hours for tally in counted)
            for level in LEVELS if hours else ():
                count = sum(tally.alarms.get((kind, family, level), 0) for tally in counted)
                bound = 1 / THRESHOLDS[level]
                found.append(Alarm(kind, family, level.name, count, hours, rate(count, hours), bound))
    return found


def _stratum(tally: Tally) -> Stratum:
    archetype = ARCHETYPES[tally.archetype]
    counts: Counter[int] = Counter()
    alarms = []
    for (kind, family, level), count in sorted(tally.alarms.items()):
        if kind == GUARDED and not tally.expects(family):
            counts[level] += count
            alarms.append((family, Level(level).name, count))
    return Stratum(
        archetype=tally.archetype,
        title=archetype.title if archetype.honest else f"{archetype.title}: before the switch",
        sparse=tally.sparse,
        rooms=tally.rooms,
        hours=tally.hours,
        alarms=alarms,
        watch_per_hour=rate(counts[Level.WATCH], tally.hours),
        label_per_hour=rate(counts[Level.LABEL], tally.hours),
        limit_per_hour=rate(counts[Level.LIMIT], tally.hours),
        rules=tally.rules,
        challenges_per_hour=rate(tally.challenges, tally.hours),
    )


def _ablations(measured: Measurement) -> list[Ablation]:
    """The same rooms with and without a signal; rooms that were not judged again are left out."""
    groups: dict[tuple[str, bool, str], list[Outcome]] = {}
    for challenged, without, outcome in measured.ablated:
        groups.setdefault((outcome.truth.archetype, challenged, without), []).append(outcome)
    again = {(o.truth.room_id, challenged) for challenged, _, o in measured.ablated}
    for challenged, outcomes in ((True, measured.challenged), (False, measured.unchallenged)):
        for outcome in outcomes:
            if (outcome.truth.room_id, challenged) in again:
                groups.setdefault((outcome.truth.archetype, challenged, ""), []).append(outcome)
    found = []
    for (archetype, challenged, without), rooms in sorted(groups.items()):
        label, limit = ([o.delay_of(GUARDED, level) for o in rooms] for level in (Level.LABEL, Level.LIMIT))
        medians = quantile(label, 0.5).value, quantile(limit, 0.5).value
        reached = sum(map(isfinite, limit)) / len(limit)
        found.append(Ablation(archetype, challenged, without, len(rooms), *medians, reached))
    return found


def _discounts(measured: Measurement) -> list[Discounted]:
    groups: dict[tuple[str, str], list[Tally]] = {}
    for without, outcome in measured.discounted:
        groups.setdefault((outcome.truth.archetype, without), []).append(tally_of(outcome))
    found = []
    for (archetype, without), tallies in sorted(groups.items()):
        alarms = [
            sum(
                count
                for tally in tallies
                for (kind, family, reached), count in tally.alarms.items()
                if (kind, reached) == (MASS, level) and not tally.expects(family)
            )
            for level in LEVELS
        ]
        found.append(Discounted(archetype, without, len(tallies), sum(t.hours for t in tallies), alarms))
    return found


def _curve(rooms: list[Outcome]) -> list[float]:
    return sorted(at for o in rooms if isfinite(at := o.delay_of(GUARDED, Level.LIMIT)))
