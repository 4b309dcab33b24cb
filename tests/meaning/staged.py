"""Simulated rooms of hours, as the worker's laboratory plays them, under wrong clocks and reconnects."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tests.meaning.core import After, follow
from tests.meaning.log import MINUTE, SECOND, Record
from tests.meaning.rooms import T0, Faults, Happening, bent, reconnecting, source_of
from worker.audit.evidence import FAMILIES
from worker.lab.simulate import at_ms_of, simulate

SLOW_SPEECH = Faults(skew={"S": -90 * SECOND})
WRONG_CLOCKS: Mapping[str, Faults] = {
    "speech-90-s-slow": SLOW_SPEECH,
    "gateway-90-s-slow": Faults(skew={"G": -90 * SECOND}),
    "speech-stamped-when-recognised": Faults(skew={"S": 58 * SECOND}, delay={"S": 60 * SECOND}),
}
BUSTLE = ("viewer.liked", "viewer.joined", "viewer.left", "viewer.followed", "viewer.shared")
"""Types that fill a log and are no evidence."""


def opened(followed: Sequence[After]) -> set[str]:
    """The rules that the core opened live."""
    return {s.rule for after in followed for s in after.said if s.mode == "live" and s.transition == "opened"}


def count(followed: Sequence[After], status: str) -> int:
    return sum(after.status == status for after in followed)


def staged(archetype: str, minutes: int, seed: int = 1, *, by_voice: bool = False) -> list[Happening]:
    """A simulated room as the worker's own laboratory plays it; `by_voice`: nothing but speech answers."""
    left_out = BUSTLE + (("host.reply", "host.action") if by_voice else ())
    events = simulate(archetype, seed, duration_ms=minutes * MINUTE, started_at_ms=T0, ends=False)
    return [Happening(at_ms_of(e), source_of(e), e) for e in events if e["type"] not in left_out]


def peaks(followed: Sequence[After]) -> dict[str, int]:
    """The highest level of each family."""
    return {name: max(after.levels.get(name, 0) for after in followed) for name in FAMILIES}


def no_evidence(archetype: str, minutes: int, faults: Faults) -> None:
    """Demand that wrong clocks raise no level and open no rule above what right clocks give an honest host."""
    happened = staged(archetype, minutes, by_voice=True)
    right, wrong = (follow(bent(happened, some), values=False) for some in (Faults(), faults))
    assert opened(wrong) <= opened(right)
    assert all(level <= peaks(right)[name] for name, level in peaks(wrong).items())


def cut(archetype: str, minutes: int, every: int) -> list[Record]:
    """A simulated room that closes for 5 s in every so many seconds; 0: never.

    The platform asks no one who is off the air: a challenge of that time is issued when the room is back.
    """
    happened, gap = staged(archetype, minutes), 5 * SECOND
    if not every:
        return bent(happened, Faults())
    off = [(h, (h.at - T0) % (every * SECOND)) for h in happened]
    asked = [back(h, gap - at) if h.event["type"] == "challenge.issued" and at < gap else h for h, at in off]
    return bent(reconnecting(asked, every * SECOND, gap), Faults())


def back(happening: Happening, later: int) -> Happening:
    """The same, `later` by so many ms."""
    at = happening.at + later
    return Happening(at, happening.source, {**happening.event, "at_ms": at})


def escapes_nothing(archetype: str, every: int) -> None:
    """Demand that a guilty room which reconnects meets every rule that it meets in one stream."""
    whole, parts = (opened(follow(cut(archetype, 90, n), values=False)) for n in (0, every))
    assert whole <= parts


def suffers_nothing(archetype: str, every: int) -> None:
    """Demand that an honest room which reconnects meets no rule that it does not meet in one stream."""
    whole, parts = (follow(cut(archetype, 120, n), values=False) for n in (0, every))
    assert opened(parts) <= opened(whole)
    assert all(level <= peaks(whole)[name] for name, level in peaks(parts).items())


STAGED: Mapping[str, Callable[[], None]] = {
    **{f"e5-{archetype}-{name}": partial(no_evidence, archetype, 60, faults)
       for archetype in ("responsive", "scripted_human", "avatar_driven") for name, faults in WRONG_CLOCKS.items()},
    "e9-scripted_human-8-h-speech-90-s-slow": partial(no_evidence, "scripted_human", 480, SLOW_SPEECH),
    **{f"e7-{archetype}-reconnects-every-{every}-s": partial(escapes_nothing, archetype, every)
       for archetype in ("loop", "llm_avatar", "avatar_undriven")
       for every in (61 if archetype == "loop" else 60, 240, 600)},  # loops are challenged on the minute, if on the air
    **{f"e12-{archetype}-reconnects-every-{every}-s": partial(suffers_nothing, archetype, every)
       for archetype in ("avatar_driven", "founder_avatar", "avatar_compliant", "six_avatars", "responsive")
       for every in (240, 1_200)},
}  # fmt: skip
"""Name → what must hold."""
