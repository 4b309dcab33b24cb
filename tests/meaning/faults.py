"""The faults under which an honest room's levels and rules are no higher than by right clocks, each with its name."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tests.meaning.log import HOUR, MINUTE, SECOND
from tests.meaning.rooms import Faults, Happening, random_faults

SOURCES = "GSLCFR"
"""Gateway, speech, looks, challenges, facts, and registers such as the label's."""
NAMES = {"G": "gateway", "S": "speech", "L": "looks", "C": "challenges", "F": "facts", "R": "label"}
SKEWS = (-2 * HOUR, -120 * SECOND, -90 * SECOND, -45 * SECOND, -19 * SECOND, -10 * SECOND,
         10 * SECOND, 19 * SECOND, 45 * SECOND, 90 * SECOND, 119 * SECOND, 2 * HOUR)  # fmt: skip


class Fault(NamedTuple):
    """A fault of a room's log. `kind`: what it is one of."""

    kind: str
    name: str
    of: Callable[[Sequence[Happening]], Faults]


def always(faults: Faults) -> Callable[[Sequence[Happening]], Faults]:
    return lambda _: faults


def told(ms: int) -> str:
    """A span of time for people."""
    unit, size = ("h", HOUR) if abs(ms) >= HOUR else ("s", SECOND)
    return f"{ms / size:+g} {unit}"


def skewed() -> list[Fault]:
    found = [Fault("skew", f"{NAMES[s]} {told(ms)}", always(Faults(skew={s: ms}))) for s in SOURCES for ms in SKEWS]
    for ms in (-2 * HOUR, -90 * SECOND, 90 * SECOND, 2 * HOUR):
        found.append(Fault("skew", f"all {told(ms)}", always(Faults(skew=dict.fromkeys(SOURCES, ms)))))
    for a, b, ms in (("G", "S", 15), ("S", "G", 15), ("G", "S", 60), ("L", "G", 90), ("S", "L", 90)):
        pair = {a: ms * SECOND, b: -ms * SECOND}
        found.append(Fault("skew", f"{NAMES[a]} +{ms} s, {NAMES[b]} -{ms} s", always(Faults(skew=pair))))
    return found


def drifting() -> list[Fault]:
    return [
        Fault("drift", f"{NAMES[s]} {told(ms)} a minute", always(Faults(drift={s: ms})))
        for s in "GSLFR" for ms in (-10 * SECOND, -SECOND, SECOND, 10 * SECOND)
    ]  # fmt: skip


def delayed() -> list[Fault]:
    late = (20 * SECOND, 70 * SECOND, 3 * MINUTE, 10 * MINUTE, HOUR)
    found = [Fault("delay", f"{NAMES[s]} {told(ms)}", always(Faults(delay={s: ms}))) for s in "SLCF" for ms in late]
    found += [Fault("delay", f"label {told(ms)}", always(Faults(delay={"R": ms}))) for ms in (20 * SECOND, 50 * SECOND)]
    found += [Fault("delay", f"gateway {told(ms)}", always(Faults(delay={"G": ms}))) for ms in late[:4]]
    found += [Fault("delay", f"all {told(ms)}", always(Faults(mirror=ms))) for ms in (10 * MINUTE, 5 * HOUR)]
    found += [
        Fault("random delay", f"up to {told(ms)}", always(Faults(seed=ms, jitter=ms)))
        for ms in (3 * SECOND, 12 * SECOND, 40 * SECOND, 2 * MINUTE)
    ]
    found += [
        Fault("random delay", f"{share:.0%} retried for hours", always(Faults(seed=1, retried=share)))
        for share in (0.01, 0.03, 0.2)
    ]
    return found


def disordered() -> list[Fault]:
    found = [Fault("order", f"{share:.0%} swapped", always(Faults(seed=2, swapped=share))) for share in (0.1, 0.5)]
    found += [Fault("order", f"{share:.0%} repeated", always(Faults(seed=3, repeated=share))) for share in (0.1, 0.5)]
    found.append(Fault("order", "120 redelivered", always(Faults(redelivered=(200, 120)))))
    found += [
        Fault("batches", f"{names} once in {told(ms)[1:]}", always(Faults(batched=dict.fromkeys(sources, ms))))
        for names, sources in (("gateway", "G"), ("speech", "S"), ("looks", "L"), ("all", SOURCES))
        for ms in (20 * SECOND, MINUTE, 5 * MINUTE)
    ]
    return found


def _at(happened: Sequence[Happening], share: float) -> int:
    return happened[0].at + int((happened[-1].at - happened[0].at) * share)


def _out(sources: str, minutes: int) -> Callable[[Sequence[Happening]], Faults]:
    """An outage in the midst of the room: what was held back comes at its end."""

    def of(happened: Sequence[Happening]) -> Faults:
        start = _at(happened, 0.4)
        return Faults(held=tuple((s, start, start + minutes * MINUTE) for s in sources))

    return of


def _ahead(source: str, ms: int) -> Callable[[Sequence[Happening]], Faults]:
    return lambda happened: Faults(ahead=((source, _at(happened, 0.3), ms),))


def broken() -> list[Fault]:
    found = [
        Fault("outage", f"{names} for {minutes} min", _out(sources, minutes))
        for names, sources in (("gateway", "G"), ("speech", "S"), ("looks", "L"), ("all", SOURCES))
        for minutes in (1, 3, 8)
    ]
    found += [
        Fault("one ahead", f"{NAMES[s]} {told(ms)}", _ahead(s, ms))
        for s in SOURCES for ms in (100 * SECOND, 2 * HOUR, 23 * HOUR, 365 * 24 * HOUR)
    ]  # fmt: skip
    found += [
        Fault("leader", f"{told(ms)}", always(Faults(leader=(100, 140, ms))))
        for ms in (-5 * MINUTE, 4 * MINUTE, 5 * HOUR, 7 * HOUR)
    ]
    found.append(Fault("rival", "one heartbeat from 2099", lambda h: Faults(wild=(_at(h, 0.3),))))
    return found


def mixed(seeds: range) -> list[Fault]:
    """Mixtures; without those that tell of the first records' producers, which `course` does not give."""
    found = []
    for seed in seeds:
        faults = random_faults(seed)
        if not faults.created:
            found.append(Fault("mixture", f"seed {seed}", always(faults)))
    return found


def faults(seeds: int = 20) -> Mapping[str, Fault]:
    """Every fault by name. `seeds`: so many random mixtures."""
    every = [*skewed(), *drifting(), *delayed(), *disordered(), *broken(), *mixed(range(seeds))]
    return {f"{fault.kind}: {fault.name}": fault for fault in every}
