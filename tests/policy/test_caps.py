"""Caps: what goes through, what is parked, and how a person lets it go."""

import copy
import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.policy.build import MINUTE, T0, a_judge, a_policy, a_room, a_rule, look, only, reviewed, set_ai
from tests.support.engine import Sent, room_log
from tests.support.headers import header
from worker.audit.facts import REVIEW_BIT, Certainty
from worker.audit.room import Room
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.caps import HOUR_MS, Ledger, is_counted, park
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.policy.model import Decision
from worker.records import OutRecord
from worker.topics import VIOLATIONS_TOPIC

CAPPED = a_rule(caps="{per_hour: 4, on_exceed: park}", cooldown="1m", clear_after="1m", escalate_after="10m")
UNCAPPED = CAPPED.replace("    caps: {per_hour: 4, on_exceed: park}\n", "")
RECORDS = [
    Sent(0, offset, timestamp, key, value, ())
    for offset, (key, value, timestamp) in enumerate(room_log(5, rooms=12, steps=6_000))
]


def judged(rule: str, batches: int) -> list[OutRecord]:
    judge = Judge(load_policies({"p.yaml": a_policy(rule)}, run_tests=False))
    processor = PartitionProcessor(topic="events", partition=0, rooms=MemoryRooms(), judge=judge)
    return [
        record
        for first in range(0, len(RECORDS), batches)
        for record in processor.process(RECORDS[first : first + batches]).of(VIOLATIONS_TOPIC)
    ]


def parked_by_hand(violations: list[OutRecord], per_hour: int) -> Iterator[str]:
    """Ids that a clerk would park who reads what an uncapped rule says, line by line."""
    hour, through = 0, 0
    for record in violations:
        said = json.loads(record.value or b"")
        if said["actions"]:
            if record.caused_ms // HOUR_MS > hour:
                hour, through = record.caused_ms // HOUR_MS, 0
            if through >= per_hour:
                yield said["violation_id"]
            else:
                through += 1


def test_what_exceeds_a_cap_is_parked_in_the_order_of_the_log_and_nothing_is_dropped() -> None:
    free, capped = judged(UNCAPPED, 500), judged(CAPPED, 500)
    wanted = list(parked_by_hand(free, 4))
    parked = [r for r in capped if dict(r.headers)["ce_type"] == b"live.audit.violation.parked.v1"]
    assert [header(r, "ce_id").decode() for r in parked] == wanted
    assert len(wanted) > 10
    assert Counter(r.key for r in free) == Counter(r.key for r in capped)
    hours = {
        json.loads(r.value or b"")["decided_at_ms"] // HOUR_MS for r in capped if b'"actions":[{' in (r.value or b"")
    }
    assert len(hours) == 2, "the log crosses a full hour, and the cap opens again"
    for record in parked:
        said = json.loads(record.value or b"")
        assert said["actions"] == []
        assert {w["because"] for w in said["withheld"]} <= {"cap", "certainty", "review"}
        assert any(w["because"] == "cap" for w in said["withheld"])
        assert not said["statement"]["automated_decision"]


@pytest.mark.parametrize("size", [1, 7, 6_000])
def test_batch_sizes_do_not_change_what_is_parked(size: int) -> None:
    assert judged(CAPPED, size) == judged(CAPPED, 500)


def one_that_is_parked(judge: Judge) -> tuple[Room, Decision]:
    room = a_room()
    set_ai(room, Certainty.CONFIRMED)
    opened = only(look(judge, room))
    return room, park(room.episodes["T-ONE-01"], opened)


def review(judge: Judge, room: Room, name: str, outcome: str, minutes: float = 1) -> list[Decision]:
    reviewed(room, name, outcome)
    return look(judge, room, minutes, REVIEW_BIT)


def test_a_person_who_upholds_a_parked_one_lets_its_actions_go_once() -> None:
    judge = a_judge(CAPPED)
    room, parked = one_that_is_parked(judge)
    released = only(review(judge, room, parked.violation_id, "upheld"))
    assert (released.kind, released.supersedes) == ("escalated", parked.violation_id)
    assert [action.action for action in released.actions] == ["reduce_live_recommendation"]
    assert released.withheld == ()
    assert released.violation_id != parked.violation_id
    assert not is_counted(released), "a person's decision counts against no cap"
    assert review(judge, room, parked.violation_id, "upheld", 2) == []
    assert review(judge, room, released.violation_id, "overturned", 3)[0].kind == "withdrawn"


def test_a_parked_one_may_be_released_after_it_has_cleared() -> None:
    judge = a_judge(CAPPED)
    room, parked = one_that_is_parked(judge)
    set_ai(room, Certainty.NONE)
    assert look(judge, room, 1) == []
    assert only(look(judge, room, 3)).kind == "cleared"
    assert only(review(judge, room, parked.violation_id, "upheld", 4)).actions


def test_a_parked_one_that_is_overturned_is_withdrawn_and_comes_back_released_if_it_is_upheld_after_all() -> None:
    judge = a_judge(CAPPED)
    room, parked = one_that_is_parked(judge)
    withdrawn = only(review(judge, room, parked.violation_id, "overturned"))
    assert (withdrawn.kind, withdrawn.actions) == ("withdrawn", ())
    again = only(review(judge, room, parked.violation_id, "upheld", 2))
    assert (again.kind, [a.action for a in again.actions]) == ("escalated", ["reduce_live_recommendation"])
    assert not is_counted(again)


def test_a_finding_that_stands_again_stays_parked_until_its_parked_record_is_upheld() -> None:
    """Whoever upholds an earlier record has not looked at what the cap held back."""
    judge = a_judge(CAPPED)
    room = a_room()
    set_ai(room, Certainty.CONFIRMED)
    opened = only(look(judge, room))
    parked = park(room.episodes["T-ONE-01"], only(look(judge, room, 10)))
    assert only(review(judge, room, opened.violation_id, "overturned", 11)).kind == "withdrawn"
    again = only(review(judge, room, opened.violation_id, "upheld", 12))
    assert (again.kind, again.actions, again.withheld[-1].because) == ("parked", (), "cap")
    for name in (parked.violation_id, again.violation_id):
        held = copy.deepcopy(room)
        released = only(review(judge, held, name, "upheld", 13))
        assert released.kind == "escalated" and released.actions, "either of its records may be upheld"
        assert released.supersedes == again.violation_id


def test_shadow_decisions_and_closings_count_against_no_cap() -> None:
    judge = a_judge(CAPPED.replace("    caps", "    rollout: {mode: shadow, percent: 100}\n    caps"))
    room = a_room()
    set_ai(room, Certainty.CONFIRMED)
    assert not is_counted(only(look(judge, room)))


def test_the_hour_never_goes_back_and_an_older_decision_counts_in_the_present_one() -> None:
    judge, ledger = a_judge(CAPPED), Ledger()
    answers = []
    for number, minutes in enumerate((0, 1, 61, 2, 3, 62, 4, 121, 5)):
        room = a_room(f"wechat_channels:r{number}")
        set_ai(room, Certainty.CONFIRMED)
        decision = only(look(judge, room, minutes))
        answers.append(not ledger.let_through(decision, number, decision.decided_at_ms))
    assert T0 % HOUR_MS == 0
    assert answers == [False, False, False, False, False, False, True, False, False]
    assert ledger.reached(T0 + 62 * MINUTE) == []


def test_a_verdict_is_kept_until_its_offset_is_committed() -> None:
    judge, ledger = a_judge(CAPPED), Ledger()
    decisions = []
    for number in range(6):
        room = a_room(f"wechat_channels:r{number}")
        set_ai(room, Certainty.CONFIRMED)
        decisions.append(only(look(judge, room)))
    first = [not ledger.let_through(decision, offset, T0) for offset, decision in enumerate(decisions)]
    assert first == [False] * 4 + [True] * 2
    assert [not ledger.let_through(decision, offset, T0) for offset, decision in enumerate(decisions)] == first
    assert ledger.windows["T-ONE-01"].in_hour == 4
    assert ledger.reached(T0) == ["T-ONE-01"]
    ledger.forget_below(3)
    assert len(ledger.verdicts) == 3


def test_a_rule_that_goes_back_to_shadow_ends_its_live_episodes_and_goes_on_in_shadow() -> None:
    live = a_policy(a_rule())
    shadow = a_policy(a_rule(rollout="{mode: shadow, percent: 100}"), version=2, since_ms=T0 + 10 * MINUTE)
    judge = Judge(load_policies({"1": live, "2": shadow}))
    room = a_room()
    set_ai(room, Certainty.CONFIRMED)
    assert only(look(judge, room)).mode == "live"
    assert look(judge, room, 9) == []
    said = [(d.kind, d.mode, bool(d.actions)) for d in look(judge, room, 10)]
    assert said == [("cleared", "live", False), ("opened", "shadow", False)]


def test_a_new_version_with_a_shorter_ladder_stops_at_its_end() -> None:
    ladder = "[reduce_live_recommendation]"
    short = a_policy(a_rule(ladder=ladder), version=2, since_ms=T0 + 40 * MINUTE)
    judge = Judge(load_policies({"1": a_policy(a_rule()), "2": short}))
    room = a_room()
    set_ai(room, Certainty.POSSIBLE)
    look(judge, room)
    assert only(look(judge, room, 30)).step == 1
    set_ai(room, Certainty.CONFIRMED)
    assert [a.action for a in only(look(judge, room, 41)).actions] == ["reduce_live_recommendation"]


def test_time_spent_on_rules_is_measured_with_the_clock_that_is_given() -> None:
    ticks = iter(range(10_000))
    judge = Judge(load_policies({"p": a_policy()}), clock=lambda: float(next(ticks)), timed_one_in=2)
    for i in range(4):
        look(judge, a_room(), i)
    assert judge.rule_seconds == {"T-ONE-01": 4.0}
