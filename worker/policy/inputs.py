"""What a rule may read, at one moment of one room: facts, levels, and how long a fact has been as it is.

The environment is closed. Its names and types follow from the annotations of `audit.facts`: each field of a fact is
one typed variable, `label.visible`, so a misspelt field or a wrong type is found when a policy is compiled.
`since_ms` is not among them: time is read through `held_for` and the minutes below, so no rule needs a clock.

    idle.minutes       whole minutes that the room has been idle; 0 when it is not
    label.gap_minutes  whole minutes for which the label has been missing for certain, up to the horizon; 0 if it is not

What is unknown of the label (`audit.labelled`) has the value None, and rules try it in all ways (`Inputs.label_ways`).

The fact `signals` is one variable, a map without the signals that abstain: `has(signals.latency)` asks whether there is
a value, and a rule that reads one which is absent has no value.
"""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, get_type_hints

from msgspec import Struct

from worker.audit import breaks, history, labelled
from worker.audit.evidence import FAMILIES, Level
from worker.audit.facts import FACT_BIT, FACT_NAMES, Certainty, Facts, History, Label
from worker.audit.registers import told_until_ms
from worker.audit.room import Room
from worker.audit.signals import strata, unbroken
from worker.policy import shares

MS_PER_MINUTE = 60_000


class RoomFact(Struct, frozen=True, gc=False):
    """The fact `room`: the descriptor, as rules may read it. `viewers` is that of the last heartbeat."""

    platform: str = ""
    region: str = ""
    selling: bool = False
    viewers: int = 0
    age_minutes: int = 0
    paused: bool = False
    shop_systems: list[str] = []


class HistoryFact(Struct, frozen=True, gc=False):
    """The fact `history`: how often a person upheld a violation of each rule within half a year."""

    upheld: dict[str, int] = {}


class SignalsFact(Struct, frozen=True, gc=False):
    """The fact `signals`: the newest value of each, 0 to 1, high when unlike a live, responsive human; None when it
    abstains. `unbroken` is in hours, from four on."""

    unanswered: float | None = None
    excitation: float | None = None
    locked: float | None = None
    latency: float | None = None
    cadence: float | None = None
    shared_script: float | None = None
    concurrency: float | None = None
    fake_viewers: float | None = None
    unbroken: float | None = None


SIGNALS: tuple[str, ...] = SignalsFact.__struct_fields__

FACT_TYPES: dict[str, type[Any]] = {
    **get_type_hints(Facts), "room": RoomFact, "history": HistoryFact, "signals": SignalsFact
}  # fmt: skip
"""Struct type of each fact, by name."""

DEFAULTS: dict[str, Any] = {name: kind() for name, kind in FACT_TYPES.items()}
"""Each fact when nothing is known."""

TAKEN_AWAY: dict[str, Any] = {**DEFAULTS, "label": labelled.NO_LABEL}
"""Each fact when there is nothing: no marker, and no label."""

LABEL_KINDS = ("ai_generated", "digital_human", "virtual_host")

COMPUTED = ("room", "history", "signals")
"""Facts that are made when a rule looks."""

ACCUSING = frozenset(name for name, kind in FACT_TYPES.items() if "certainty" in kind.__struct_fields__)
"""Facts that carry a certainty. The others are records or measurements; they neither add nor take certainty."""

DATED = frozenset(name for name, kind in FACT_TYPES.items() if "since_ms" in kind.__struct_fields__)
"""Facts that `held_for` may ask about."""

TIMED_BY_EVENTS = ("idle", "frame")
"""Those of them whose `since_ms` is a time of events; of the others it is append time."""

CONSTANTS: dict[str, int] = {
    **{c.name: int(c) for c in Certainty},
    **{level.name: int(level) for level in Level},
}
"""Words for certainties and levels; NONE is the lowest of both."""

DERIVED: dict[str, tuple[str, ...]] = {"idle": ("minutes",), "label": ("gap_minutes",)}
"""Fields computed when a rule looks."""


_TIMES = ("since_ms", "at_ms")


def _fields() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, kind in FACT_TYPES.items():
        hints = get_type_hints(kind)
        read = (f for f in kind.__struct_fields__ if f not in _TIMES)
        found[name] = {f: bool if hints[f] == bool | None else hints[f] for f in read}
        found[name].update(dict.fromkeys(DERIVED.get(name, ()), int))
    found["signals"] = dict.fromkeys(SIGNALS, float)
    return found


FIELDS: dict[str, dict[str, Any]] = _fields()
"""Python type of every field that a rule may read, by fact."""

VARIABLES: dict[str, Any] = {
    **{f"{f}.{field}": kind for f, fields in FIELDS.items() if f != "signals" for field, kind in fields.items()},
    "signals": dict[str, float],
    **{f"held.{fact}": int for fact in DATED},
    **{f"level.{family}": int for family in FAMILIES},
    **dict.fromkeys(CONSTANTS, int),
}
"""Every variable of the environment and its Python type. `held.*` (ms) and `level.*` are what the functions become."""


SHARED: tuple[str, ...] = (
    *sorted(ACCUSING),
    *sorted(f"{fact}.{f}" for fact, fields in FIELDS.items() if fact not in ACCUSING for f in fields
            if fields[f] is bool),
)  # fmt: skip
"""What `share` may ask about: records that are true or false, and accusing facts, which hold from POSSIBLE up."""

Shares = Callable[[str, int], shares.Bounds]
"""(name of `SHARED`, ms) → for what part of the last so many ms it held, at least and at most."""


class Inputs:
    """The values that rules read. `with_fact` and `with_levels` give altered copies: what if it were otherwise?

    A fact that is taken away has not held before either: its shares are 0. `without_shares` takes those alone.

    Attributes:
        now_ms: append time (A), by which spans are measured.
        event_ms: the room's event time (M).
        told_ms: up to when all of its sources have told what happened; idleness is known no further.
        missing_ms: for how long the label has been missing for certain.
    """

    __slots__ = ("_cache", "_lost", "_shares", "_ways", "event_ms", "facts", "levels", "missing_ms", "now_ms",
                 "told_ms")  # fmt: skip

    def __init__(
        self,
        facts: Mapping[str, Any],
        levels: Mapping[str, int],
        now_ms: int,
        *,
        event_ms: int | None = None,
        told_ms: int | None = None,
        missing_ms: int = 0,
        shares: Shares | None = None,
        lost: frozenset[str] = frozenset(),
    ) -> None:
        self.facts = facts
        self.levels = levels
        self.now_ms = now_ms
        self.event_ms = now_ms if event_ms is None else event_ms
        self.told_ms = self.event_ms if told_ms is None else told_ms
        self.missing_ms = missing_ms
        self._shares = shares
        self._lost = lost
        self._cache: dict[str, Any] = {}
        self._ways: tuple[dict[str, Any], ...] | None = None

    def _but(self, facts: Mapping[str, Any], levels: Mapping[str, int], lost: frozenset[str]) -> "Inputs":
        times = {"event_ms": self.event_ms, "told_ms": self.told_ms, "missing_ms": self.missing_ms}
        return Inputs(facts, levels, self.now_ms, **times, shares=self._shares, lost=lost)

    def with_facts(self, facts: Mapping[str, Any]) -> "Inputs":
        """These inputs, but with other values of some facts."""
        return self._but({**self.facts, **facts}, self.levels, self._lost | facts.keys())

    def with_levels(self, levels: Mapping[str, int]) -> "Inputs":
        """These inputs, but with other levels of some families."""
        return self._but(self.facts, {**self.levels, **levels}, self._lost)

    def without_shares(self, facts: frozenset[str]) -> "Inputs":
        """These inputs, but as if some facts had never held before."""
        return self._but(self.facts, self.levels, self._lost | facts)

    @property
    def label_ways(self) -> tuple[dict[str, Any], ...]:
        """What is unknown of the label, tried in all ways, as variables; none if all is known.

        What is continuous is visible. The kind of a label that may not be there is unknown, too.
        """
        if self._ways is None:
            label = self.facts["label"]
            unknown = label.visible is None or label.continuous is None
            self._ways = _ways(label) if unknown else ()
        return self._ways

    def stands(self, name: str) -> bool | None:
        """Whether a name of `SHARED` holds now; None if that is unknown."""
        head, _, field = name.partition(".")
        fact = self.facts[head]
        if not field:
            return bool(fact.certainty >= Certainty.POSSIBLE)
        value: bool | None = getattr(fact, field)
        return value

    def share_bounds(self, name: str, window_ms: int) -> shares.Bounds:
        """For what part of the last `window_ms` a name of `SHARED` held, at least and at most."""
        if name.partition(".")[0] in self._lost:
            return 0.0, 0.0
        return self._shares(name, window_ms) if self._shares else shares.UNKNOWN

    def share(self, name: str, window_ms: int) -> float | None:
        """For what part of the last `window_ms` a name of `SHARED` held; None if that is not known exactly."""
        least, most = self.share_bounds(name, window_ms)
        return least if least == most else None

    def values(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The values of some variables; each is computed once."""
        cache = self._cache
        out = {}
        for name in names:
            if name not in cache:
                cache[name] = self._value(name)
            out[name] = cache[name]
        return out

    def _value(self, name: str) -> Any:
        if name in CONSTANTS:
            return CONSTANTS[name]
        head, _, field = name.partition(".")
        if head == "signals":
            return _present(self.facts[head])
        if head == "level":
            return self.levels.get(field, 0)
        if head == "held":
            since_ms = self.facts[field].since_ms
            until_ms = self.now_ms
            if field in TIMED_BY_EVENTS:
                until_ms = self.told_ms if field == "idle" else self.event_ms
            return until_ms - since_ms if since_ms else 0
        if (derive := _DERIVE.get(name)) is not None:
            return derive(self)
        return getattr(self.facts[head], field)


def _ways(label: Label) -> tuple[dict[str, Any], ...]:
    each = [(True, False) if known is None else (known,) for known in (label.visible, label.continuous)]
    kinds = LABEL_KINDS if label.visible is None else (label.kind,)
    return tuple(
        {"label.visible": visible, "label.continuous": continuous, "label.kind": kind}
        for visible, continuous, kind in product(*each, kinds)
        if visible or not continuous
    )


def _present(signals: SignalsFact) -> dict[str, float]:
    values = ((name, getattr(signals, name)) for name in SIGNALS)
    return {name: value for name, value in values if value is not None}


def _idle_minutes(inputs: Inputs) -> int:
    idle = inputs.facts["idle"]
    return (inputs.told_ms - idle.since_ms) // MS_PER_MINUTE if idle.certainty else 0


def _gap_minutes(inputs: Inputs) -> int:
    label, presenter = inputs.facts["label"], inputs.facts["ai_presenter"]
    return inputs.missing_ms // MS_PER_MINUTE if label.visible is False and presenter.certainty else 0


_DERIVE: dict[str, Callable[[Inputs], int]] = {"idle.minutes": _idle_minutes, "label.gap_minutes": _gap_minutes}
ALSO_READS: dict[str, str] = {"label.gap_minutes": "ai_presenter"}
"""A derived field that rests on another fact too."""


def of_room(room: Room, now_ms: int) -> Inputs:
    """What rules may read of a room at append time `now_ms`."""
    event_ms = room.max_at_ms
    facts: dict[str, Any] = {name: getattr(room.session.facts, name) for name in FACT_NAMES if name not in COMPUTED}
    facts["room"] = RoomFact(
        room.session.platform,
        room.session.region,
        room.session.selling,
        room.session.viewers,
        max(0, event_ms - room.session.began_ms) // MS_PER_MINUTE if room.session.began_ms else 0,
        breaks.is_paused(room.session),
        sorted({shop.system for shop in room.session.shop_ids}),
    )
    facts["history"] = _history(history.standing(room), event_ms)
    facts["signals"] = _signals(room)
    levels = {name: room.level(name) for name in FAMILIES}
    return Inputs(
        facts,
        levels,
        now_ms,
        event_ms=event_ms,
        told_ms=told_until_ms(room),
        missing_ms=labelled.missing_ms(room),
        shares=lambda name, window_ms: shares.of(room, name, window_ms, now_ms),
    )


def _signals(room: Room) -> SignalsFact:
    values = {**strata.betting(room), **strata.strata(room)}
    if "unbroken" in values:
        values["unbroken"] = unbroken.hours(room)
    return SignalsFact(**values)


def _history(past: History, now_ms: int) -> HistoryFact:
    if past == _NO_PAST:
        return _NOTHING_UPHELD
    rules = sorted({*past.room, *past.host})
    return HistoryFact({rule: n for rule in rules if (n := history.count(past, rule, now_ms))})


_NO_PAST, _NOTHING_UPHELD = History(), HistoryFact()


def nothing_known(now_ms: int, room: RoomFact | None = None) -> Inputs:
    """The inputs of a room of which nothing is known but, perhaps, its descriptor."""
    return Inputs({**DEFAULTS, "room": room or RoomFact()}, {}, now_ms)


def as_json(inputs: Inputs, name: str) -> dict[str, Any]:
    """A fact's value for people: certainty as a word, unmeasured ratios left out, derived minutes with it. Of the label
    null is unknown; a signal that abstains is left out."""
    fact = inputs.facts[name]
    out: dict[str, Any] = {}
    for field in fact.__struct_fields__:
        if field == "at_ms":
            continue
        value = getattr(fact, field)
        if field == "certainty":
            value = Certainty(value).name.lower()
        elif isinstance(value, dict):
            value = dict(sorted(value.items()))
        elif (value is None and name == "signals") or (field.endswith("_ratio") and value < 0):
            continue
        out[field] = value
    for field in DERIVED.get(name, ()):
        out[field] = inputs.values((f"{name}.{field}",))[f"{name}.{field}"]
    return out


def fact_mask(facts: frozenset[str]) -> int:
    """The bits of some facts in `Room.changed`."""
    mask = 0
    for name in facts:
        mask |= FACT_BIT[name]
    return mask
