"""Rules of a session that leaves the air and comes back: cleared, then open again at the step and the time they had."""

from tests.policy.build import a_judge, a_room, a_rule, closed, look, only, reviewed, set_ai
from worker.audit.facts import REVIEW_BIT, Certainty
from worker.audit.room import Phase, Room
from worker.policy.episodes import RETURNS_MAX, ids_of


def back(room: Room) -> None:
    """The session comes back."""
    room.session.phase, room.session.off_ms, room.session.off_appended_ms = Phase.LIVE, 0, 0


def test_a_close_clears_what_is_open_and_rules_rest_until_the_session_comes_back() -> None:
    judge, room = a_judge(a_rule(cooldown="30m")), a_room()
    set_ai(room, Certainty.CONFIRMED)
    opened = only(look(judge, room, 1))
    closed(room)
    assert only(look(judge, room, 2)).kind == "cleared"
    assert look(judge, room, 3) == []
    back(room)
    again = only(look(judge, room, 4))
    assert (again.kind, again.step, again.certainty) == ("opened", opened.step, opened.certainty)


def test_a_rule_goes_on_at_its_step_and_with_the_time_on_it_that_it_had() -> None:
    judge, room = a_judge(a_rule(escalate_after="10m")), a_room()
    set_ai(room, Certainty.CONFIRMED)
    look(judge, room, 0)
    assert only(look(judge, room, 10)).step == 1
    look(judge, room, 14)
    closed(room)
    look(judge, room, 16)  # six minutes on step 1
    back(room)
    assert only(look(judge, room, 20)).step == 1
    assert look(judge, room, 23) == []
    assert only(look(judge, room, 24)).step == 2


def test_a_rule_that_does_not_hold_when_the_session_is_back_is_cleared_from_then_on() -> None:
    judge, room = a_judge(a_rule(cooldown="20m")), a_room()
    set_ai(room, Certainty.CONFIRMED)
    look(judge, room, 1)
    closed(room)
    look(judge, room, 2)
    back(room)
    set_ai(room, Certainty.NONE)
    assert look(judge, room, 5) == []
    set_ai(room, Certainty.CONFIRMED)
    assert look(judge, room, 24) == []
    assert only(look(judge, room, 25)).step == 0


def test_what_was_opened_in_another_session_of_the_same_id_does_not_go_on() -> None:
    judge, room = a_judge(a_rule(escalate_after="10m")), a_room()
    set_ai(room, Certainty.CONFIRMED)
    look(judge, room, 0)
    look(judge, room, 10)
    closed(room)
    look(judge, room, 11)
    back(room)
    room.session.number += 1
    assert only(look(judge, room, 30)).step == 0


def test_no_record_of_a_rule_that_comes_and_goes_has_the_id_of_another() -> None:
    judge, room = a_judge(a_rule()), a_room()
    set_ai(room, Certainty.CONFIRMED)
    said = look(judge, room, 1)
    for i in range(RETURNS_MAX + 10):
        closed(room)
        said += look(judge, room, 2 + 2 * i)
        back(room)
        said += look(judge, room, 3 + 2 * i)
    ids = [decision.violation_id for decision in said]
    assert len(said) == 2 * (RETURNS_MAX + 10) + 1 and len(set(ids)) == len(ids)
    episode = room.episodes["T-ONE-01"]
    known = set(ids_of(episode, room.room_id))
    assert set(ids[-2 * episode.returns :]) <= known and episode.returns <= RETURNS_MAX


def test_people_may_decide_about_what_was_opened_in_a_session_that_is_set_aside() -> None:
    judge, room = a_judge(a_rule()), a_room()
    set_ai(room, Certainty.CONFIRMED)
    opened = only(look(judge, room, 1))
    aside, rival = room.session, a_room(session_id="s2").session
    aside.episodes, room.episodes = list(room.episodes.values()), {}
    rival.number, room.session, room.aside = 2, rival, [aside]
    reviewed(room, opened.violation_id, "overturned", "appeal")
    assert [decision.kind for decision in look(judge, room, 2, REVIEW_BIT)] == ["withdrawn"]
    assert aside.episodes[0].state == "withdrawn"
