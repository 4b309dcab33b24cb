"""Levels and their guards: each blocks and lets through; levels hold until a twentieth; NONINT stops at LABEL."""

import pytest

from tests.audit.build import MINUTE, SECOND, T0, a_room, beat, beats, challenged, ev, feed, in_time
from worker.audit import events as e
from worker.audit.evidence import BALANCED, DESIGNS, THRESHOLDS, Level, new_family
from worker.audit.facts import LEVEL_BIT, Certainty
from worker.audit.levels import update
from worker.audit.markers import presenter
from worker.audit.room import Room


def with_mass(room: Room, name: str, mass: float, *, balanced: float | None = None, without: float = 0.5) -> None:
    """Give a family a mass; `balanced` is what the experts that need both signals hold of it."""
    family = new_family(name, T0)
    n = len(family.m)
    family.m = [mass / n] * n
    if balanced is not None:
        share = balanced / len(BALANCED)
        family.m = [share if j in BALANCED else (mass - balanced) / (n - len(BALANCED)) for j in range(n)]
    family.without = [[without / n] * n for _ in family.without]
    level = room.session.families[name].level if name in room.session.families else 0
    family.level = level
    room.session.families[name] = family


def level(name: str, mass: float, before: int = 0, *, balanced: float | None = None, **others: float) -> Level:
    room = a_room([beat(0)])
    with_mass(room, name, mass, balanced=balanced)
    room.session.families[name].level = before
    for other, other_mass in others.items():
        with_mass(room, other, other_mass)
    update(room, name)
    return Level(room.session.families[name].level)


@pytest.mark.parametrize("name", ["AI", "UNLABELLED", "NONINT", "PLAY", "CHALLENGE"])
@pytest.mark.parametrize(("mass", "expected"), [(99.9, 0), (100.0, 1), (999.9, 1), (1000.0, 2)])
def test_watch_and_label_need_no_support(name: str, mass: float, expected: int) -> None:
    assert level(name, mass) == expected


@pytest.mark.parametrize("before", Level)
def test_nonint_never_stands_above_label(before: Level) -> None:
    assert level("NONINT", 1e12, before, PLAY=1e12, CHALLENGE=1e12) == Level.LABEL


@pytest.mark.parametrize("name", ["AI", "UNLABELLED"])
def test_ai_above_label_needs_balanced_experts_or_another_family(name: str) -> None:
    assert level(name, 1e8, balanced=9e4) == Level.LABEL
    assert level(name, 1e8, balanced=1e5) == Level.LIMIT
    assert level(name, 1e8, balanced=1e7) == Level.RESTRICT
    assert level(name, 1e8, balanced=1.0, PLAY=10.0) == Level.RESTRICT
    assert level(name, 1e8, balanced=1.0, CHALLENGE=10.0) == Level.RESTRICT
    assert level(name, 1e8, balanced=1.0, CHALLENGE=9.9, PLAY=9.9, NONINT=1e9) == Level.LABEL


def test_play_above_label_needs_the_long_allowance_and_another_family() -> None:
    assert level("PLAY", 1e9) == Level.LABEL
    assert level("PLAY", 1e9, NONINT=1e9) == Level.LABEL  # an honest replay of up to twenty minutes
    assert level("PLAY", 1e9, PLAY_LONG=1e9) == Level.LABEL  # nobody else says so
    assert level("PLAY", 1e9, PLAY_LONG=1e5, NONINT=10.0) == Level.LIMIT
    assert level("PLAY", 1e9, PLAY_LONG=1e7, CHALLENGE=10.0) == Level.RESTRICT
    assert level("PLAY", 1e9, PLAY_LONG=1e7, CHALLENGE=9.9, AI=1e9) == Level.LABEL


@pytest.mark.parametrize(
    ("failures", "expected"), [(5, Level.LABEL), (6, Level.LIMIT), (7, Level.LIMIT), (8, Level.RESTRICT)]
)
def test_challenges_above_label_need_several_failures_among_the_last_twelve(failures: int, expected: Level) -> None:
    room = a_room([beat(0)])
    with_mass(room, "CHALLENGE", 1e9)
    room.session.challenges = tuple((T0 + i, int(i < failures)) for i in range(12))
    update(room, "CHALLENGE")
    assert room.session.families["CHALLENGE"].level == expected


def test_old_failures_leave_the_last_twelve() -> None:
    outcomes = ["failed"] * 6 + ["passed"] * 12
    results = [event for i, outcome in enumerate(outcomes) for event in challenged(i * 2 * MINUTE, outcome=outcome)]
    room = a_room(in_time(beats(40 * MINUTE), results))
    assert len(room.session.challenges) == 12 and not any(failed for _, failed in room.session.challenges)


@pytest.mark.parametrize("reached", [Level.WATCH, Level.LABEL])
def test_a_level_holds_until_a_twentieth_of_its_threshold(reached: Level) -> None:
    bar = THRESHOLDS[reached] / 20
    assert level("NONINT", bar, reached) == reached
    assert level("NONINT", bar * 0.999, reached) < reached


def test_a_level_is_lost_when_its_guard_no_longer_holds() -> None:
    """Support that is gone takes LIMIT with it, whatever the mass."""
    assert level("AI", 1e8, Level.RESTRICT, balanced=1.0) == Level.LABEL


def test_a_move_is_announced_and_standing_still_is_not() -> None:
    room = a_room([beat(0)])
    with_mass(room, "AI", 150.0)
    room.changed = 0
    assert update(room, "AI") and room.changed == LEVEL_BIT
    room.changed = 0
    assert not update(room, "AI") and room.changed == 0


@pytest.mark.parametrize(
    ("ai", "without", "challenge", "certainty"),
    [
        (Level.WATCH, 0.5, Level.NONE, Certainty.NONE),
        (Level.LABEL, 0.5, Level.NONE, Certainty.SUSPECTED),
        (Level.LIMIT, 0.5, Level.NONE, Certainty.POSSIBLE),
        (Level.LIMIT, 1e5, Level.NONE, Certainty.CONFIRMED),
        (Level.LIMIT, 0.5, Level.LIMIT, Certainty.CONFIRMED),
        (Level.NONE, 0.5, Level.RESTRICT, Certainty.NONE),
    ],
)
def test_what_evidence_says_of_the_presenter(ai: Level, without: float, challenge: Level, certainty: Certainty) -> None:
    room = a_room([beat(0)])
    with_mass(room, "AI", 1e9, without=without)
    room.session.families["AI"].level = ai
    with_mass(room, "CHALLENGE", 1e9)
    room.session.families["CHALLENGE"].level = challenge
    presenter.combine(room)
    assert room.session.facts.ai_presenter.certainty == certainty


@pytest.mark.parametrize(
    ("play", "challenge", "same_source", "certainty"),
    [
        (Level.WATCH, 0, False, Certainty.NONE),
        (Level.LABEL, 0, False, Certainty.SUSPECTED),
        (Level.LIMIT, 0, False, Certainty.POSSIBLE),
        (Level.LIMIT, Level.LIMIT, False, Certainty.CONFIRMED),
        (Level.LIMIT, 0, True, Certainty.CONFIRMED),
        (Level.LABEL, 0, True, Certainty.POSSIBLE),
        (0, Level.RESTRICT, False, Certainty.NONE),
    ],
)
def test_what_evidence_says_of_a_recording(play: int, challenge: int, same_source: bool, certainty: Certainty) -> None:
    room = a_room([beat(0), ev(e.FrameMeasured, 1, same_source_audio=same_source)])
    for name, reached in (("PLAY", play), ("CHALLENGE", challenge)):
        with_mass(room, name, 1e9)
        room.session.families[name].level = reached
    presenter.combine(room)
    assert room.session.facts.recorded.certainty == certainty


def test_failed_challenges_reach_restrict_through_events_alone() -> None:
    results = [event for i in range(12) for event in challenged(i * 2 * MINUTE + 3 * SECOND)]
    room = a_room(in_time(beats(30 * MINUTE), results))
    assert room.session.families["CHALLENGE"].level == Level.RESTRICT
    assert room.evidence("CHALLENGE") is room.session.families["CHALLENGE"]


def test_rules_see_restrict_only_after_the_platform_has_tested_it() -> None:
    room = a_room([beat(0)])
    with_mass(room, "AI", 1e9)
    update(room, "AI")
    assert room.session.families["AI"].level == Level.RESTRICT
    assert room.level("AI") == room.level("UNLABELLED") == Level.LIMIT
    of_another = ev(e.RestrictionTested, 2, index=8, family="AI", allowed=True)
    feed(room, [ev(e.RestrictionTested, 1, index=7), of_another])
    assert room.level("AI") == Level.LIMIT, "the session was announced twice, and keeps its first place"
    feed(room, [ev(e.RestrictionTested, 3, index=7, family="AI", allowed=True)])
    assert room.level("AI") == room.level("UNLABELLED") == Level.RESTRICT
    room.session.families["AI"].level = Level.LABEL
    assert room.level("AI") == Level.LABEL, "leave to restrict is no evidence"


def test_every_family_that_is_judged_has_a_design() -> None:
    assert set(DESIGNS) == {"AI", "UNLABELLED", "NONINT", "PLAY", "PLAY_LONG", "CHALLENGE"}
