"""What a challenge bets on, and what it does not."""

from itertools import permutations
from typing import Any

import pytest

from tests.audit.build import MINUTE, SECOND, a_room, beat, beats, challenged, ev, in_time
from worker.audit import events as e
from worker.audit.room import Room


def nats(room: Room) -> float:
    """What CHALLENGE holds; 0 when nothing was ever bet."""
    family = room.session.families.get("CHALLENGE")
    return family.log_e() if family is not None else 0.0


def result(at_ms: int, outcome: str = "no_response", challenge_id: str = "c") -> Any:
    return ev(e.ChallengeResult, at_ms, outcome=outcome, challenge_id=challenge_id)


def issued(at_ms: int, challenge_id: str = "c") -> Any:
    return ev(e.ChallengeIssued, at_ms, challenge_id=challenge_id)


def of(*events: Any) -> Room:
    return a_room(in_time(beats(10 * MINUTE), events))


def test_results_of_what_nobody_issued_tell_nothing() -> None:
    room = of(*(result(MINUTE + i * SECOND) for i in range(8)))
    assert room.session.challenges == () and nats(room) == 0


@pytest.mark.parametrize("apart_ms", [1, 11 * SECOND, 3 * MINUTE])
def test_a_challenge_bets_once_whoever_judges_it_again(apart_ms: int) -> None:
    once = of(issued(MINUTE), result(2 * MINUTE))
    again = of(issued(MINUTE), *(result(2 * MINUTE + i * apart_ms) for i in range(3)))
    assert len(again.session.challenges) == 1 and nats(again) == nats(once) > 0


def test_one_found_void_or_passed_is_no_failure_afterwards() -> None:
    for outcome, known in (("void", 0), ("passed", 1)):
        room = of(issued(MINUTE), result(2 * MINUTE, outcome), result(2 * MINUTE + 20 * SECOND, "failed"))
        assert len(room.session.challenges) == known and not any(failed for _, failed in room.session.challenges)


def test_challenges_under_way_at_once_bet_each() -> None:
    room = of(issued(MINUTE, "a"), issued(MINUTE + 1, "b"), result(2 * MINUTE, "failed", "b"), result(3 * MINUTE))
    assert len(room.session.challenges) == 1
    both = of(issued(MINUTE, "a"), issued(MINUTE + 1, "b"), *(result(2 * MINUTE, "failed", name) for name in "ab"))
    assert len(both.session.challenges) == 2


@pytest.mark.parametrize(("at_ms", "bets"), [(119_999, 1), (120_000, 0), (149_999, 0), (150_000, 1)])
def test_a_result_of_a_break_is_void_by_event_time_in_whatever_order_it_arrives(at_ms: int, bets: int) -> None:
    start, end, answer = ev(e.RoomPaused, 120_000), ev(e.RoomResumed, 150_000), result(at_ms, "failed")
    orders = [order for order in permutations((start, end, answer)) if order.index(start) < order.index(end)]
    rooms = [a_room([beat(0), issued(100_000), *order, *beats(10 * MINUTE, from_ms=160_000)]) for order in orders]
    assert [len(room.session.challenges) for room in rooms] == [bets] * 3
    assert len({nats(room) for room in rooms}) == 1


def test_a_repeat_beyond_the_ring_of_ids_weighs_nothing() -> None:
    """Within lateness the open pane still holds the first."""
    flood = [ev(e.HostReply, 70_000 + i) for i in range(80)]
    pair = challenged(70_000)
    once, twice = (a_room([beat(0), *pair, *flood, *more, *beats(10 * MINUTE, from_ms=71_000)]) for more in ([], pair))
    assert nats(once) == nats(twice) > 0 and once.session.challenges == twice.session.challenges
    assert once.session.asking == twice.session.asking
