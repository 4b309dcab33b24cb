"""What becomes of a rule that fails."""

from tests.policy.build import a_judge, a_room, a_rule, look, only, set_ai
from worker.audit.facts import Certainty
from worker.policy.failures import RULES_MAX

BAD_WHEN = "room.viewers == 0 || 10 / (room.viewers - 20) < -1"
"""Fails at 20 viewers, holds at 15."""
BAD = a_rule("T-BAD-01", when=BAD_WHEN)


def test_a_rule_that_keeps_failing_in_a_room_is_parked_there_and_the_others_go_on() -> None:
    judge, room = a_judge(BAD, a_rule()), a_room()
    for i in range(12):
        room.session.viewers = 20
        set_ai(room, Certainty.CONFIRMED if i == 11 else Certainty.NONE)
        decided = look(judge, room)
    assert only(decided).rule.id == "T-ONE-01"
    assert judge.parked == {"T-BAD-01": 1}
    assert judge.errors == {"T-BAD-01": 10}
    room.session.viewers = 15
    assert look(judge, room) == [], "parked for the rest of the session"


def test_what_fails_in_one_room_is_judged_in_the_others_as_if_it_were_alone() -> None:
    judge, bad, good = a_judge(BAD), a_room("wechat_channels:bad"), a_room("wechat_channels:good")
    for _ in range(30):
        bad.session.viewers = 20
        look(judge, bad)
    good.session.viewers = 15
    assert only(look(judge, good)).rule.id == "T-BAD-01"


def test_a_room_remembers_the_failures_of_so_many_rules() -> None:
    judge, room = a_judge(*(a_rule(f"T-BAD-{i:02d}", when=BAD_WHEN) for i in range(RULES_MAX + 4))), a_room()
    for _ in range(3):
        room.session.viewers = 20
        look(judge, room)
        assert len(room.session.failures) == RULES_MAX


def test_a_success_between_failures_keeps_a_rule_alive() -> None:
    judge, room = a_judge(BAD), a_room()
    for i in range(30):
        room.session.viewers = 25 if i % 5 == 4 else 20
        look(judge, room)
    assert judge.parked == {}
