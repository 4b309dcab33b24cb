"""The evidence process against published test vectors and against its own definition."""

from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.audit.evidence import ACCRUE, CAP, DESIGNS, HEAD, Level, level_of, new_family, step

MIN = 60_000
HOT = (0.10,)

Values = tuple[float | None, ...]
Run = list[tuple[int, float | None, float | None]]


@pytest.mark.parametrize(
    ("family", "steps", "expected"),
    [
        (
            "CHALLENGE",
            [(3 * MIN, (1.0,), None), (2 * MIN, (1.0,), HOT), (2 * MIN, (1.0,), HOT), (2 * MIN, (0.0,), HOT),
             (2 * MIN, (1.0,), HOT)],
            [2.015903, 4.069324, 6.169384, 4.397702, 6.378417],
        ),
        ("CHALLENGE", [(3 * MIN, (0.0,), None), (60 * MIN, (0.0,), None)], [-1.848330, -1.522114]),
        (
            "AI",
            [(5 * MIN, y, None) for y in [(0.5, 0.4), (0.6, None), (None, None), (0.0, 0.1), (1.0, 0.9)]],
            [-0.168419, 0.218235, 0.251184, -0.661207, 0.471038],
        ),
        (
            "NONINT",
            [(5 * MIN, y, None) for y in [(1.0, None), (1.0, None), (0.0, 1.0)]],
            [-0.403384, -0.166776, -0.117356],
        ),
        ("PLAY", [(10_000, (y,), None) for y in (1.0, 1.0, 0.5, 0.0)], [-0.159745, 0.386235, 0.387179, -0.983451]),
    ],
)  # fmt: skip
def test_published_vectors_to_six_digits(
    family: str, steps: list[tuple[int, Values, tuple[float, ...] | None]], expected: list[float]
) -> None:
    """ln M after each step equals the reference values."""
    state, now = new_family(family, 0), 0
    assert state.log_e() == pytest.approx(-0.693147, abs=1e-6)
    for (elapsed_ms, y, norms), want in zip(steps, expected, strict=True):
        now += elapsed_ms
        step(state, now, y, norms)
        assert state.log_e() == pytest.approx(want, abs=1e-6)


values = st.one_of(st.none(), st.floats(0, 1))
runs = st.lists(st.tuples(st.integers(0, 3_600_000), values, values), min_size=1, max_size=40)


@given(runs, st.sampled_from(["AI", "NONINT"]))
def test_explanation_adds_up_to_ln_m(run: Run, name: str) -> None:
    """Start, time and every signal's nats sum to ln M within 1e-9, however the run went."""
    family, now = new_family(name, 0), 0
    for elapsed_ms, a, b in run:
        now += elapsed_ms
        step(family, now, (a, b))
        total = family.start_nats + family.time_nats + sum(family.nats)
        assert total == pytest.approx(family.log_e(), abs=1e-9)


@given(runs)
def test_counterfactual_is_the_run_in_which_that_signal_abstained(run: Run) -> None:
    """`without[k]` equals a second process that never saw signal k."""
    family, alone = new_family("AI", 0), new_family("AI", 0)
    now = 0
    for elapsed_ms, a, b in run:
        now += elapsed_ms
        step(family, now, (a, b))
        step(alone, now, (a, None))
    assert family.mass_without(1) == pytest.approx(alone.mass(), rel=1e-12)


@given(runs)
def test_mass_against_the_definition(run: Run) -> None:
    """A naive product over experts, written from the formula, gives the same mass."""
    family, design, now = new_family("NONINT", 0), DESIGNS["NONINT"], 0
    naive = [HEAD / 4] * 4
    before: list[float | None] = [None, None]
    for elapsed_ms, *ys in run:
        now += elapsed_ms
        step(family, now, tuple(ys))
        for j, bets in enumerate(design.bets):
            e = 1.0
            for k, y in enumerate(ys):
                if y is None:
                    continue
                last = before[k]
                factor = 1.0 if last is None else max(1.0, 0.92 + 0.12 * last / design.norms[k])
                mu = design.norms[k] * factor
                if mu < 1:
                    e += bets[k] * (y / mu - 1)
            naive[j] = (naive[j] + ACCRUE * elapsed_ms / 3_600_000 / 4) * e
        if sum(naive) > CAP:
            naive = [v * CAP / sum(naive) for v in naive]
        before = list(ys)
    assert family.mass() == pytest.approx(sum(naive), rel=1e-9)


def test_mass_never_exceeds_its_cap_and_still_explains_itself() -> None:
    """A host who fails for ever saturates; the explanation still adds up."""
    family = new_family("CHALLENGE", 0)
    for i in range(60):
        step(family, i * 2 * MIN, (1.0,), HOT)
    assert family.mass() == pytest.approx(CAP)
    assert family.start_nats + family.time_nats + sum(family.nats) == pytest.approx(log(CAP), abs=1e-9)


def test_a_level_is_left_only_below_a_twentieth_of_its_threshold() -> None:
    """Hysteresis, and a ceiling that no mass can pass."""
    assert level_of(1e5, Level.NONE) == Level.LIMIT
    assert level_of(1e4, Level.LIMIT) == Level.LIMIT
    assert level_of(4.9e3, Level.LIMIT) == Level.LABEL
    assert level_of(1e9, Level.NONE, Level.LABEL) == Level.LABEL
    assert level_of(exp(1), Level.NONE) == Level.NONE
