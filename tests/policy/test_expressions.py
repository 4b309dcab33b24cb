"""Expressions: what they read is known before they run, and they mean what they say."""

import pytest

from worker.audit.facts import AiPresenter, Certainty, Idle, Label
from worker.policy.compile import KNOWN_MAX, CompileError, RuleError, compile_expression
from worker.policy.inputs import FIELDS, VARIABLES, Inputs, nothing_known

NOW = 1_700_000_000_000
MINUTE = 60_000


def test_what_an_expression_reads_is_found_without_running_it() -> None:
    program = compile_expression(
        'ai_presenter.certainty >= POSSIBLE || level("AI") >= LIMIT && "label.visible" != room . region // frame.known'
    )
    assert program.facts == {"ai_presenter", "room"}
    assert program.families == {"AI"}


def test_time_is_read_through_held_for_and_minutes_only() -> None:
    assert compile_expression('held_for("label", duration("10m"))').facts == {"label"}
    assert compile_expression("label.gap_minutes >= 5").facts == {"label", "ai_presenter"}
    assert "since_ms" not in {field for fields in FIELDS.values() for field in fields}


@pytest.mark.parametrize(("minutes", "expected"), [(9, False), (10, True), (11, True)])
def test_held_for_is_true_from_the_duration_on(minutes: int, expected: bool) -> None:
    program = compile_expression('held_for("label", duration("10m"))')
    inputs = nothing_known(NOW).with_facts({"label": Label(since_ms=NOW - minutes * MINUTE)})
    assert program.holds(inputs) is expected


def test_a_fact_of_which_nothing_is_known_was_held_for_no_time() -> None:
    assert not compile_expression('held_for("label", duration("1ms"))').holds(nothing_known(NOW))


def test_minutes_are_whole_and_stop_when_the_fact_does() -> None:
    inputs = nothing_known(NOW).with_facts({"idle": Idle(Certainty.POSSIBLE, NOW - 15 * MINUTE - 1)})
    assert compile_expression("idle.minutes == 15").holds(inputs)
    over = inputs.with_facts({"idle": Idle(Certainty.NONE, NOW - 15 * MINUTE)})
    assert compile_expression("idle.minutes == 0").holds(over)


def test_the_gap_of_a_label_is_that_of_an_ai_presenter_without_one() -> None:
    gap = compile_expression("label.gap_minutes == 7")
    known = {"ai_presenter": AiPresenter(Certainty.CONFIRMED, "c2pa", False, NOW - 20 * MINUTE)}
    seven = Inputs(nothing_known(NOW).facts, {}, NOW, missing_ms=8 * MINUTE - 1)
    assert gap.holds(seven.with_facts({**known, "label": Label(False)}))
    assert not gap.holds(seven.with_facts({"label": Label(False)})), "no one need label what is not known to be AI"
    assert not gap.holds(seven.with_facts({**known, "label": Label(True)}))


@pytest.mark.parametrize(
    ("text", "holds", "may_hold"),
    [
        ("label.visible", False, True),
        ("!label.visible", False, True),
        ("label.continuous && !label.visible", False, False),
        ("label.visible || !label.continuous", True, True),
        ('label.kind == "digital_human"', False, True),
        ("label.ever", False, False),
    ],
)
def test_of_an_unknown_label_a_condition_holds_only_if_it_would_whatever_it_were(
    text: str, holds: bool, may_hold: bool
) -> None:
    program, inputs = compile_expression(text), nothing_known(NOW)
    assert (program.holds(inputs), program.may_hold(inputs)) == (holds, may_hold)


def test_of_a_label_that_is_visible_only_its_past_may_be_unknown() -> None:
    inputs = nothing_known(NOW).with_facts({"label": Label(True, None, True, "ai_generated")})
    assert compile_expression('label.visible && label.kind == "ai_generated"').holds(inputs)
    assert not compile_expression("label.continuous").holds(inputs)
    assert compile_expression("label.continuous").may_hold(inputs)


def test_an_expression_that_takes_too_many_steps_in_a_large_room_is_an_error_not_the_end() -> None:
    """Three loops over one shop are harmless, over sixty-four they are 262,144 steps."""
    shops = "room.shop_systems"
    program = compile_expression(f"{shops}.all(a, {shops}.all(b, {shops}.all(c, a != b + c)))")
    room = nothing_known(NOW).facts["room"]
    one, many = (
        nothing_known(NOW).with_facts({"room": type(room)(shop_systems=[f"s{i}" for i in range(n)])}) for n in (1, 64)
    )
    assert program.holds(one)
    with pytest.raises(RuleError, match="too many steps"):
        program.holds(many)


def test_a_failure_while_running_is_an_error_not_a_no() -> None:
    program = compile_expression("room.viewers == 0 || 10 / (room.viewers - 20) > 1")
    room = nothing_known(NOW).facts["room"]
    twenty = nothing_known(NOW).with_facts({"room": type(room)(viewers=20)})
    with pytest.raises(RuleError, match="divide by zero"):
        program.holds(twenty)


def test_every_variable_of_the_environment_compiles_and_has_a_value() -> None:
    inputs = nothing_known(NOW)
    for name in VARIABLES:
        head, _, rest = name.partition(".")
        text = {"held": f'held_for("{rest}", "1m") == false', "level": f'level("{rest}") == NONE'}.get(
            head, "!has(signals.locked)" if name == "signals" else f"{name} == {name}"
        )
        assert compile_expression(text).holds(inputs), name


def test_hours_are_those_of_utc() -> None:
    assert compile_expression("timestamp(7200).getHours() == 2").holds(nothing_known(NOW))
    assert compile_expression("duration('90m') . getMinutes ( ) == 90").holds(nothing_known(NOW))


@pytest.mark.parametrize("zone", ["'Asia/Shanghai'", "'+08:00'", "room.region"])
def test_no_machine_is_asked_for_its_time_zones(zone: str) -> None:
    with pytest.raises(CompileError, match="getHours reads UTC and takes no time zone"):
        compile_expression(f"timestamp(7200) . getHours ( {zone} ) == 2")


@pytest.mark.parametrize("text", ["level(room.region) > NONE", "level.AI > NONE", "held.label > 1", "share > 1"])
def test_functions_take_literals_only(text: str) -> None:
    with pytest.raises(CompileError):
        compile_expression(text)


def test_what_an_expression_remembers_is_bounded_and_true() -> None:
    program = compile_expression("room.viewers % 7 == 3 && room.age_minutes >= 0")
    room = nothing_known(NOW).facts["room"]
    for viewers in (*range(3_000), *range(50)):
        inputs = nothing_known(NOW).with_facts({"room": type(room)(viewers=viewers)})
        assert program.holds(inputs) is (viewers % 7 == 3)
        assert len(program._known or ()) <= KNOWN_MAX
