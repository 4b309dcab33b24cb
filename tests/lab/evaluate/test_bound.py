"""The guarantee on false alarms: kept at the edge of the null hypothesis, at rare levels too, with serial correlation.

Small runs; `stream-audit evaluate --bound --seeds 100` makes large ones.
"""

from functools import cache
from math import isclose

import pytest

from worker.audit.evidence import ACCRUE, HEAD, THRESHOLDS, Level
from worker.lab.evaluate.bound import CASES, HOURS, Case, Measured, measure

RUNS = {"PLAY at its norm, always armed": 20, "AI at its norm, AR(1)": 100, "NONINT at its norm, AR(1)": 150}
EXACT = [case for case in CASES if case.exact]


def _runs(case: Case) -> int:
    return RUNS.get(case.name, 200)


@cache
def _measured(name: str) -> list[Measured]:
    (case,) = [case for case in CASES if case.name == name]
    return list(measure(case, runs=_runs(case), seed=7))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_level_breaks_its_guarantee(case: Case) -> None:
    assert {one.level for one in _measured(case.name)} == {level.name for level in Level if level}
    assert [one for one in _measured(case.name) if one.verdict == "broken"] == []


@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.name)
def test_independent_signals_at_their_norm_keep_the_expected_mass_too(case: Case) -> None:
    """E[M] ≤ HEAD + ACCRUE·t gives P(alarm by T) ≤ (HEAD + ACCRUE·T)/c, about half of the guarantee after 12 h."""
    for one in _measured(case.name):
        if one.method == "importance sampling":
            expected = (HEAD + ACCRUE * HOURS) / THRESHOLDS[Level[one.level]] / HOURS
            assert one.per_hour - 2 * one.error <= expected


def test_importance_sampling_agrees_with_counting() -> None:
    """At WATCH, which is frequent enough to be counted."""
    case = CASES[0]
    counted, sampled = (one for one in measure(case, runs=800, seed=3) if one.level == "WATCH")
    assert (counted.method, sampled.method) == ("counted", "importance sampling")
    assert counted.per_hour > 0
    assert isclose(counted.per_hour, sampled.per_hour, abs_tol=3 * (counted.error + sampled.error))
    assert sampled.error < counted.error / 3


def test_a_signal_above_its_norm_would_be_seen_to_break_the_guarantee() -> None:
    """Hosts who fail a fifth of all challenges, judged as if one in twenty were normal."""
    from worker.lab.evaluate import bound

    class Clumsy(bound.Coin):
        def draw(self, rng, family, now_ms, guilty):  # type: ignore[no-untyped-def]
            bound.step(family, now_ms, (float(rng.random() < 0.2),), (0.05,))
            return 0.0

    clumsy = Case("clumsy", lambda: Clumsy("CHALLENGE", 300_000), 60, exact=False)
    found = {one.level: one.verdict for one in measure(clumsy, runs=60, seed=1) if one.method == "counted"}
    assert found["WATCH"] == "broken"


def test_the_command_prints_the_guarantee_and_ends_with_1_when_it_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from worker.cli import cli
    from worker.lab.evaluate import bound

    monkeypatch.setattr(bound, "CASES", [CASES[0]._replace(runs=60)])
    kept = CliRunner().invoke(cli, ["evaluate", "--bound"])
    assert (kept.exit_code, "RESTRICT" in kept.stdout, "broken" in kept.stdout) == (0, True, False)
    monkeypatch.setattr(
        bound, "measure", lambda case, *, runs, seed: [Measured("c", "counted", "WATCH", 0.5, 0.01, 0.1)]
    )
    assert CliRunner().invoke(cli, ["evaluate", "--bound"]).exit_code == 1
