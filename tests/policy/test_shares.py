"""`share(fact, duration)`: exact, bounded, and silent while it does not know."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.build import MINUTE, T0, a_judge, a_policy, a_room, a_rule, look, only, set_ai
from worker.audit.facts import FACT_BIT, Certainty, Idle, Label
from worker.audit.room import Room
from worker.policy import shares
from worker.policy.compile import CompileError, compile_expression
from worker.policy.inputs import SHARED, nothing_known
from worker.policy.judge import Judge
from worker.policy.load import load_policies

MOSTLY_UNLABELLED = 'ai_presenter.certainty >= POSSIBLE && share("label.visible", duration("30m")) < 0.5'
GIVEN = "{ai_presenter: {certainty: CONFIRMED}, share: {label.visible: 0.4}}"


def show(judge: Judge, room: Room, visible: bool, minutes: float) -> int:
    """The label comes or goes; returns how many decisions that leads to."""
    room.session.facts.label = Label(visible, False, True, "digital_human", "host", -1.0, T0 + int(minutes * MINUTE))
    return len(look(judge, room, minutes, FACT_BIT["label"]))


def test_it_is_true_at_the_very_event_that_tells_and_unknown_before() -> None:
    judge, room = a_judge(a_rule(when=MOSTLY_UNLABELLED, given=GIVEN)), a_room()
    set_ai(room, Certainty.CONFIRMED)
    assert show(judge, room, False, 0) == 0, "half an hour is not known yet: an unlabelled minute accuses nobody"
    assert look(judge, room, 29.99) == []
    opened = only(look(judge, room, 30))
    assert (opened.kind, opened.facts["share"]) == ("opened", {"label.visible of 1800 s": 0.0})


def test_a_label_that_was_there_for_half_of_the_time_is_enough() -> None:
    judge, room = a_judge(a_rule(when=MOSTLY_UNLABELLED, given=GIVEN)), a_room()
    set_ai(room, Certainty.CONFIRMED)
    for minutes, visible in ((0, True), (10, False), (20, True), (25, False), (30, False)):
        assert show(judge, room, visible, minutes) == 0
    assert len(look(judge, room, 30.01)) == 1, "ten and five minutes of thirty: from now on it is less"


def test_an_exemption_by_share_holds_until_the_contrary_is_known() -> None:
    rule = a_rule(exempt='\'share("driven.replies", "10m") > 0.2\'')
    judge, room = a_judge(rule), a_room()
    set_ai(room, Certainty.CONFIRMED)
    assert look(judge, room, 0) == []
    assert look(judge, room, 9) == []
    assert only(look(judge, room, 10)).kind == "opened"


def test_a_share_of_an_accusing_fact_never_makes_a_decision_confirmed() -> None:
    when = 'idle.certainty >= SUSPECTED && share("idle", duration("10m")) >= 0.5'
    judge, room = a_judge(a_rule(when=when, given="{idle: {certainty: CONFIRMED}, share: {idle: 0.9}}",
                                 expect="[reduce_live_recommendation]")), a_room()  # fmt: skip
    room.session.facts.idle = Idle(Certainty.CONFIRMED, T0)
    look(judge, room, 0, FACT_BIT["idle"])
    opened = only(look(judge, room, 10))
    assert opened.certainty == Certainty.POSSIBLE
    assert "idle" in opened.counterfactual


def test_it_begins_anew_with_a_session_and_with_the_policy_that_asks() -> None:
    texts = {"1": a_policy(a_rule()), "2": a_policy(a_rule("T-TWO-02", when=MOSTLY_UNLABELLED, given=GIVEN),
                                                    version=2, since_ms=T0 + 60 * MINUTE)}  # fmt: skip
    judge, room = Judge(load_policies(texts)), a_room()
    set_ai(room, Certainty.CONFIRMED)
    room.session.facts.label = Label(False, False)
    look(judge, room, 0)
    assert room.session.marks == {}
    look(judge, room, 60)
    assert room.session.marks == {"label.visible": [(T0 + 60 * MINUTE, False)]}
    assert not any(d.rule.id == "T-TWO-02" for d in look(judge, room, 89))
    assert any(d.rule.id == "T-TWO-02" for d in look(judge, room, 90))


def test_a_fact_that_flickers_is_unknown_and_bounded() -> None:
    room = a_room()
    for n in range(1_000):
        shares.note(room, {"label.visible": n % 2 == 0}, T0 + n * 1_000)
    assert len(room.session.marks["label.visible"]) == shares.MARKS_MAX
    assert shares.of(room, "label.visible", 20 * MINUTE, T0 + 999_000) == shares.UNKNOWN
    assert shares.of(room, "label.visible", MINUTE, T0 + 999_000) == pytest.approx((0.5, 0.5), abs=0.02)


def test_time_of_which_it_is_unknown_whether_it_held_lies_between_the_bounds() -> None:
    room = a_room()
    for minute, value in enumerate((True, None, False, None)):
        shares.note(room, {"label.visible": value}, T0 + minute * MINUTE)
    assert shares.of(room, "label.visible", 4 * MINUTE, T0 + 4 * MINUTE) == (0.25, 0.75)


def test_a_label_that_was_unknown_for_a_while_counts_for_the_room_either_way() -> None:
    judge, room = a_judge(a_rule(when=MOSTLY_UNLABELLED, given=GIVEN)), a_room()
    set_ai(room, Certainty.CONFIRMED)
    for minutes, visible in ((0, True), (10, None), (20, False), (30, False)):
        room.session.facts.label = Label(visible, False, True)
        assert look(judge, room, minutes, FACT_BIT["label"]) == []
    (opened,) = look(judge, room, 35.01, FACT_BIT["label"])
    assert opened.facts["share"] == {"label.visible of 1800 s": None}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=40), st.integers(1, 300), st.integers(0, 60))
def test_it_is_what_one_finds_who_looks_every_millisecond(
    steps: list[tuple[int, bool]], window: int, after: int
) -> None:
    room, now, states = a_room(), 0, [False] * 3_000
    shares.note(room, {"x": False}, 0)
    for wait, value in steps:
        now += wait
        shares.note(room, {"x": value}, now)
        states[now:] = [value] * (3_000 - now)
    now += after
    found = shares.of(room, "x", window, now)
    if now < window:
        assert found == shares.UNKNOWN
    else:
        assert found == (sum(states[now - window : now]) / window,) * 2


def test_what_may_be_asked_about_is_a_record_that_is_true_or_false_or_an_accusing_fact() -> None:
    assert {"label.visible", "driven.replies", "frame.person_present", "room.paused", "idle"} <= set(SHARED)
    for name in SHARED:
        assert compile_expression(f'share("{name}", duration("5m")) > 0.5').shares == ((name, 300_000),)
        assert nothing_known(T0).stands(name) in (False, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('share("label.kind", "5m") > 0.5', "share cannot ask about 'label.kind', expected one of"),
        ('share("label", "5m") > 0.5', "share cannot ask about 'label'"),
        ('share("idle", "2d") > 0.5', "bad duration '2d'"),
        ('share("idle", "5m") > 1', "ratios are double: write 0.5 or 1.0"),
        ("share(room.region, '5m') > 0.5", "share needs literal arguments"),
        ("share.s0 > 0.5", "share needs literal arguments"),
        (" && ".join(f'share("idle", "{n}m") > 0.5' for n in range(1, 6)), "more than 4 different shares"),
    ],
)
def test_what_is_wrong_about_a_share_is_named(text: str, words: str) -> None:
    with pytest.raises(CompileError, match=words):
        compile_expression(text)
