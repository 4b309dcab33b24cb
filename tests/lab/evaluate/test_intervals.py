"""Intervals against published tables, and against the definition of what they cover."""

from math import inf, log
from random import Random

import pytest

from worker.lab.evaluate.intervals import quantile, rate, share


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (3, 0.6187, 8.767), (10, 4.795, 18.390)]
)
def test_rates_have_garwoods_interval(count: int, low: float, high: float) -> None:
    found = rate(count, 2.0)
    assert found == pytest.approx((count / 2, low / 2, high / 2), abs=1e-3)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"), [(0, 10, 0.0, 0.3085), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1.0)]
)
def test_shares_have_clopper_and_pearsons_interval(hits: int, trials: int, low: float, high: float) -> None:
    assert share(hits, trials) == pytest.approx((hits / trials, low, high), abs=1e-3)


def test_a_median_lies_between_the_order_statistics_of_the_sign_test() -> None:
    assert quantile(range(1, 21), 0.5) == (10, 6, 15)
    assert quantile([3.0, 1.0, inf, 2.0], 0.5) == (2.0, 0.0, inf)


def test_medians_are_covered_at_least_as_often_as_promised() -> None:
    rng = Random(4)
    true_median = log(2)
    samples = [[rng.expovariate(1) for _ in range(15)] for _ in range(600)]
    covered = sum(low <= true_median <= high for _, low, high in (quantile(s, 0.5) for s in samples))
    assert covered / 600 > 0.94
