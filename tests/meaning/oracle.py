"""Judge rooms slowly, from the contract alone.

`judge` is the entry point for comparisons. At each look it sorts what the log holds so far by effective time and
computes every fact again. Of what only statistics tell it knows nothing: the caller gives a function for that.

To compare it with another judge, record at which offsets that one looked at rules and what its statistics said there.
Then call `judge(records, policies, lambda look: said[look.offset], looks=set(said), phases=…)`, and compare decisions.
`account` gives the counts to compare, `sights` the facts, and `Look.blocks` says which blocks must abstain, and why.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from tests.meaning import claims
from tests.meaning.episodes import Decision, Moment, decisions
from tests.meaning.label import Label, Sight, Span, hidden, label_of, marks_of, off_spans
from tests.meaning.log import MINUTE, Entry, Record, baseline_of
from tests.meaning.rules import Verdict, World, in_force, verdict
from tests.meaning.scan import LEASE_MS, SILENCE_MS, Placed, Session, scan
from tests.meaning.windows import Block, closed_blocks


@dataclass(frozen=True, slots=True)
class Measured:
    """What statistics say at one look. Only the caller knows: levels, signals, and facts that blocks establish."""

    levels: Mapping[str, int] = field(default_factory=dict)
    signals: Mapping[str, float] = field(default_factory=dict)
    ai_presenter: tuple[int, str] = (claims.NONE, "")  # certainty, by
    recorded: tuple[int, str] = (claims.NONE, "")
    idle_minutes: int = 0
    idle: int = claims.NONE
    idle_ms: int = 0  # for how long, by times of events
    replies: bool = False
    passed: int | None = None  # challenges; None: all that were ever passed
    software: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """A room at one record of its log: its session, that session's records that count, and its closed blocks."""

    room_id: str
    offset: int
    append: int
    newest: int
    watermark: int
    session: Session
    own: tuple[Entry, ...]
    so_far: tuple[Placed, ...]
    phase_ms: int
    sight: Sight  # what a reading of the label stands on, before anyone is accused

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The session's blocks that are closed."""
        return tuple(closed_blocks(self.so_far, self.session.number, self.phase_ms))

    @property
    def off(self) -> list[Span]:
        """When the label was off for certain, effective time."""
        return off_spans(marks_of(self.own), self.sight)


Levels = Callable[[Look], Measured]


def quiet(_look: Look) -> Measured:
    """Statistics that say nothing."""
    return Measured()


@dataclass(frozen=True, slots=True)
class Room:
    """One room's log as placed, with what the operator said of it."""

    room_id: str
    placed: tuple[Placed, ...]
    phase_ms: int
    gaps: tuple[int, ...]  # offsets before which records were lost


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found: the world that rules read, and since when facts are as they are."""

    look: Look
    world: World
    label: Label
    runs: Mapping[str, tuple[int, int]]  # fact → certainty, append time since when


def look_at(room: Room, upto: int) -> Look | None:
    """The room as it is after `upto` records. None: it has no session that was described."""
    so_far = room.placed[:upto]
    now = so_far[-1]
    if now.current is None or now.current.host is None:
        return None
    mine = [p for p in so_far if p.session == now.current.number]
    kept = [
        p.entry
        for p in mine
        if p.status == "applied" and p.entry.kind not in ("statistic", "counter") and not is_of_another_host(p)
    ]
    own = tuple(word for x in kept for word in (x, *carried(x)))
    lost = tuple(p.newest for p, q in pairwise(so_far) if q.entry.offset in room.gaps)
    least = min((p.append - p.entry.e for p in mine if p.status != "duplicate"), default=0)
    claimed = tuple((start - least, end - least) for start, end in rival_claims(so_far, now.current.number))
    blind = (*now.current.breaks, *claimed)
    sight = Sight(now.current.start, now.newest, now.watermark, now.heard, None, least, now.current.whole, blind, lost)
    return Look(
        room.room_id, now.entry.offset, now.append, now.newest, now.watermark, now.current, own, so_far, room.phase_ms,
        sight,
    )  # fmt: skip


def is_of_another_host(p: Placed) -> bool:
    """Whether a record is the registry's answer about a host that was not the session's when it came."""
    host = p.current.host if p.current is not None else None
    return p.entry.type == "registration.state" and host is not None and p.entry.event["host_id"] != host


def carried(x: Entry) -> tuple[Entry, ...]:
    """The label's state that a heartbeat carries, as a record of its own."""
    said = x.event.get("label") if x.type == "room.heartbeat" else None
    if said is None:
        return ()
    return (
        replace(
            x,
            id=f"{x.id} label",
            kind="register",
            type="label.state",
            event={**said, "type": "label.state", "id": x.id, "at_ms": x.at},
        ),
    )


def rival_claims(so_far: Sequence[Placed], number: int) -> list[Span]:
    """When (append time) other sessions claimed the room while the one of that number was in it, or before."""
    if so_far[-1].sessions < 2:
        return []
    left: dict[int, int] = {}  # session → when another took the room from it
    before: int | None = None
    found: list[Span] = []
    for p in so_far:
        if p.current is None:
            continue
        now = p.current.number
        if before is not None and now != before:
            left[before] = p.append
        rivals = [s for s in p.aside if s.host is not None]
        if now == number and rivals:
            until = max(s.seen for s in rivals) + LEASE_MS
            if now != before and until > p.append:
                found.append((left.get(number, 0), until))
            elif p.entry.kind == "descriptor" and p.status == "foreign":
                found.append((p.append, p.append + LEASE_MS))
        before = now
    return found


def run_of(name: str, certainty: int, at: int, joined: Mapping[int, int], before: Seen | None) -> tuple[int, int]:
    """Since when (append time) a fact has had any certainty: an unbroken row of looks, or its first record."""
    since, known = at, min(certainty, claims.SUSPECTED)
    if before is not None and before.runs.get(name, (-1, 0))[0] == known:
        since = before.runs[name][1]
    return known, min(since, joined.get(known, since))


def see(room: Room, upto: int, levels: Levels, before: Seen | None) -> Seen | None:
    """Compute all facts at one look. `before`: the session's look before it, since when facts are as they are."""
    look = look_at(room, upto)
    if look is None:
        return None
    measured = levels(look)
    taken_off = [replace(x, append=look.append) for x in hidden(look.own, look.sight)]
    told = [x for x in look.own if x.type != "label.state"]
    joins = {name: claims.join(name, look.own) for name in claims.FACTS}
    joins["tamper"] = claims.join("tamper", [*told, *taken_off])
    facts: dict[str, dict[str, Any]] = {
        name: {"certainty": joined.certainty, **joined.says} for name, joined in joins.items()
    }
    if measured.ai_presenter[0] > facts["ai_presenter"]["certainty"]:
        facts["ai_presenter"] |= dict(zip(("certainty", "by"), measured.ai_presenter, strict=True))
    facts |= rest_of(look, measured)
    since = {name: joined.since for name, joined in joins.items()}
    runs = {
        name: run_of(name, fact["certainty"], look.append, since.get(name, {}), before)
        for name, fact in facts.items()
        if "certainty" in fact
    }
    accused = run_of(
        "accused", int(facts["ai_presenter"]["certainty"] >= claims.POSSIBLE), look.append,
        {1: since["ai_presenter"][claims.POSSIBLE]} if claims.POSSIBLE in since["ai_presenter"] else {}, before,
    )  # fmt: skip
    runs["accused"] = accused
    label = label_of(look.own, replace(look.sight, accused=accused[1] if accused[0] else None))
    facts["label"] = {name: getattr(label, name) for name in Label.__slots__}
    if not facts["ai_presenter"]["certainty"]:
        facts["label"]["gap_minutes"] = 0
    held = {name: look.append - run[1] for name, run in runs.items() if run[0]}
    held |= {"idle": measured.idle_ms} if measured.idle else {}
    return Seen(look, World(facts, measured.levels, held), label, runs)


def rest_of(look: Look, measured: Measured) -> dict[str, dict[str, Any]]:
    """The facts that no claims join: registers, and what was measured."""
    own = look.own
    frame = claims.frame(own)
    played = (claims.POSSIBLE, "same_source_audio") if frame["same_source_audio"] else (claims.NONE, "")
    recorded = max(measured.recorded, played)
    newest = claims.newest_of(own, "room.opened", "room.heartbeat")
    assert newest is not None
    event = newest.event
    beat = claims.newest_of(own, "room.heartbeat")
    return {
        "recorded": {"certainty": recorded[0], "by": recorded[1]},
        "idle": {"certainty": measured.idle, "minutes": measured.idle_minutes},
        "software_promotion": {"certainty": claims.NONE, "by": "", "mentions": 0, "selling": False, "teaching": False,
                               **measured.software},
        "likeness": claims.likeness(own),
        "registration": claims.registration(own),
        "driven": {"replies": measured.replies,
                   "challenges_passed": claims.challenges_passed(own) if measured.passed is None else measured.passed},
        "frame": frame,
        "fleet": claims.fleet(own),
        "history": {"upheld": {}},
        "signals": dict(measured.signals),
        "room": {"platform": event["platform"], "region": event["region"], "selling": event["selling"],
                 "viewers": beat.event["viewers"] if beat else 0, "paused": claims.paused(own),
                 "age_minutes": max(0, look.newest - look.session.start) // MINUTE,
                 "shop_systems": [shop["system"] for shop in event.get("shop_ids") or []]},
    }  # fmt: skip


def rooms_of(
    records: Sequence[Record], *, phases: Mapping[str, int] | None = None, gaps: Collection[int] = ()
) -> list[Room]:
    """The rooms of one partition's log, each with its records placed."""
    baseline = baseline_of(records)
    names = dict.fromkeys(str(record.event["room_id"]) for record in records)
    rooms = []
    for name in names:
        phase = (phases or {}).get(name, 0)
        own = [record for record in records if record.event["room_id"] == name]
        offsets = [record.offset for record in own]
        lost = tuple(offsets[i] for gap in gaps if (i := bisect_right(offsets, gap - 1)) < len(offsets))
        rooms.append(Room(name, tuple(scan(own, baseline_ms=baseline, phase_ms=phase)), phase, lost))
    return rooms


def sights(room: Room, levels: Levels, looks: Collection[int] | None) -> Iterable[tuple[int, Seen]]:
    """What every look finds, by the number of records up to it."""
    before: dict[int, Seen] = {}
    for upto, placed in enumerate(room.placed, 1):
        if placed.current is None or (looks is not None and placed.entry.offset not in looks):
            continue
        seen = see(room, upto, levels, before.get(placed.current.number))
        if seen is not None:
            yield upto, seen
            before[placed.current.number] = seen


def restarts(room: Room) -> list[Moment]:
    """The records with which the room starts again: what was open is over."""
    return [
        Moment(q.entry.offset, q.append, 0, "", False, ())
        for p, q in pairwise(room.placed)
        if p.current is not None and (q.current is None or q.current.number != p.current.number)
        and q.append - p.append > SILENCE_MS
    ]  # fmt: skip


def in_order(moments: Iterable[Moment]) -> list[Moment]:
    """The moments in the order of the log; where a room starts again, the end of what was comes first."""
    return sorted(moments, key=lambda moment: (moment.offset, moment.session))


def judge(
    events: Sequence[Record],
    policies: Sequence[Mapping[str, Any]],
    levels: Levels = quiet,
    *,
    looks: Collection[int] | None = None,
    phases: Mapping[str, int] | None = None,
    gaps: Collection[int] = (),
) -> list[Decision]:
    """Judge the rooms of one partition's log and return all that is said, in the order of the log.

    `events`: records in log order. `policies`: documents as in worker/policies. `levels`: what statistics say at a
    look. `looks`: offsets at which rules are looked at (None: at every record). `phases`: room → where its blocks
    begin, ms. `gaps`: offsets before which the operator says that records were lost.
    """
    said: list[Decision] = []
    for room in rooms_of(events, phases=phases, gaps=gaps):
        moments = restarts(room)
        for _, seen in sights(room, levels, looks):
            look, about = seen.look, seen.world.facts["room"]
            live = look.session.closed_e is None
            rules = in_force(policies, about["platform"], about["region"], look.newest) if live else []
            found: tuple[tuple[Any, Verdict], ...] = tuple((rule, verdict(rule, seen.world)) for rule in rules)
            moments.append(Moment(look.offset, look.append, look.session.number, look.session.names[0], live, found))
        said += decisions(room.room_id, in_order(moments))
    return sorted(said, key=lambda d: (d.offset, d.room_id, d.rule, d.transition != "cleared"))


def account(events: Sequence[Record]) -> dict[str, int]:
    """How many records were applied, duplicate, late, foreign, rejected."""
    counts = dict.fromkeys(("applied", "duplicate", "late", "foreign", "rejected"), 0)
    for room in rooms_of(events):
        for placed in room.placed:
            counts[placed.status] += 1
    return counts
