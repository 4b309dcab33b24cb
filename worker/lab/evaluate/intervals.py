"""Exact confidence intervals for counts, shares and quantiles. Nothing here assumes a normal distribution.

Poisson: Garwood 1936. Share: Clopper and Pearson 1934. Quantile: order statistics (David and Nagaraja, 2003, §7.1).
All are two-sided and cover at least `CONFIDENCE`.
"""

from collections.abc import Callable, Sequence
from math import ceil, exp, inf, lgamma, log, log1p
from typing import NamedTuple

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
_HALVINGS = 60


class Interval(NamedTuple):
    """An estimate with its lower and upper bound."""

    value: float
    low: float
    high: float


def rate(count: int, exposure: float) -> Interval:
    """Events per unit of `exposure` (above 0), from their count."""
    most = count + 10 * (count + 1) ** 0.5 + 10
    low = 0.0 if count == 0 else _root(lambda mean: 1 - _poisson_below(count, mean) - TAIL, 0.0, most)
    high = _root(lambda mean: TAIL - _poisson_below(count + 1, mean), 0.0, most)
    return Interval(count / exposure, low / exposure, high / exposure)


def share(hits: int, trials: int) -> Interval:
    """A probability from `hits` among `trials` (at least 1)."""
    low = 0.0 if hits == 0 else _root(lambda p: 1 - _binomial_below(hits, trials, p) - TAIL, 0.0, 1.0)
    high = 1.0 if hits == trials else _root(lambda p: TAIL - _binomial_below(hits + 1, trials, p), 0.0, 1.0)
    return Interval(hits / trials, low, high)


def quantile(values: Sequence[float], level: float) -> Interval:
    """The `level` quantile of a sample of at least one; `inf` stands for what was not seen within the time watched."""
    ordered = sorted(values)
    count = len(ordered)
    estimate = ordered[min(count - 1, max(0, ceil(level * count) - 1))]
    below = [_binomial_below(k, count, level) for k in range(count + 2)]  # P(fewer than k lie below the quantile)
    low = max((k for k in range(1, count + 1) if below[k] <= TAIL), default=0)
    high = min((k for k in range(1, count + 1) if below[k] >= 1 - TAIL), default=count + 1)
    return Interval(estimate, ordered[low - 1] if low else 0.0, ordered[high - 1] if high <= count else inf)


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function crosses zero, by halving."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _poisson_below(count: int, mean: float) -> float:
    """P(X < count) for a Poisson X."""
    if mean <= 0:
        return 1.0 if count > 0 else 0.0
    return min(1.0, sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(count)))


def _binomial_below(count: int, trials: int, p: float) -> float:
    """P(X < count) for a binomial X."""
    if p <= 0:
        return 1.0 if count > 0 else 0.0
    if p >= 1:
        return 1.0 if count > trials else 0.0
    terms = (
        lgamma(trials + 1) - lgamma(k + 1) - lgamma(trials - k + 1) + k * log(p) + (trials - k) * log1p(-p)
        for k in range(min(count, trials + 1))
    )
    return min(1.0, sum(map(exp, terms)))
