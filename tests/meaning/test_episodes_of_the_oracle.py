"""The oracle's ladders: what is said of a rule that holds, rests and comes back."""

import pytest

from tests.meaning.episodes import Moment, decisions
from tests.meaning.log import MINUTE
from tests.meaning.oracle import judge
from tests.meaning.rooms import T0, Faults, bent, truth
from tests.meaning.rules import Rule, Verdict
from tests.meaning.test_counterexamples import MARK, POLICIES, Log
from tests.meaning.test_properties import looks_of

RULE = Rule("R-1", "", "", "any", (("notify",), ("pause_live",)), 30 * MINUTE, 30 * MINUTE, 30 * MINUTE, "live")


def told(*states: tuple[int, bool, bool], certainty: int = 3) -> list[tuple[str, int, int]]:
    """(transition, step, minute) of a rule that was so: (minute, on the air, holds)."""
    moments = [
        Moment(n, minute * MINUTE, 1, "s1", live, ((RULE, Verdict(holds, certainty)),))
        for n, (minute, live, holds) in enumerate(states)
    ]
    return [(d.transition, d.step, d.append_ms // MINUTE) for d in decisions("r", moments)]


def test_a_rule_climbs_after_half_an_hour_without_a_gap() -> None:
    assert told(*((m, True, True) for m in range(0, 40, 5))) == [("opened", 0, 0), ("escalated", 1, 30)]
    gap = [(m, True, m != 20) for m in range(0, 50, 5)]
    assert told(*gap) == [("opened", 0, 0)]


def test_a_rule_is_cleared_after_half_an_hour_and_rests_as_long() -> None:
    states = [(0, True, True), *((m, True, False) for m in range(5, 36, 5)), (40, True, True), (66, True, True)]
    assert told(*states) == [("opened", 0, 0), ("cleared", 0, 35), ("opened", 0, 66)]


def test_reconnecting_sheds_no_step_and_no_time_on_it() -> None:
    states = [(m, m % 10 != 0 or m == 0, True) for m in range(40)]
    said = told(*states)
    assert [s for s in said if s[0] == "escalated"] == [("escalated", 1, 33)]
    assert [s for s in said if s[0] == "opened"] == [("opened", 0, minute) for minute in (0, 11, 21, 31)]


def test_a_rising_certainty_is_decided_again() -> None:
    moments = [
        Moment(n, n * MINUTE, 1, "s1", True, ((RULE, Verdict(True, certainty)),))
        for n, certainty in enumerate((1, 1, 3))
    ]
    assert [(d.transition, d.actions) for d in decisions("r", moments)] == [
        ("opened", ("notify",)),
        ("escalated", ("notify",)),
    ]


@pytest.mark.parametrize("mirror", [0, 10 * MINUTE])
def test_a_mirror_delays_what_is_said_by_no_more_than_itself(mirror: int) -> None:
    records = bent(truth("unlabelled", 5, minutes=12), Faults(mirror=mirror))
    opened = [d for d in judge(records, POLICIES, looks=looks_of(records)) if d.rule == "CN-LABEL-01"]
    assert opened[0].append_ms - T0 - mirror < 220_000


@pytest.mark.parametrize(("silent_for", "said_within"), [(4, 7), (20, 12)])
def test_a_silent_gateway_delays_unlabelled_by_ten_minutes_at_most(silent_for: int, said_within: int) -> None:
    log = Log("douyin").beat(0).beat(15_000).beats(30, start=silent_for * MINUTE)
    for at in range(30_000, 30 * MINUTE, MINUTE):
        log.put(at, at, MARK)
    opened = [d for d in log.said() if d.rule == "CN-LABEL-01"]
    assert 2 * MINUTE < opened[0].append_ms - T0 < said_within * MINUTE + 90_000
