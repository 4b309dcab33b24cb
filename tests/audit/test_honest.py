"""Never accuse the honest: rooms that are quiet, overloaded, on break, signed, unheard or unmeasured."""

from random import Random
from typing import Any

import pytest

from tests.audit.build import HOUR, MINUTE, SECOND, a_room, ask, beats, challenged, ev, in_time, say
from tests.audit.rooms import QUESTIONS, sentence
from worker.audit import events as e
from worker.audit.facts import UNKNOWN, Certainty, Facts
from worker.audit.room import Room

LENGTH = 4 * HOUR


def every(seconds: float, make: Any) -> list[Any]:
    return [make(int(i * seconds * SECOND)) for i in range(int(LENGTH / SECOND / seconds))]


def questions(every_s: float, seed: int = 1) -> list[Any]:
    rng = Random(seed)
    return every(every_s, lambda at: ask(at, rng.choice(QUESTIONS)))


def chatter(every_s: float, seed: int = 2) -> list[Any]:
    rng = Random(seed)
    return every(every_s, lambda at: say(at, sentence(rng)))


def accusations(room: Room) -> dict[str, Any]:
    """Levels above none, and facts with a certainty."""
    found: dict[str, Any] = {name: family.level for name, family in room.session.families.items() if family.level}
    for name in Facts.__struct_fields__:
        if getattr(getattr(room.session.facts, name), "certainty", 0):
            found[name] = getattr(room.session.facts, name)
    return found


def quiet() -> list[Any]:
    return [*questions(150), *chatter(30)]


def overloaded() -> list[Any]:
    """Fifty questions a second in bursts; the host answers one in ten seconds, by voice, to whom nobody kept."""
    rng = Random(4)
    flood = [ask(at + i * 20, f"{rng.choice(QUESTIONS)}{i}") for at in range(0, HOUR, 10_000) for i in range(50)]
    return [*flood, *chatter(10)]


def paused_often() -> list[Any]:
    breaks = []
    for at in range(4 * MINUTE, LENGTH, 5 * MINUTE):
        breaks += [ev(e.RoomPaused, at), ev(e.RoomResumed, at + 2 * MINUTE)]
    return [*breaks, *questions(15), *chatter(20)]


def signed() -> list[Any]:
    """Viewers ask when they like, every 20 s on average; one in three is answered seven seconds later."""
    rng = Random(5)
    asked = sorted(rng.randrange(LENGTH) for _ in range(LENGTH // 20_000))
    replies = [ev(e.HostReply, at + 7_000, medium="sign") for at in asked[::3]]
    return [*(ask(at, rng.choice(QUESTIONS)) for at in asked), *replies]


def unheard() -> list[Any]:
    """No speech recognition at all; the shop's timer pins products and draws lotteries."""
    return [*questions(20), *every(90, lambda at: ev(e.HostAction, at, kind="pin_product"))]


def uncalibrated() -> list[Any]:
    looks: list[Any] = []
    for detector, version, stratum in (("voice-audit", "2", None), ("other", "1", None), ("voice-audit", "1", "cave")):
        looks += every(10, lambda at, d=detector, v=version, s=stratum: ev(
            e.DetectorScore, at, detector=d, version=v, stratum=s, score=1.0))  # fmt: skip
    return looks


def scripts_that_a_machine_may_have_written() -> list[Any]:
    return [
        ev(e.DetectorScore, at, detector="script-audit", modality="script", score=1.0)
        for at in range(0, LENGTH, 10_000)
    ]


def voided() -> list[Any]:
    return [event for at in range(0, LENGTH, 2 * MINUTE) for event in challenged(at, outcome="void")]


def failed_on_break() -> list[Any]:
    return [ev(e.RoomPaused, 1), *(event for at in range(0, LENGTH, 2 * MINUTE) for event in challenged(at + 2))]


def hands_only() -> list[Any]:
    """The camera shows a table: no person is ever measured, but somebody speaks."""
    return [*every(20, lambda at: ev(e.FrameMeasured, at, person_present=False)), *chatter(60)]


ROOMS = [
    quiet,
    overloaded,
    paused_often,
    signed,
    unheard,
    uncalibrated,
    scripts_that_a_machine_may_have_written,
    voided,
    failed_on_break,
    hands_only,
]


@pytest.mark.parametrize("make", ROOMS, ids=lambda make: str(make.__name__))
def test_an_honest_room_reaches_no_level_and_no_accusing_fact(make: Any) -> None:
    paused = make is failed_on_break
    log = make()
    if paused:
        rest = [ev(e.RoomHeartbeat, at, platform="douyin", paused=True) for at in range(10, LENGTH, 20_000)]
        room = a_room(in_time(beats(0), log, rest))
    elif make is paused_often:
        room = a_room(in_time(beats(0), log))
    else:
        room = a_room(in_time(beats(LENGTH), log))
    assert accusations(room) == {}


def test_a_facts_default_never_accuses() -> None:
    """Nothing known is nothing said: no certainty, no known registry, no measured ratio."""
    facts = Facts()
    for name in Facts.__struct_fields__:
        fact = getattr(facts, name)
        assert getattr(fact, "certainty", Certainty.NONE) == Certainty.NONE
        for field in fact.__struct_fields__:
            if field.endswith("_ratio"):
                assert getattr(fact, field) == UNKNOWN


def test_the_same_room_with_a_host_who_never_answers_is_seen() -> None:
    """The counter-test: heard, asked and never answering for hours does reach a level."""
    room = a_room(in_time(beats(LENGTH), questions(20), chatter(10)))
    assert room.level("NONINT") > 0
