"""Tables of a summary: rows of text, for the terminal (rich) and for a document (Markdown) alike."""

from collections.abc import Iterator
from math import isfinite

from msgspec import Struct

from worker.audit.evidence import Level
from worker.lab.evaluate.design import DESIGN_MIN, UNCHALLENGED_MIN
from worker.lab.evaluate.intervals import Interval
from worker.lab.evaluate.run import ABLATIONS
from worker.lab.evaluate.summary import PROVES, Delay, Summary
from worker.lab.evaluate.watch import LEVELS, MASS


class Sheet(Struct):
    """A table: what it shows, its header, its rows; the first column is text, the others are numbers."""

    title: str
    header: list[str]
    rows: list[list[str]]


def sheets(summary: Summary) -> Iterator[Sheet]:
    """Every table of a summary that has rows."""
    for sheet in (
        _detected(summary),
        _delays(summary, guarded=True),
        _delays(summary, guarded=False),
        _families(summary),
        _alarms(summary),
        _strata(summary),
        _ablation(summary),
    ):
        if sheet.rows:
            yield sheet


def _minutes(value: float) -> str:
    return f"{value:.0f}" if isfinite(value) else "–"


def _span(interval: Interval) -> str:
    return f"{_minutes(interval.value)} [{_minutes(interval.low)}, {_minutes(interval.high)}]"


def _percent(interval: Interval) -> str:
    return f"{interval.value:.0%} [{interval.low:.0%}, {interval.high:.0%}]"


def _per_hour(interval: Interval) -> str:
    return f"{interval.value:.1e} [{interval.low:.1e}, {interval.high:.1e}]"


def _cell(delay: Delay) -> str:
    if not delay.detected.value:
        return "–"
    return f"{_minutes(delay.median_min.value)} ({_minutes(delay.p90_min)}) {delay.detected.value:.0%}"


def _detected(summary: Summary) -> Sheet:
    rows = []
    for d in summary.detections:
        limit = d.levels[LEVELS.index(Level.LIMIT)]
        rows.append([
            d.archetype, str(d.rooms), _percent(limit.detected), _span(limit.median_min), _minutes(limit.p90_min),
            _percent(d.rules.detected) if d.expects else "no rule", _span(d.rules.median_min) if d.expects else "–",
        ])  # fmt: skip
    header = ["archetype", "rooms", "LIMIT reached", "median min", "p90", "a rule opened", "median min"]
    return Sheet("Guilty rooms: LIMIT after the guards, and the first live rule; 95 % intervals", header, rows)


def _delays(summary: Summary, *, guarded: bool) -> Sheet:
    design = DESIGN_MIN if summary.challenges else UNCHALLENGED_MIN
    rows = []
    for d in summary.detections:
        promised = "/".join(f"{minutes:.0f}" for minutes in design.get(d.archetype, {}).values()) or "–"
        rows.append([d.archetype, *(_cell(delay) for delay in (d.levels if guarded else d.masses)), promised])
    header = ["archetype", *(level.name for level in LEVELS), "design W/L/R" if summary.challenges else "design LIMIT"]
    which = "after the guards" if guarded else "before the guards"
    return Sheet(f"Minutes to each level, {which}: median (p90) and share of rooms, any family", header, rows)


def _families(summary: Summary) -> Sheet:
    rows = [
        [d.archetype, family, *map(_minutes, minutes)]
        for d in summary.detections
        for family, minutes in d.families_min.items()
    ]
    return Sheet(
        "Median minutes per family, after the guards", ["archetype", "family", *(x.name for x in LEVELS)], rows
    )


def _alarms(summary: Summary) -> Sheet:
    rows = []
    guarded = {(a.family, a.level): a.count for a in summary.alarms if a.kind != MASS}
    for a in summary.alarms:
        if a.kind == MASS and a.count == guarded[a.family, a.level]:
            continue  # the guards changed nothing
        known = (
            "yes" if a.per_hour.high <= a.bound_per_hour else ("no" if a.per_hour.low > a.bound_per_hour else "open")
        )
        which = "before guards" if a.kind == MASS else "after guards"
        rows.append([a.family, a.level, which, str(a.count), _per_hour(a.per_hour), f"{a.bound_per_hour:.0e}", known])
    hours = summary.honest_hours
    proves = f"; none in {hours:,.0f} h proves < {PROVES / hours:.1e} per hour" if hours else ""
    header = ["family", "level", "guards", "alarms", "per room-hour", "bound", "shown"]
    return Sheet(f"False alarms in {hours:,.0f} room-hours in which nothing was wrong{proves}", header, rows)


def _strata(summary: Summary) -> Sheet:
    rows = []
    for s in summary.strata:
        levels = " ".join(f"{level.name}:{s.alarms[level.name]}" for level in LEVELS if s.alarms.get(level.name))
        families = f" ({', '.join(sorted(s.families))})" if s.families else ""
        rows.append([
            s.archetype, str(s.rooms), f"{s.hours:.0f}", (levels + families) or "none", _per_hour(s.label_per_hour),
            ", ".join(f"{rule}:{count}" for rule, count in sorted(s.rules.items())) or "none",
            "{:.2f} [{:.2f}, {:.2f}]".format(*s.challenges_per_hour),
        ])  # fmt: skip
    header = [
        "honest",
        "rooms",
        "hours",
        "alarms after guards",
        "LABEL per hour",
        "rules opened",
        "challenges per hour",
    ]
    return Sheet("Honest rooms by stratum", header, rows)


def _ablation(summary: Summary) -> Sheet:
    found = {(a.archetype, a.without): a for a in summary.ablations}
    archetypes = list(dict.fromkeys(archetype for archetype, _ in found))
    sets = ((), *ABLATIONS)
    rows = []
    for archetype in archetypes:
        cells = [found.get((archetype, without)) for without in sets]
        shown = [f"{_minutes(a.label_min)}/{_minutes(a.limit_min)}" if a else "" for a in cells]
        rows.append([archetype, str(cells[0].rooms if cells[0] else 0), *shown])
    header = ["without", "rooms", *("+".join(without) or "nothing" for without in sets)]
    return Sheet("Ablation: median minutes to LABEL/LIMIT after the guards, with sources switched off", header, rows)
