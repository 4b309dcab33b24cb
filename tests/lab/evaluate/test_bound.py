"""The guarantee on false alarms: kept at the edge of the null hypothesis, at rare levels too, with serial correlation.

Small runs; `stream-audit evaluate --bound --seeds 100` makes large ones.
"""

from functools import cache
from math import isclose
from pathlib import Path

import pytest

from worker.audit.evidence import ACCRUE, HEAD, THRESHOLDS, Level, step
from worker.lab.evaluate.bound import CASES, HOURS, Case, Measured, measure, pooled
from worker.lab.evaluate.document import write
from worker.lab.evaluate.summary import Measurement, summarise

RUNS = {
    "PLAY at its norm, always armed": 20,
    "AI at its norm, AR(1)": 100,
    "NONINT at its norm, AR(1)": 150,
    "PLAY, rooms differ": 100,
}
EXACT = [case for case in CASES if case.exact]


def _runs(case: Case) -> int:
    return RUNS.get(case.name, 200)


@cache
def _measured(name: str) -> list[Measured]:
    (case,) = [case for case in CASES if case.name == name]
    return list(measure(case, runs=_runs(case), seed=7))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_level_breaks_its_guarantee(case: Case) -> None:
    assert {one.level for one in _measured(case.name)} == {level.name for level in Level if level}
    assert [one for one in _measured(case.name) if one.guaranteed and one.verdict == "broken"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "limit", "restrict"),
    [
        ("AI, rooms differ", 6.8e-5, 4.7e-5),
        ("NONINT, rooms differ", 4.8e-5, 3.9e-5),
        ("PLAY, rooms differ", 1.6e-4, 1.4e-4),
    ],
)
def test_where_rooms_differ_for_good_the_sampled_rate_is_that_of_an_integral_over_rooms(
    name: str, limit: float, restrict: float
) -> None:
    """The wanted rates: alarms counted in rooms of fixed z, integrated over the density of z (trapezoids of 0.2)."""
    found = {one.level: one for one in _measured(name) if one.method == "importance sampling"}
    for level, wanted in (("LIMIT", limit), ("RESTRICT", restrict)):
        assert isclose(found[level].per_hour, wanted, abs_tol=3 * found[level].error + 0.2 * wanted)
        assert found[level].verdict in ("broken", "open")


def test_an_estimate_from_a_few_heavy_weights_keeps_nothing() -> None:
    one = Measured("c", "importance sampling", "LIMIT", 1e-6, 0.9e-6, 1e-5, 1_000)
    assert one.verdict == "open"
    assert one._replace(error=1e-7).verdict == "kept"


@pytest.mark.slow
@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.name)
def test_independent_signals_at_their_norm_keep_the_expected_mass_too(case: Case) -> None:
    """E[M] ≤ HEAD + ACCRUE·t gives P(alarm by T) ≤ (HEAD + ACCRUE·T)/c, about half of the guarantee after 12 h."""
    for one in _measured(case.name):
        if one.method == "importance sampling":
            expected = (HEAD + ACCRUE * HOURS) / THRESHOLDS[Level[one.level]] / HOURS
            assert one.per_hour - 2 * one.error <= expected


@pytest.mark.slow
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
            step(family, now_ms, (float(rng.random() < 0.2),), (0.05,))
            return 0.0

    clumsy = Case("clumsy", lambda: Clumsy("CHALLENGE", 300_000), 60, exact=False)
    found = {one.level: one.verdict for one in measure(clumsy, runs=60, seed=1) if one.method == "counted"}
    assert found["WATCH"] == "broken"


def test_samples_pool_to_what_one_large_sample_would_have_measured() -> None:
    values = [0.0, 0.2, 0.0, 0.5, 0.1, 0.0, 0.3, 0.0]
    parts = []
    for part in (values[:3], values[3:5], values[5:]):
        mean = sum(part) / len(part)
        error = (sum((v - mean) ** 2 for v in part) / (len(part) - 1) / len(part)) ** 0.5
        parts.append(Measured("c", "counted", "WATCH", mean, error, 0.01, len(part)))
    (one,) = pooled(parts)
    mean = sum(values) / 8
    assert one.runs == 8
    assert isclose(one.per_hour, mean)
    assert isclose(one.error, (sum((v - mean) ** 2 for v in values) / 7 / 8) ** 0.5)
    (none,) = pooled([Measured("c", "counted", "WATCH", 0.0, 1 / 24, 0.01, 2)] * 5)
    assert isclose(none.error, 1 / (10 * HOURS))


def test_the_command_prints_the_guarantee_and_ends_with_1_when_it_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from worker.cli import cli
    from worker.lab.evaluate import pieces

    monkeypatch.setattr(pieces, "CASES", [CASES[0]._replace(runs=60)])
    kept = CliRunner().invoke(cli, ["evaluate", "--bound", "--jobs", "1"])
    assert (kept.exit_code, "RESTRICT" in kept.stdout, "broken" in kept.stdout) == (0, True, False)
    broken = Measured("c", "counted", "WATCH", 0.5, 0.01, 0.1, 50)
    monkeypatch.setattr(pieces, "measure", lambda case, *, runs, seed: [broken])
    assert CliRunner().invoke(cli, ["evaluate", "--bound", "--jobs", "1"]).exit_code == 1


def test_the_document_names_the_families_whose_bounds_break_where_rooms_differ(tmp_path: Path) -> None:
    broken = [
        Measured("PLAY, rooms differ", "importance sampling", level, 1e-4, 1e-5, 1e-5, 1_000, guaranteed=False)
        for level in ("LIMIT", "RESTRICT")
    ]
    kept = Measured("AI, rooms differ", "importance sampling", "LIMIT", 1e-6, 1e-7, 1e-5, 1_000, guaranteed=False)
    write(tmp_path / "D.md", summarise(Measurement(bound=[*broken, kept]), synthetic=True), "evaluate --full")
    assert "come above their bounds:\n\n- PLAY: LIMIT and RESTRICT\n\nOf" in (tmp_path / "D.md").read_text()
