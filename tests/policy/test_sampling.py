"""A share of what happens by itself is looked at by people: a stable hash of the id says which."""

import json

from tests.policy.build import a_judge, a_room, a_rule, look, only, set_ai
from worker.audit.facts import Certainty
from worker.egress.dsa import dsa_statement
from worker.egress.violation import encode_violation
from worker.policy.actions import is_sampled
from worker.policy.model import Control, Decision


def opened(number: int, rule: str) -> Decision:
    room = a_room(f"wechat_channels:r{number}")
    set_ai(room, Certainty.CONFIRMED)
    return only(look(a_judge(rule), room))


def test_one_in_a_hundred_is_drawn_and_always_the_same_ones() -> None:
    drawn = [n for n in range(20_000) if is_sampled(f"violation-{n}", 1)]
    assert 140 < len(drawn) < 260
    assert all(is_sampled(f"violation-{n}", 5) for n in drawn), "a higher percentage only adds"


def test_a_drawn_one_keeps_its_actions_and_asks_for_a_review_too() -> None:
    found = opened(1, a_rule(review_sample_percent="100"))
    assert [action.action for action in found.actions] == ["reduce_live_recommendation", "review"]
    assert found.sampled


def test_none_is_drawn_at_nought_and_what_people_decide_anyway_is_no_sample() -> None:
    assert not opened(1, a_rule(review_sample_percent="0")).sampled
    asks = a_rule(ladder="[limit_commerce]", expect="[review]", review_sample_percent="100")
    found = opened(1, asks)
    assert [action.action for action in found.actions] == ["review"]
    assert not found.sampled
    shadow = opened(1, a_rule(review_sample_percent="100", rollout="{mode: shadow}"))
    assert (shadow.actions, shadow.sampled) == ((), False)


def test_the_record_shows_it_and_the_decision_stays_an_automatic_one() -> None:
    room = a_room()
    set_ai(room, Certainty.CONFIRMED)
    decision = only(look(a_judge(a_rule(review_sample_percent="100")), room))
    where = {"topic": "t", "partition": 0, "first_offset": 0, "last_offset": 0}
    said = json.loads(encode_violation(room, decision, **where, control=Control()).value or b"")  # type: ignore[arg-type]
    assert said["review_sample"] is True
    assert said["statement"]["automated_decision"] is True
    assert dsa_statement(said)["automated_decision"] == "AUTOMATED_DECISION_FULLY"
