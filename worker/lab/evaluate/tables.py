"""Tables of a summary: rows of text, for the terminal (rich) and for a document (Markdown) alike."""

from collections.abc import Iterator
from math import isfinite

from msgspec import Struct

from worker.lab.evaluate.bound import Measured
from worker.lab.evaluate.intervals import Interval
from worker.lab.evaluate.pieces import ALONE
from worker.lab.evaluate.rooms import DISCOUNTS, SIGNALS
from worker.lab.evaluate.scenes import FARM_RULE, WITHIN_MIN
from worker.lab.evaluate.summary import PROVES, Delay, Detection, Summary
from worker.lab.evaluate.targets import (
    CHALLENGED_BARS,
    CHALLENGED_MIN,
    FACTUAL_EVENTS,
    UNCHALLENGED_BARS,
    UNCHALLENGED_MIN,
    Bar,
)
from worker.lab.evaluate.watch import LEVELS, MASS


class Sheet(Struct):
    """A table: what it shows, its header, its rows; the first column is text, the others are numbers."""

    title: str
    header: list[str]
    rows: list[list[str]]


def sheets(summary: Summary) -> Iterator[Sheet]:
    """Every table of a summary that has rows."""
    both = ((True, summary.challenged), (False, summary.unchallenged))
    for sheet in (
        *(_detected(found, challenged) for challenged, found in both),
        _facts(summary),
        _marked(summary),
        _sharing(summary),
        *(_levels(found, challenged, guarded=guarded) for challenged, found in both for guarded in (True, False)),
        *(_families(found, challenged) for challenged, found in both),
        _alarms(summary),
        _strata(summary),
        *(_ablation(summary, challenged) for challenged, _ in both),
        _discounts(summary),
        bound_sheet(summary.bound),
    ):
        if sheet.rows:
            yield sheet


def _where(challenged: bool) -> str:
    return "with challenges" if challenged else "without challenges"


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


def _bar(bar: Bar | None, delay: Delay) -> tuple[str, str]:
    """The bar, and whether it was met."""
    if bar is None:
        return "–", "–"
    text = f"≤ {bar.median_min:.0f}" + (f" (≤ {bar.p90_min:.0f})" if bar.p90_min else "")
    met = delay.median_min.value <= bar.median_min and (bar.p90_min is None or delay.p90_min <= bar.p90_min)
    return text, "met" if met else "missed"


def _detected(found: list[Detection], challenged: bool) -> Sheet:
    design, bars = (CHALLENGED_MIN, CHALLENGED_BARS) if challenged else (UNCHALLENGED_MIN, UNCHALLENGED_BARS)
    rows = []
    for d in found:
        rows.append([
            d.archetype, str(d.rooms), _percent(d.limit.detected), _span(d.limit.median_min), _minutes(d.limit.p90_min),
            f"{design[d.archetype]:.0f}" if d.archetype in design else "–", *_bar(bars.get(d.archetype), d.limit),
            _percent(d.rules.detected) if d.expects else "no rule", _span(d.rules.median_min) if d.expects else "–",
        ])  # fmt: skip
    header = ["archetype", "rooms", "LIMIT reached", "median min", "p90", "design", "bar", "", "a rule opened"]
    title = f"Guilty rooms {_where(challenged)}: LIMIT after the guards, and the first live rule (95 % intervals)"
    return Sheet(title, [*header, "median min"], rows)


def _facts(summary: Summary) -> Sheet:
    rows = [
        [f.archetype, str(f.rooms), str(f.opened), str(f.most_events) if f.opened else "–", str(FACTUAL_EVENTS),
         "met" if f.opened == f.rooms and f.most_events <= FACTUAL_EVENTS else "missed"]
        for f in summary.facts
    ]  # fmt: skip
    header = ["archetype", "rooms", "a rule opened", "events, at most", "bar", ""]
    return Sheet("What one event gives away: events from that one to the first rule, itself included", header, rows)


def _marked(summary: Summary) -> Sheet:
    rows = [
        [m.archetype, str(m.rooms), ", ".join(m.expects), _percent(m.expected.detected), _span(m.expected.median_min),
         _minutes(m.expected.p90_min), ", ".join(f"{rule}: {n}" for rule, n in sorted(m.others.items())) or "none"]
        for m in summary.marked
    ]  # fmt: skip
    header = ["archetype", "rooms", "expected rules", "all opened", "median min", "p90", "other rules opened"]
    return Sheet("What markers and evidence tell together: minutes until every expected rule is open", header, rows)


def _sharing(summary: Summary) -> Sheet:
    rows = []
    for s in summary.sharing:
        rule = s.kind == FARM_RULE
        seen = ["–", "–", "–"] if rule else [f"{s.within:,}", _minutes(s.most_min), f"{s.permitted:,}"]
        verdict = ["–", "–"] if not s.judged else [_percent(s.wanted), "met" if s.wanted.value == 1 else "missed"]
        kind = f"{s.kind} opened" if rule else s.kind
        rows.append([s.scene, kind, str(s.scenes), f"{s.rooms:,}", f"{s.told:,}", *seen, *verdict])
    header = ["scene", "identity", "scenes", "rooms", "told: not permitted", f"within {WITHIN_MIN:g} min"]
    header += ["last at min", "told: permitted", "scenes as wanted", ""]
    return Sheet("Rooms that share an identity, and rooms that do not: what they are told", header, rows)


def _levels(found: list[Detection], challenged: bool, *, guarded: bool) -> Sheet:
    rows = [[d.archetype, *map(_cell, d.levels if guarded else d.masses)] for d in found]
    which = "after the guards" if guarded else "before the guards"
    title = f"Minutes to each level {_where(challenged)}, {which}: median (p90) and share of rooms, any family"
    return Sheet(title, ["archetype", *(level.name for level in LEVELS)], rows)


def _families(found: list[Detection], challenged: bool) -> Sheet:
    rows = [[d.archetype, family, *map(_minutes, minutes)] for d in found for family, minutes in d.families_min.items()]
    header = ["archetype", "family", *(x.name for x in LEVELS)]
    return Sheet(f"Median minutes per family {_where(challenged)}, after the guards", header, rows)


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
    proves = f" (none in {hours:,.0f} h proves < {PROVES / hours:.1e} per hour)" if hours else ""
    header = ["family", "level", "guards", "alarms", "per room-hour", "bound", "shown"]
    return Sheet(f"False alarms in {hours:,.0f} room-hours in which nothing was wrong{proves}", header, rows)


def _strata(summary: Summary) -> Sheet:
    rows = []
    for s in summary.strata:
        alarms = ", ".join(f"{family} {level}: {count}" for family, level, count in s.alarms)
        rules = ", ".join(f"{rule}: {count}" for rule, count in sorted(s.rules.items()))
        rows.append([
            s.archetype, "sparse" if s.sparse else "full", f"{s.rooms:,}", f"{s.hours:,.0f}", alarms or "none",
            *map(_per_hour, (s.watch_per_hour, s.label_per_hour, s.limit_per_hour)), rules or "none",
            "{:.2f} [{:.2f}, {:.2f}]".format(*s.challenges_per_hour),
        ])  # fmt: skip
    header = ["honest", "pace", "rooms", "hours", "alarms after guards", "WATCH per hour", "LABEL per hour"]
    header += ["LIMIT per hour", "rules opened", "challenges per hour"]
    return Sheet("Honest rooms by stratum", header, rows)


def _ablation(summary: Summary, challenged: bool) -> Sheet:
    found = {(a.archetype, a.without): a for a in summary.ablations if a.challenged is challenged}
    sets = ("", *(SIGNALS if challenged else (*ALONE, *DISCOUNTS)))
    rows = []
    for archetype in dict.fromkeys(archetype for archetype, _ in found):
        cells = [found.get((archetype, without)) for without in sets]
        shown = [f"{_minutes(a.label_min)}/{_minutes(a.limit_min)}" if a else "" for a in cells]
        rows.append([archetype, str(cells[0].rooms if cells[0] else 0), *shown])
    title = f"Ablation {_where(challenged)}: median minutes to LABEL/LIMIT after the guards, without a signal"
    title += "" if challenged else " or a discount"
    return Sheet(title, ["without", "rooms", *(without or "nothing" for without in sets)], rows)


def _discounts(summary: Summary) -> Sheet:
    """What honest rooms owe to each discount."""
    found = {(d.archetype, d.without): d for d in summary.discounts}
    rows = []
    for archetype, base in ((archetype, d) for (archetype, without), d in found.items() if not without):
        cells = [base, *(found.get((archetype, discount)) for discount in DISCOUNTS)]
        shown = ["/".join(map(str, d.alarms)) if d and any(d.alarms) else "none" if d else "" for d in cells]
        rows.append([archetype, str(base.rooms), f"{base.hours:.0f}", *shown])
    title = f"Honest rooms without a discount: alarms at {'/'.join(level.name for level in LEVELS)} before the guards"
    return Sheet(title, ["without", "rooms", "hours", "nothing", *DISCOUNTS], rows)


def bound_sheet(measured: list[Measured]) -> Sheet:
    """The guarantee under null hypotheses."""
    rows = [
        [
            m.case,
            m.method,
            m.level,
            f"{m.per_hour:.1e} ± {m.error:.0e}",
            f"{m.bound:.0e}",
            m.verdict if m.guaranteed else f"none ({m.verdict})",
        ]
        for m in measured
    ]
    header = ["null hypothesis", "method", "level", "per room-hour", "bound", "guarantee"]
    return Sheet("First alarms per room-hour under null hypotheses, in 12 h", header, rows)
