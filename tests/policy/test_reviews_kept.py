"""What a room keeps so that people may decide about it, for how long, and what becomes of reviews of all else."""

from collections.abc import Callable

import pytest

from tests.policy.build import DAY, MINUTE, T0, a_judge, a_room, a_rule, closed, look, only, reviewed, set_ai
from tests.policy.test_reviews import CONFIRMED, NONE, RULE, another_session, decide, one_that_opened
from worker.audit.episode import PAST_MAX, PAST_PER_RULE
from worker.audit.facts import REVIEW_BIT
from worker.audit.history import REMEMBERED_MS
from worker.audit.room import Room
from worker.policy.judge import Judge


@pytest.mark.parametrize(("late_ms", "result"), [(-1, "applied"), (0, "unmatched"), (3 * 365 * DAY, "unmatched")])
def test_an_episode_may_be_reviewed_for_half_a_year_after_it_closed(late_ms: int, result: str) -> None:
    judge, room, opened = one_that_opened()
    closed(room)
    look(judge, room, 1)
    at_ms = T0 + MINUTE + REMEMBERED_MS + late_ms
    said = decide(judge, room, 1, opened.violation_id, "overturned", "appeal", at_ms=at_ms)
    assert [answer.result for answer in room.answers] == [result]
    assert len(said) == (result == "applied")


def test_a_review_that_matches_nothing_is_answered() -> None:
    judge, room, _ = one_that_opened()
    assert decide(judge, room, 1, "a" * 26, "upheld") == []
    (answer,) = room.answers
    assert (answer.result, answer.standing, answer.head, answer.review.violation_id) == ("unmatched", "", "", "a" * 26)


def broadcasts(judge: Judge, room: Room, number: int, then: Callable[[int, str], None]) -> list[str]:
    """So many sessions in which the rule opens; `then` may decide about each."""
    ids = []
    for n in range(number):
        another_session(room, n + 2)
        set_ai(room, CONFIRMED)
        opened = [d for d in look(judge, room, 10 * n) if d.kind == "opened"]
        ids.append(opened[0].violation_id)
        then(n, ids[-1])
    return ids


def test_of_each_rule_eight_former_episodes_are_kept_and_the_upheld_ones_before_others() -> None:
    judge, room = a_judge(a_rule()), a_room()

    def uphold_some(n: int, name: str) -> None:
        if n in (1, 4):
            decide(judge, room, 10 * n + 1, name, "upheld")

    ids = broadcasts(judge, room, 14, uphold_some)
    assert len(room.past) == PAST_PER_RULE
    room.answers.clear()
    for name in ids:
        reviewed(room, name, "overturned", "appeal")
    look(judge, room, 200, REVIEW_BIT)
    matched = [n for n, answer in enumerate(room.answers) if answer.result == "applied"]
    assert matched == [1, 4, 7, 8, 9, 10, 11, 12, 13]
    assert room.history.room == {}


def test_what_is_no_longer_kept_counts_no_longer() -> None:
    """What counts against a host can always be appealed."""
    judge, room = a_judge(a_rule()), a_room()
    broadcasts(judge, room, 20, lambda n, name: decide(judge, room, 10 * n + 1, name, "upheld"))
    kept = {episode.opened_ms for episode in (*room.past, *room.episodes.values())}
    assert len(kept) == PAST_PER_RULE + 1
    assert set(room.history.room[RULE]) <= kept


def test_the_rooms_former_episodes_are_bounded_together() -> None:
    rules = [a_rule(f"T-R{n}-01") for n in range(12)]
    judge, room = a_judge(*rules), a_room()
    for n in range(9):
        another_session(room, n + 2)
        set_ai(room, CONFIRMED)
        for opened in [d for d in look(judge, room, 10 * n) if d.kind == "opened"]:
            reviewed(room, opened.violation_id, "upheld")
        look(judge, room, 10 * n + 1, REVIEW_BIT)
    assert len(room.past) == PAST_MAX
    kept = {(episode.rule, episode.opened_ms) for episode in (*room.past, *room.episodes.values())}
    assert {(rule, at_ms) for rule, times in room.history.room.items() for at_ms in times} <= kept


def test_two_episodes_of_a_rule_never_begin_at_the_same_time() -> None:
    """When it began is part of an episode's ids."""
    judge, room, first = one_that_opened(a_rule(clear_after="0s", cooldown="0s"))
    set_ai(room, NONE)
    assert only(look(judge, room)).kind == "cleared"
    set_ai(room, CONFIRMED)
    second = only(look(judge, room))
    assert (first.kind, second.kind, first.decided_at_ms) == ("opened", "opened", second.decided_at_ms)
    assert first.violation_id != second.violation_id
