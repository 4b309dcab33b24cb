"""Why a rule holds, in numbers, and without what it would not."""

from itertools import accumulate

from tests.policy.build import T0, a_judge, a_room, a_rule, look, only, set_ai, set_level
from worker.audit.evidence import THRESHOLDS, Level
from worker.audit.facts import AiPresenter, Certainty, Label, Recorded

POSSIBLE, CONFIRMED = Certainty.POSSIBLE, Certainty.CONFIRMED


def test_statistics_explain_themselves_and_add_up() -> None:
    judge, room = a_judge(a_rule(when='level("AI") >= LIMIT')), a_room()
    set_level(room, "AI", Level.LIMIT, dominant=1)
    decision = only(look(judge, room))
    assert (decision.family, decision.level) == ("AI", Level.LIMIT)
    assert decision.log_e == [*accumulate(e.nats for e in decision.evidence)][-1]  # one by one, from the left
    assert abs((decision.log_e or 0) - room.session.families["AI"].log_e()) < 1e-9
    assert [e.signal for e in decision.evidence] == ["start", "time", "voice", "visual"]
    assert decision.counterfactual == ("AI", "AI.visual")  # without voice it would hold all the same


def test_a_family_that_does_not_matter_is_not_named() -> None:
    when = 'ai_presenter.certainty >= POSSIBLE || level("AI") >= LIMIT'
    judge, room = a_judge(a_rule(when=when)), a_room()
    set_ai(room, CONFIRMED)
    set_level(room, "AI", Level.WATCH)
    decision = only(look(judge, room))
    assert (decision.family, decision.evidence, decision.log_e) == (None, (), None)


def test_a_record_that_would_have_saved_the_room_stands_in_the_counterfactual() -> None:
    judge, room = a_judge(a_rule(when="ai_presenter.certainty >= POSSIBLE && label.ever")), a_room()
    set_ai(room, CONFIRMED)
    room.session.facts.label = Label(ever=True)
    assert only(look(judge, room)).counterfactual == ("ai_presenter", "label")


def test_a_signal_is_needed_when_without_it_the_bar_would_not_have_been_reached() -> None:
    judge, room = a_judge(a_rule(when='level("PLAY") >= LABEL')), a_room()
    set_level(room, "PLAY", Level.LABEL)
    family = room.session.families["PLAY"]
    family.without = [[THRESHOLDS[Level.LABEL] / 2]]
    assert only(look(judge, room)).counterfactual == ("PLAY", "PLAY.locked")


def test_a_level_that_lingers_above_a_twentieth_of_its_bar_may_linger_without_a_signal_too() -> None:
    judge, room = a_judge(a_rule(when='level("PLAY") >= LABEL')), a_room()
    set_level(room, "PLAY", Level.LABEL)
    family = room.session.families["PLAY"]
    family.m, family.without = [THRESHOLDS[Level.LABEL] / 3], [[THRESHOLDS[Level.LABEL] / 10]]
    assert only(look(judge, room)).counterfactual == ("PLAY",)


def test_a_fact_that_rests_on_a_family_falls_with_it() -> None:
    when = 'ai_presenter.certainty >= POSSIBLE || level("AI") >= LIMIT || level("UNLABELLED") >= LIMIT'
    judge, room = a_judge(a_rule(when=when)), a_room()
    set_ai(room, POSSIBLE, by="detectors")
    set_level(room, "AI", Level.LIMIT, dominant=0)
    set_level(room, "UNLABELLED", Level.LIMIT, dominant=0)
    assert only(look(judge, room)).counterfactual == ("AI", "AI.voice")


def test_a_marker_that_stands_without_the_family_keeps_the_rule_up() -> None:
    when = 'ai_presenter.certainty >= POSSIBLE || level("AI") >= LIMIT'
    judge, room = a_judge(a_rule(when=when)), a_room()
    room.session.marked = AiPresenter(POSSIBLE, "declared", True, T0)
    set_ai(room, CONFIRMED, by="voice_and_visual")
    set_level(room, "AI", Level.LIMIT)
    assert only(look(judge, room)).counterfactual == ()


def test_a_recording_that_rests_on_repetition_says_so() -> None:
    judge, room = a_judge(a_rule(when='recorded.certainty >= POSSIBLE || level("PLAY") >= LIMIT')), a_room()
    room.session.facts.recorded = Recorded(CONFIRMED, "repetition_and_challenge", T0)
    set_level(room, "PLAY", Level.LIMIT)
    room.session.families["PLAY_LONG"] = room.session.families["PLAY"]
    decision = only(look(judge, room))
    assert (decision.family, decision.counterfactual) == ("PLAY", ("PLAY", "PLAY.locked"))


def test_a_family_takes_the_facts_of_its_kin_with_it() -> None:
    judge, room = a_judge(a_rule(when='ai_presenter.certainty >= POSSIBLE || level("UNLABELLED") >= LABEL')), a_room()
    set_ai(room, POSSIBLE, by="detectors")
    set_level(room, "AI", Level.LIMIT)
    set_level(room, "UNLABELLED", Level.LIMIT)
    assert only(look(judge, room)).counterfactual == ("UNLABELLED", "UNLABELLED.voice")
