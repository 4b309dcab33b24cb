"""What becomes of a rule in a room as time passes, facts change and people decide."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.build import (
    MINUTE,
    T0,
    a_judge,
    a_policy,
    a_room,
    a_rule,
    closed,
    look,
    only,
    reviewed,
    set_ai,
    set_level,
    upheld,
)
from worker.audit.episode import EPISODES_MAX
from worker.audit.evidence import Level
from worker.audit.facts import FACT_BIT, REVIEW_BIT, Certainty, Label
from worker.policy.judge import Judge, mode_of
from worker.policy.load import load_policies
from worker.policy.model import Decision

NONE, SUSPECTED, POSSIBLE, CONFIRMED = Certainty


def test_a_rule_opens_once_and_says_why() -> None:
    judge, room = a_judge(a_rule()), a_room()
    set_ai(room, CONFIRMED)
    opened = only(judge.evaluate(room, T0))
    assert (opened.kind, opened.step, opened.certainty) == ("opened", 0, CONFIRMED)
    assert [a.action for a in opened.actions] == ["reduce_live_recommendation"]
    assert opened.counterfactual == ("ai_presenter",)
    assert opened.facts["ai_presenter"]["certainty"] == "confirmed"  # type: ignore[index, call-overload]
    assert (opened.window_start_ms, opened.decided_at_ms) == (T0 - 5 * MINUTE, T0)
    assert room.changed == 0
    assert look(judge, room, 5) == []


def test_nothing_is_looked_at_when_nothing_that_rules_read_has_changed() -> None:
    judge, room = a_judge(a_rule()), a_room()
    set_ai(room, CONFIRMED)
    room.changed = FACT_BIT["fleet"]
    assert judge.evaluate(room, T0) == []
    assert room.changed == 0


def test_the_ladder_is_climbed_while_the_rule_holds() -> None:
    judge, room = a_judge(a_rule(escalate_after="30m")), a_room()
    set_ai(room, CONFIRMED)
    look(judge, room)
    assert look(judge, room, 29) == []
    second = only(look(judge, room, 30))
    assert (second.kind, second.step) == ("escalated", 1)
    third = only(look(judge, room, 60))
    assert third.supersedes == second.violation_id
    assert [a.action for a in third.actions] == ["review"]  # limit_commerce needs a person
    assert [(w.action, w.because) for w in third.withheld] == [("limit_commerce", "review")]
    assert look(judge, room, 300) == []  # the ladder has an end


def test_a_gap_restarts_the_clock_of_escalation() -> None:
    judge, room = a_judge(a_rule(escalate_after="30m")), a_room()
    set_ai(room, CONFIRMED)
    look(judge, room)
    set_ai(room, NONE)
    look(judge, room, 20)
    set_ai(room, CONFIRMED)
    assert look(judge, room, 25) == []
    assert look(judge, room, 50) == []
    assert only(look(judge, room, 55)).kind == "escalated"


def test_an_episode_clears_when_the_rule_was_false_long_enough() -> None:
    judge, room = a_judge(a_rule(clear_after="30m")), a_room()
    set_ai(room, CONFIRMED)
    opened = only(look(judge, room))
    set_ai(room, NONE)
    assert look(judge, room, 10) == []
    assert look(judge, room, 39) == []
    cleared = only(look(judge, room, 40))
    assert (cleared.kind, cleared.supersedes, cleared.actions) == ("cleared", opened.violation_id, ())


def test_after_clearing_a_rule_rests_for_its_cooldown() -> None:
    judge, room = a_judge(a_rule(clear_after="10m", cooldown="20m")), a_room()
    set_ai(room, CONFIRMED)
    first = only(look(judge, room))
    set_ai(room, NONE)
    look(judge, room, 5)
    look(judge, room, 15)
    set_ai(room, CONFIRMED)
    assert look(judge, room, 34) == []
    again = only(look(judge, room, 35))
    assert again.kind == "opened"
    assert again.violation_id != first.violation_id


def test_closing_the_session_clears() -> None:
    judge, room = a_judge(a_rule()), a_room()
    set_ai(room, CONFIRMED)
    look(judge, room)
    closed(room)
    assert only(judge.evaluate(room, T0 + MINUTE)).kind == "cleared"
    assert look(judge, room, 60) == []  # nothing opens in a closed room


def test_a_new_session_clears_the_old_one_under_its_own_name() -> None:
    judge, room = a_judge(a_rule()), a_room()
    set_ai(room, CONFIRMED)
    first = only(look(judge, room))
    room.session.id, room.session.number = "s2", 2
    cleared, opened = look(judge, room, 10)
    assert (cleared.kind, cleared.session_id, cleared.supersedes) == ("cleared", "s1", first.violation_id)
    assert (opened.kind, opened.session_id) == ("opened", "s2")  # no cooldown across sessions


def test_suspicion_asks_and_only_certainty_punishes() -> None:
    rule = a_rule(when="ai_presenter.certainty >= SUSPECTED", ladder="[[interrupt_live, limit_commerce]]")
    wanted = {
        SUSPECTED: (["review"], {"interrupt_live": "certainty", "limit_commerce": "certainty"}),
        POSSIBLE: (["review"], {"interrupt_live": "certainty", "limit_commerce": "certainty"}),
        CONFIRMED: (["interrupt_live", "review"], {"limit_commerce": "review"}),
    }
    for certainty, (actions, withheld) in wanted.items():
        judge, room = a_judge(rule), a_room()
        set_ai(room, certainty)
        decision = only(look(judge, room))
        assert decision.certainty == certainty
        assert [a.action for a in decision.actions] == actions
        assert {w.action: w.because for w in decision.withheld} == withheld


def test_a_rise_in_certainty_decides_the_step_anew_and_a_fall_does_not() -> None:
    judge, room = a_judge(a_rule()), a_room()
    set_ai(room, POSSIBLE)
    first = only(look(judge, room))
    set_ai(room, CONFIRMED)
    second = only(look(judge, room, 1, bits=0))
    assert (second.kind, second.step, second.certainty) == ("escalated", 0, CONFIRMED)
    assert second.violation_id != first.violation_id
    set_ai(room, POSSIBLE)
    assert look(judge, room, 2, bits=0) == []


def test_the_weakest_link_of_a_conjunction_is_what_counts() -> None:
    when = 'ai_presenter.certainty >= POSSIBLE && level("NONINT") >= LABEL'
    judge, room = a_judge(a_rule(when=when)), a_room()
    set_ai(room, CONFIRMED)
    set_level(room, "NONINT", Level.LABEL)
    assert only(look(judge, room)).certainty == SUSPECTED


def test_the_surer_of_two_reasons_is_what_counts() -> None:
    when = 'ai_presenter.certainty >= SUSPECTED || level("AI") >= LIMIT'
    judge, room = a_judge(a_rule(when=when)), a_room()
    set_ai(room, CONFIRMED)
    set_level(room, "AI", Level.LIMIT)
    assert only(look(judge, room)).certainty == CONFIRMED


def test_statistics_of_one_family_are_never_confirmed_and_two_independent_ones_are() -> None:
    one = a_rule(when='level("AI") >= LIMIT || level("UNLABELLED") >= LIMIT')
    judge, room = a_judge(one), a_room()
    set_level(room, "AI", Level.RESTRICT)
    set_level(room, "UNLABELLED", Level.RESTRICT)
    assert only(look(judge, room)).certainty == POSSIBLE
    two = a_rule(when='level("AI") >= LIMIT && level("CHALLENGE") >= LIMIT')
    judge, room = a_judge(two), a_room()
    set_level(room, "AI", Level.LIMIT)
    set_level(room, "CHALLENGE", Level.LIMIT)
    assert only(look(judge, room)).certainty == CONFIRMED


def test_an_exemption_holds_a_rule_back() -> None:
    judge, room = a_judge(a_rule(exempt="label.continuous")), a_room()
    set_ai(room, CONFIRMED)
    room.session.facts.label = Label(True, True, True)
    assert look(judge, room) == []


def test_a_room_that_does_not_sell_is_out_of_scope() -> None:
    judge, room = a_judge(a_rule()), a_room()
    room.session.selling = False
    set_ai(room, CONFIRMED)
    assert look(judge, room) == []
    room.session.selling = True
    assert only(look(judge, room, 1, bits=FACT_BIT["room"])).kind == "opened"


def test_an_overturned_violation_is_withdrawn_and_the_rule_exempt_for_the_session() -> None:
    judge, room = a_judge(a_rule(cooldown="1m")), a_room()
    set_ai(room, CONFIRMED)
    opened = only(look(judge, room))
    reviewed(room, opened.violation_id, "overturned", "reviewer")
    withdrawn = only(look(judge, room, 5, bits=REVIEW_BIT))
    assert (withdrawn.kind, withdrawn.supersedes) == ("withdrawn", opened.violation_id)
    assert room.reviews == []
    assert look(judge, room, 200) == []
    room.session.id, room.session.number = "s2", 2
    assert only(look(judge, room, 201)).kind == "opened"


def test_an_earlier_step_may_be_reviewed_too() -> None:
    judge, room = a_judge(a_rule(escalate_after="5m")), a_room()
    set_ai(room, CONFIRMED)
    opened = only(look(judge, room))
    look(judge, room, 5)
    reviewed(room, opened.violation_id, "overturned", "appeal")
    assert only(look(judge, room, 6, bits=REVIEW_BIT)).kind == "withdrawn"


def test_an_unknown_review_is_harmless() -> None:
    judge, room = a_judge(a_rule()), a_room()
    reviewed(room, "a" * 26, "overturned")
    assert look(judge, room, bits=REVIEW_BIT) == []


def test_what_people_upheld_starts_the_next_session_further_up() -> None:
    judge, room = a_judge(a_rule()), a_room()
    set_ai(room, CONFIRMED)
    opened = only(look(judge, room))
    reviewed(room, opened.violation_id, "upheld", "reviewer")
    reviewed(room, opened.violation_id, "upheld", "appeal")
    look(judge, room, 1, bits=REVIEW_BIT)
    assert room.history.room == {"T-ONE-01": [T0]}
    room.session.id, room.session.number = "s2", 2
    _, again = look(judge, room, 10)
    assert (again.kind, again.step) == ("opened", 1)
    upheld(room, T_ONE_01=99)
    room.session.id, room.session.number = "s3", 3
    assert look(judge, room, 20)[1].step == 2  # no further than the ladder goes


def test_an_appeal_the_other_way_lifts_the_exemption() -> None:
    judge, room = a_judge(a_rule()), a_room()
    set_ai(room, CONFIRMED)
    opened = only(look(judge, room))
    reviewed(room, opened.violation_id, "overturned", "reviewer")
    look(judge, room, 1, bits=REVIEW_BIT)
    reviewed(room, opened.violation_id, "upheld", "appeal")
    restored = only(look(judge, room, 2, bits=REVIEW_BIT))
    assert (restored.kind, restored.step) == ("escalated", 0)
    assert only(look(judge, room, 32)).step == 1, "it goes on, from when it was restored"


def test_shadow_says_all_and_recommends_nothing() -> None:
    judge, room = a_judge(a_rule(rollout="{mode: shadow, percent: 100}")), a_room()
    set_ai(room, CONFIRMED)
    decision = only(look(judge, room))
    assert (decision.mode, decision.actions) == ("shadow", ())
    assert [(w.action, w.because) for w in decision.withheld] == [("reduce_live_recommendation", "rollout")]


def test_a_higher_percentage_only_adds_rooms() -> None:
    rooms = [f"wechat_channels:r{i}" for i in range(400)]
    live: set[str] = set()
    for percent in (0, 10, 50, 100):
        rule = a_rule(rollout=f"{{mode: live, percent: {percent}}}")
        compiled = load_policies({"p": a_policy(rule)}).rule("T-ONE-01", T0)
        assert compiled is not None
        now = {room for room in rooms if mode_of(compiled, room) == "live"}
        assert live <= now
        assert abs(len(now) - 4 * percent) < 40
        live = now


def test_a_version_takes_effect_at_its_event_time_in_every_room() -> None:
    old = a_policy(a_rule("T-OLD-01"), version=1)
    new = a_policy(a_rule("T-NEW-02"), version=2, since_ms=T0 + 10 * MINUTE)
    judge, room = Judge(load_policies({"1": old, "2": new})), a_room()
    set_ai(room, CONFIRMED)
    assert only(look(judge, room, 9.99)).rule.id == "T-OLD-01"
    cleared, opened = look(judge, room, 10)
    assert (cleared.kind, cleared.rule.id) == ("cleared", "T-OLD-01")
    assert (opened.kind, opened.rule.id, opened.policy.version) == ("opened", "T-NEW-02", 2)


def test_a_policy_holds_for_its_platforms_and_regions_and_for_heirs() -> None:
    parent = a_policy(a_rule("T-CN-01"), name="common_cn").replace("platforms: [wechat_channels], ", "")
    child = a_policy(a_rule("T-WX-01"), name="wx", head="inherits: [common_cn]\n")
    book = load_policies({"p": parent, "c": child})
    assert [r.id for r in book.active("wechat_channels", "CN", T0).rules] == ["T-CN-01", "T-WX-01"]
    assert book.active("wechat_channels", "US", T0).rules == ()
    assert book.active("douyin", "CN", T0).rules == ()


def test_decisions_come_in_the_order_of_policy_and_rule() -> None:
    judge, room = a_judge(a_rule("T-B-02"), a_rule("T-A-01")), a_room()
    set_ai(room, CONFIRMED)
    assert [d.rule.id for d in look(judge, room)] == ["T-A-01", "T-B-02"]


MOVES = {
    ("idle", "opened"), ("opened", "escalated"), ("opened", "cleared"), ("opened", "withdrawn"),
    ("escalated", "escalated"), ("escalated", "cleared"), ("escalated", "withdrawn"),
    ("cleared", "opened"), ("cleared", "withdrawn"), ("withdrawn", "opened"), ("withdrawn", "escalated"),
    ("escalated", "opened"),
}  # fmt: skip
BOOK = load_policies({"p": a_policy(a_rule(cooldown="20m", clear_after="20m"))})
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["none", "suspected", "possible", "confirmed", "close", "session", "overturn", "uphold", "sell"]
        ),
        st.integers(1, 45),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(STEPS)
def test_every_history_is_a_legal_path_with_one_id_each_and_repeats_itself(steps: list[tuple[str, int]]) -> None:
    first, second = history(steps), history(steps)
    assert first == second
    before = "idle"
    for decision in first:
        assert (before, decision.kind) in MOVES
        before = decision.kind
    ids = [d.violation_id for d in first]
    assert len(ids) == len(set(ids))
    for earlier, later in pairwise(first):
        assert later.supersedes == ("" if later.kind == "opened" else earlier.violation_id)


def history(steps: list[tuple[str, int]]) -> list[Decision]:
    judge, room = Judge(BOOK), a_room()
    found: list[Decision] = []
    minutes, sessions = 0, 1
    for what, wait in steps:
        minutes += wait
        if what == "close":
            closed(room)
        elif what == "session":
            sessions += 1
            room.session.id, room.session.number, room.session.phase = f"s{sessions}", sessions, 1
            room.session.off_appended_ms = 0
        elif what in ("overturn", "uphold") and found:
            outcome = {"overturn": "overturned", "uphold": "upheld"}[what]
            reviewed(room, found[-1].violation_id, outcome, id=f"r{minutes}", at_ms=T0 + minutes * MINUTE)
        elif what == "sell":
            room.session.selling = not room.session.selling
        elif what in ("none", "suspected", "possible", "confirmed"):
            set_ai(room, Certainty[what.upper()])
        found += look(judge, room, minutes)
        assert len(room.episodes) <= 1
    return found


def test_what_is_inherited_keeps_to_its_own_regions() -> None:
    parent = a_policy(a_rule("T-US-01"), name="common_us").replace(
        "platforms: [wechat_channels], regions: [CN]", "regions: [US]"
    )
    child = a_policy(a_rule("T-WX-01"), name="wx", head="inherits: [common_us]\n").replace(", regions: [CN]", "")
    book = load_policies({"p": parent, "c": child})
    assert [r.id for r in book.active("wechat_channels", "US", T0).rules] == ["T-US-01", "T-WX-01"]
    assert [r.id for r in book.active("wechat_channels", "CN", T0).rules] == ["T-WX-01"]


def test_episodes_stay_bounded_through_changes_of_policy_and_active_ones_are_kept() -> None:
    room, minute = a_room(), 0
    set_ai(room, CONFIRMED)
    for version in range(5):
        judge = a_judge(*(a_rule(f"T-V{version}-{i}") for i in range(20)))
        minute += 5
        look(judge, room, minute)
        assert len(room.episodes) <= EPISODES_MAX
        opened = [e for e in room.episodes.values() if e.state == "open"]
        assert {e.rule.split("-")[1] for e in opened} == {f"V{version}"}
        assert len(opened) == 20
