"""The fact `signals`: what a rule may ask of it, and that silence of a signal never opens a rule."""

import pytest

from tests.policy.build import MINUTE, T0, a_judge, a_policy, a_room, a_rule, look, only, set_level
from worker.audit.evidence import Level
from worker.audit.facts import FACT_BIT, Certainty, Fleet
from worker.audit.room import Room
from worker.audit.ties import Ties
from worker.audit.timing import Pauses
from worker.policy.compile import CompileError, RuleError, compile_expression
from worker.policy.inputs import SIGNALS, SignalsFact, nothing_known, of_room
from worker.policy.load import load_policies
from worker.policy.model import PolicyErrors

LONG = "has(signals.unbroken) && signals.unbroken >= 4.0"


def with_signals(**values: float) -> SignalsFact:
    return SignalsFact(**values)


def even(room: Room) -> Room:
    """Sixty pauses of a clock."""
    room.session.pauses = Pauses(count=60, mean=400.0)
    return room


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_can_be_asked_for_and_is_absent_when_nothing_is_known(name: str) -> None:
    program = compile_expression(f"has(signals.{name}) && signals.{name} >= 0.5")
    assert program.facts == {"signals"}
    assert not program.holds(nothing_known(T0))
    assert program.holds(nothing_known(T0).with_facts({"signals": with_signals(**{name: 0.5})}))
    assert not program.holds(nothing_known(T0).with_facts({"signals": with_signals(**{name: 0.4})}))


def test_a_value_that_is_absent_is_no_zero() -> None:
    with pytest.raises(RuleError, match="cadence"):
        compile_expression("signals.cadence < 0.5 || has(signals.cadence)").holds(nothing_known(T0))


def test_a_policy_that_forgets_to_ask_whether_a_signal_speaks_is_refused() -> None:
    rule = a_rule(when="signals.cadence < 0.5", given="{signals: {cadence: 0.0}}")
    with pytest.raises(PolicyErrors, match=r"ask first: has\(signals.cadence\)"):
        load_policies({"p.yaml": a_policy(rule)})


@pytest.mark.parametrize(
    "text", ['level("AI") >= LIMIT && signals.latency > 0.5', "has(signals.cadence) && signals . latency > 0.5"]
)
def test_whoever_reads_a_signal_asks_for_that_one_first(text: str) -> None:
    with pytest.raises(CompileError, match=r"has\(signals.latency\)"):
        compile_expression(text)


@pytest.mark.parametrize("text", ['"latency" in signals', 'signals["latency"] > 0.5'])
def test_signals_are_named_one_by_one(text: str) -> None:
    with pytest.raises(CompileError, match=r"expected one of its fields: signals\.unanswered"):
        compile_expression(text)


def test_signals_alone_are_a_suspicion_and_never_more() -> None:
    """However many agree; with a family at LIMIT beside them, the weaker link still counts."""
    alone = a_rule(when=LONG, given="{signals: {unbroken: 5.0}}", ladder="[hide_public_traffic]", expect="[review]")
    both = a_rule(
        id="T-TWO-01", when=f'{LONG} && level("AI") >= LIMIT', given="{signals: {unbroken: 5.0}, level: {AI: LIMIT}}",
        ladder="[hide_public_traffic]", expect="[review]",
    )  # fmt: skip
    room = a_room()
    room.session.start_ms = room.max_at_ms - 5 * 60 * MINUTE
    set_level(room, "AI", Level.LIMIT)
    decisions = look(a_judge(alone, both), room)
    assert [(d.certainty, [a.action for a in d.actions]) for d in decisions] == [(Certainty.SUSPECTED, ["review"])] * 2


def test_a_signal_that_is_misspelt_does_not_compile() -> None:
    with pytest.raises(CompileError, match=r"no field 'latncy'.*did you mean 'signals\.latency'"):
        compile_expression("has(signals.latncy)")
    with pytest.raises(CompileError, match="ratios are double"):
        compile_expression("has(signals.latency) && signals.latency >= 1")


def test_a_rule_over_signals_opens_names_them_and_clears_when_they_fall_silent() -> None:
    rule = a_rule(
        when='has(signals.cadence) && signals.cadence == 1.0 && level("NONINT") >= WATCH',
        given="{signals: {cadence: 1.0}, level: {NONINT: WATCH}}",
        ladder="[notify]",
        expect="[notify]",
        clear_after="5m",
    )
    judge = a_judge(rule)
    room = even(a_room())
    assert look(judge, room) == []
    set_level(room, "NONINT", Level.WATCH)
    opened = only(look(judge, room, 5))
    assert opened.facts["signals"] == {"cadence": 1.0}
    assert "signals" in opened.counterfactual and "NONINT" in opened.counterfactual
    room.session.pauses = None
    assert look(judge, room, 10) == []
    assert only(look(judge, room, 15)).kind == "cleared"


def test_the_tests_in_a_policy_give_signals_by_name() -> None:
    load_policies({"p.yaml": a_policy(a_rule(when=LONG, given="{signals: {unbroken: 5.5}}", ladder="[notify]",
                                             expect="[notify]"))})  # fmt: skip


def test_unbroken_is_in_hours_from_four_on() -> None:
    room = a_room()
    room.session.start_ms = room.max_at_ms - 5 * 60 * MINUTE
    assert compile_expression(LONG).holds(of_room(room, T0))
    assert compile_expression("has(signals.unbroken) && signals.unbroken == 5.0").holds(of_room(room, T0))
    room.session.start_ms = room.max_at_ms - 3 * 60 * MINUTE
    assert not compile_expression("has(signals.unbroken)").holds(of_room(room, T0))


def test_a_rule_is_looked_at_when_a_match_arrives() -> None:
    rule = a_rule(when="has(signals.shared_script) && signals.shared_script == 1.0", ladder="[notify]",
                  given="{signals: {shared_script: 1.0}}", expect="[notify]")  # fmt: skip
    judge, room = a_judge(rule), a_room()
    room.session.ties = Ties(fleets=(("script:k", Fleet("script", 2)),))
    assert only(look(judge, room, bits=FACT_BIT["signals"])).kind == "opened"
    other = a_room()
    other.session.ties = Ties(fleets=(("script:k", Fleet("script", 2, True)),))
    assert look(judge, other, bits=FACT_BIT["signals"]) == []
