"""What is compared between the core and the oracle, aspect by aspect, and which of it the tests demand today.

The oracle gets from the core only what statistics say, by offset: levels, signals, and facts that blocks establish.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from tests.meaning import claims
from tests.meaning.core import After, Said, follow, phase_ms
from tests.meaning.episodes import Moment, decisions
from tests.meaning.log import Record
from tests.meaning.oracle import Measured, Room, Seen, in_order, restarts, rooms_of, sights
from tests.meaning.rules import Rule, Verdict, in_force, verdict
from tests.meaning.scan import Placed
from tests.meaning.test_rules_of_the_oracle import documents

HOLDS: Mapping[str, tuple[str, ...]] = {
    "plain": ("status", "session", "append", "times", "facts", "held", "label", "looks", "decisions"),
    "sessions": ("status", "session", "append", "times", "facts", "held", "label", "looks", "decisions"),
    "bent": ("status", "session", "append", "times", "facts", "decisions"),
    "wild": ("status", "session", "append", "times", "decisions"),
    "lively": ("session", "append", "times", "facts", "held", "abstain", "decisions"),
}
"""Weather → the aspects that the core and the oracle must agree on there. Make one true, and add it."""

HOLDS_IN_KAFKA: tuple[str, ...] = ("append",)
"""The aspects in which they must agree on what a real broker stamped, in weathers of all kinds."""

BY_EVIDENCE = ("detectors", "voice_and_visual", "detectors_and_challenge")
GIVEN = ("driven.challenges_passed", "driven.replies", "idle.certainty", "idle.minutes")
"""Values that the oracle takes from the core."""
COUNTED = ("statistic", "counter", "descriptor")
GIVEN_FACTS = ("label", "signals", "history", "software_promotion")


class Difference(NamedTuple):
    """One thing that the two do not agree on, after the record at `offset`."""

    offset: int
    what: str
    core: Any
    oracle: Any


def measured(after: After) -> Measured:
    """What the core's statistics say at one look."""
    v = after.values
    if v is None:
        return Measured()
    nothing = (claims.NONE, "")
    presenter = (int(v["ai_presenter.certainty"]), str(v["ai_presenter.by"]))
    recorded = (int(v["recorded.certainty"]), str(v["recorded.by"]))
    return Measured(
        levels={name.partition(".")[2]: value for name, value in v.items() if name.startswith("level.")},
        signals=v["signals"],
        ai_presenter=presenter if presenter[1] in BY_EVIDENCE else nothing,
        recorded=recorded if recorded[1].startswith("repetition") else nothing,
        idle_minutes=v["idle.minutes"],
        idle=v["idle.certainty"],
        idle_ms=v["held.idle"],
        replies=v["driven.replies"],
        passed=v["driven.challenges_passed"],
        software={
            name: v[f"software_promotion.{name}"] for name in ("certainty", "by", "mentions", "selling", "teaching")
        },
    )


class Case:
    """One room's log, and what each of the two makes of it."""

    def __init__(self, records: Sequence[Record], *, deep: bool = True) -> None:
        self.records = records
        self.core = follow(records, values=deep)
        self.after = {after.offset: after for after in self.core}
        name = str(records[0].event["room_id"])
        self.room: Room = rooms_of(records, phases={name: phase_ms(name)})[0]

    @property
    def both(self) -> Iterator[tuple[After, Placed]]:
        """What each says, record by record."""
        return zip(self.core, self.room.placed, strict=True)

    @cached_property
    def seen(self) -> dict[int, Seen]:
        """What the oracle sees after records of sessions that were described.

        These are all records of a short log. Of a long one they are all that are no statistic or counter, those at
        which the core looked, and some of the others.
        """
        every = 1 + len(self.records) // 250
        looks = {
            after.offset
            for number, (after, placed) in enumerate(self.both)
            if after.looked is not None or number % every == 0 or placed.entry.kind not in COUNTED
        }
        found = sights(self.room, lambda look: measured(self.after[look.offset]), looks)
        return {seen.look.offset: seen for _, seen in found}

    @cached_property
    def expected(self) -> list[Said]:
        """What is to be said, at the looks that the core took."""
        moments = restarts(self.room)
        for offset, seen in self.seen.items():
            look, about, looked = seen.look, seen.world.facts["room"], self.after[offset].looked or ()
            live = look.session.closed_e is None
            rules = in_force(POLICIES, about["platform"], about["region"], look.newest) if live and looked else []
            found: tuple[tuple[Rule, Verdict], ...] = tuple(
                (rule, verdict(rule, seen.world)) for rule in rules if rule.id in looked
            )
            moments.append(Moment(offset, look.append, look.session.number, look.session.names[0], live, found))
        return [Said.of(decision) for decision in decisions(self.room.room_id, in_order(moments))]


POLICIES = documents()


def status(case: Case) -> Iterator[Difference]:
    """What becomes of each record."""
    for after, placed in case.both:
        if after.status != placed.status:
            what = f"{placed.entry.type} {after.status} for {placed.status}"
            yield Difference(after.offset, what, after.status, placed.status)


def session(case: Case) -> Iterator[Difference]:
    """Which session the room is in, where that began, and whether it was described or is closed."""
    began: dict[int, int] = {}
    for after, placed in case.both:
        now, here = placed.current, after.standing
        if here is not None and here.session_id == "":
            here = None  # a room without a session
        if now is None or here is None:
            if now is not None or here is not None:
                yield Difference(after.offset, "session", here and here.session_id, now and now.names[0])
            continue
        first = began.setdefault(now.number, after.offset)
        if here.session_id not in now.names:
            yield Difference(after.offset, "session", here.session_id, now.names[0])
            continue
        if here.first != first:
            yield Difference(after.offset, "first record", here.first, first)
        state = "closed" if now.closed_e is not None else "undescribed" if now.host is None else "live"
        if here.state != state:
            yield Difference(after.offset, "state", here.state, state)


def append(case: Case) -> Iterator[Difference]:
    """A."""
    for after, placed in case.both:
        if after.standing is not None and after.append != placed.append:
            yield Difference(after.offset, "A", after.append, placed.append)


def times(case: Case) -> Iterator[Difference]:
    """M and W."""
    for after, placed in case.both:
        if after.standing is None:
            continue
        if after.newest != placed.newest:
            yield Difference(after.offset, "M", after.newest, placed.newest)
        if placed.newest and after.watermark != placed.watermark:
            yield Difference(after.offset, "W", after.watermark, placed.watermark)


def told(seen: Seen) -> dict[str, Any]:
    """The oracle's facts as rules read them, without what the core measured."""
    found = {
        f"{name}.{field}": value
        for name, fact in seen.world.facts.items()
        if name not in GIVEN_FACTS
        for field, value in fact.items()
    }
    found["room.shop_systems"] = sorted(set(found["room.shop_systems"]))
    return {name: value for name, value in found.items() if name not in GIVEN}


def facts(case: Case) -> Iterator[Difference]:
    """Every fact but the label, as rules would read it after each record."""
    for offset, seen in case.seen.items():
        values = case.after[offset].values or {}
        for name, value in told(seen).items():
            certainty = f"{name.partition('.')[0]}.certainty"
            nothing = (
                not values.get(certainty, True) and not seen.world.facts[certainty[: -len(".certainty")]]["certainty"]
            )
            if values.get(name) != value and not nothing:  # of what is not there, nothing more need be said
                yield Difference(offset, name, values.get(name), value)


def held(case: Case) -> Iterator[Difference]:
    """For how long an accusing fact has been as it is, of those whose certainty both know alike.

    Left out is what may have begun before the session was described, since the oracle looks at nothing then.
    """
    described: dict[int, int] = {}
    for offset, seen in case.seen.items():
        values = case.after[offset].values or {}
        first = described.setdefault(seen.look.session.number, seen.look.append)
        for name, span in seen.world.held.items():
            if name not in claims.FACTS and seen.runs[name][1] == first:
                continue
            certainty = seen.world.facts.get(name, {}).get("certainty")
            if certainty and values.get(f"{name}.certainty") == certainty and values[f"held.{name}"] != span:
                yield Difference(offset, f"held.{name}", values[f"held.{name}"], span)


def label(case: Case) -> Iterator[Difference]:
    """The label: visible, continuous, ever; what it is and who put it up; for how long it has been missing."""
    for offset, seen in case.seen.items():
        values = case.after[offset].values or {}
        for name in ("visible", "continuous", "ever", "kind", "by", "area_ratio", "gap_minutes"):
            value = seen.world.facts["label"][name]
            if values.get(f"label.{name}") is not value and values.get(f"label.{name}") != value:
                yield Difference(offset, f"label.{name}", values.get(f"label.{name}"), value)


def abstain(case: Case) -> Iterator[Difference]:
    """Blocks in which speech and gateway cannot be joined make no bet. That the core bets elsewhere is not demanded."""
    last = {seen.look.session.number: seen.look for seen in case.seen.values()}
    for (before, _), (after, placed) in pairwise(case.both):
        if after.bets <= before.bets or placed.current is None:
            continue
        mine = last[placed.current.number].blocks if placed.current.number in last else ()
        why = [block.why for block in mine if before.block <= block.start < after.block and block.why]
        if why:
            yield Difference(after.offset, "bet", "bets", f"abstains: {', '.join(why[0])}")


def looks(case: Case) -> Iterator[Difference]:
    """A rule is looked at whenever what it reads has changed, but for the passing of time and for counts."""
    passing = ("room.viewers", "room.age_minutes")
    before: tuple[int, int, dict[str, Any]] | None = None
    for offset, seen in case.seen.items():
        shown = {name: value for name, value in told(seen).items() if name not in passing}
        shown |= {f"label.{name}": seen.world.facts["label"][name] for name in ("visible", "continuous", "ever")}
        known, before = before, (offset, seen.look.session.number, shown)
        if known is None or known[1] != before[1] or seen.look.session.closed_e is not None:
            continue
        was = known[2]
        changed = [name for name, value in shown.items() if was[name] != value]
        about = seen.world.facts["room"]
        for rule in in_force(POLICIES, about["platform"], about["region"], seen.look.newest) if changed else ():
            read = next((name for name in changed if name in rule.when or name in rule.exempt), "")
            if read and not any(rule.id in (a.looked or ()) for a in case.core if known[0] < a.offset <= offset):
                yield Difference(offset, read, f"{rule.id} rests", f"{was[read]} → {shown[read]}")


def decided(case: Case) -> Iterator[Difference]:
    """Violations by rule, mode, transition, step, certainty and actions, at the looks that the core took."""
    offsets = sorted({said.offset for said in case.expected} | {a.offset for a in case.core if a.said})
    for offset in offsets:
        mine = sorted(case.after[offset].said)
        theirs = sorted(said for said in case.expected if said.offset == offset)
        if mine != theirs:
            rule = next((x.rule for x in [*mine, *theirs] if x not in mine or x not in theirs), "order")
            yield Difference(offset, rule, [tuple(x[2:]) for x in mine if x.rule == rule],
                             [tuple(x[2:]) for x in theirs if x.rule == rule])  # fmt: skip


Aspect = Callable[[Case], Iterator[Difference]]
ASPECTS: Mapping[str, Aspect] = {
    "status": status,
    "session": session,
    "append": append,
    "times": times,
    "facts": facts,
    "held": held,
    "label": label,
    "abstain": abstain,
    "looks": looks,
    "decisions": decided,
}
OF_LIVELY_ROOMS = frozenset({"abstain"})
"""Aspects that say something only of rooms whose blocks fill."""

SHALLOW = frozenset({"status", "session", "append", "times"})
"""Aspects for which no facts need be computed."""


def first_difference(records: Sequence[Record], aspect: str, what: str | None = None) -> Difference | None:
    """The first thing on which the two differ in an aspect, or the first of a kind; None if they agree."""
    if not records:
        return None
    found = ASPECTS[aspect](Case(records, deep=aspect not in SHALLOW))
    return next((d for d in found if what is None or d.what == what), None)
