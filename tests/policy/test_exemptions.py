"""Exemptions: who is left alone, that it says so, and that it ends."""

import pytest

from tests.policy.build import MINUTE, T0, a_judge, a_policy, a_room, a_rule, look, only, set_ai
from worker.audit.events import Shop
from worker.audit.facts import Certainty
from worker.audit.room import Room
from worker.policy.caps import is_counted
from worker.policy.cases import NOW_MS
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.policy.model import PolicyErrors

UNTIL = T0 + 20 * MINUTE
HOST = f"[{{host: 'h:1', reason: a pilot of the platform, until_ms: {UNTIL}}}]"
EXEMPT = a_rule(exemptions=HOST, escalate_after="5m")


def in_breach(**fields: object) -> Room:
    room = a_room()
    for name, value in fields.items():
        setattr(room.session, name, value)
    set_ai(room, Certainty.CONFIRMED)
    return room


def test_an_exempt_room_gets_a_record_that_recommends_nothing_and_says_why() -> None:
    judge, room = a_judge(EXEMPT), in_breach()
    opened = only(look(judge, room))
    assert (opened.kind, opened.actions) == ("opened", ())
    assert [(w.action, w.because) for w in opened.withheld] == [("reduce_live_recommendation", "exemption")]
    assert opened.exemption is not None
    assert (opened.exemption.whom, opened.exemption.reason) == ("host", "a pilot of the platform")
    assert not is_counted(opened)
    assert look(judge, room, 15) == [], "the ladder waits"


def test_when_it_ends_the_rule_begins_at_its_first_step() -> None:
    judge, room = a_judge(EXEMPT), in_breach()
    look(judge, room)
    assert look(judge, room, 19.99) == []
    cleared, opened = look(judge, room, 20)
    assert (cleared.kind, opened.kind, opened.step) == ("cleared", "opened", 0)
    assert [action.action for action in opened.actions] == ["reduce_live_recommendation"]
    assert opened.exemption is None
    assert only(look(judge, room, 25)).step == 1


def test_an_exemption_that_a_new_version_brings_ends_what_is_open() -> None:
    texts = {"1": a_policy(a_rule()), "2": a_policy(EXEMPT, version=2, since_ms=T0 + 5 * MINUTE)}
    judge, room = Judge(load_policies(texts)), in_breach()
    assert only(look(judge, room)).actions
    cleared, opened = look(judge, room, 6)
    assert (cleared.kind, opened.kind, opened.actions) == ("cleared", "opened", ())


@pytest.mark.parametrize(
    ("entry", "fields", "exempt"),
    [
        ("room: 'wechat_channels:r1'", {}, True),
        ("room: 'wechat_channels:r2'", {}, False),
        ("host: 'h:1'", {"host_id": "h:2"}, False),
        ("operator: mcn-7", {"operator_id": "mcn-7"}, True),
        ("operator: mcn-7", {}, False),
        ("shop: s2", {"shop_ids": [Shop("wechat_shop", "s1"), Shop("channels_shop", "s2")]}, True),
        ("shop: s2", {"shop_ids": [Shop("wechat_shop", "s1")]}, False),
    ],
)
def test_a_room_is_exempt_by_itself_its_host_its_operator_or_a_shop(
    entry: str, fields: dict[str, object], exempt: bool
) -> None:
    judge = a_judge(a_rule(exemptions=f"[{{{entry}, reason: pilot, until_ms: {UNTIL}}}]"))
    assert (only(look(judge, in_breach(**fields))).actions == ()) is exempt


def test_a_policys_exemptions_hold_for_all_of_its_rules() -> None:
    head = f"exemptions: {HOST}\n"
    texts = {"p": a_policy(a_rule("T-ONE-01"), a_rule("T-TWO-02"), head=head)}
    decisions = look(Judge(load_policies(texts)), in_breach())
    assert [d.actions for d in decisions] == [(), ()]


def test_a_rule_in_shadow_says_rollout_and_not_exemption() -> None:
    shadow = only(look(a_judge(EXEMPT.replace("    tests:", "    rollout: {mode: shadow}\n    tests:")), in_breach()))
    assert [w.because for w in shadow.withheld] == ["rollout"]
    assert shadow.exemption is None


def test_a_test_in_the_file_can_say_who_is_exempt_and_until_when() -> None:
    until = NOW_MS + MINUTE
    rule = a_rule(exemptions=f"[{{host: h-9, reason: pilot, until_ms: {until}}}]")
    given = "given: {ai_presenter: {certainty: CONFIRMED}}"
    exempt = f"      - {{of: {{host: h-9}}, {given}, expect: none}}\n"
    later = f"      - {{of: {{host: h-9}}, at_ms: {until}, {given}, expect: [reduce_live_recommendation]}}\n"
    load_policies({"p": a_policy(rule + exempt + later)})
    with pytest.raises(PolicyErrors, match="test failed: expected none, got"):
        load_policies({"p": a_policy(rule + exempt.replace("h-9", "h-8"))})


def test_a_test_of_an_exemption_does_not_stand_in_for_one_of_a_quiet_room() -> None:
    rule = EXEMPT.replace("- given: {}\n", "- given: {}\n        of: {host: 'h:1'}\n")
    with pytest.raises(PolicyErrors, match="no test expects the rule to stay quiet"):
        load_policies({"p": a_policy(rule)})
