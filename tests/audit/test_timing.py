"""Delays and pauses as sums: against plain lists, and the provisional quantiles against what they are said to be."""

from math import exp, log
from random import Random
from statistics import fmean, pstdev, stdev

import pytest

from worker.audit.calibration import BURSTINESS_LOW, LATENCY_SPREAD_LOW, LONG_PAUSES_LOW
from worker.audit.timing import (
    DELAYS_MAX,
    PAUSES_MAX,
    Delays,
    Pauses,
    burstiness,
    note_answer,
    note_speech,
    rises,
    spread,
)


def delays_of(ms: list[float], loads: list[int] | None = None) -> Delays:
    delays = Delays()
    for i, (delay, load) in enumerate(zip(ms, loads or [1] * len(ms), strict=True)):
        note_answer(delays, i * 1_000_000, i * 1_000_000 + int(delay), load)
    return delays


def pauses_of(ms: list[int]) -> Pauses:
    pauses, at = Pauses(), 1_000
    note_speech(pauses, at, at)
    for pause in ms:
        at += pause
        note_speech(pauses, at, at + 2_000)
        at += 2_000
    return pauses


@pytest.mark.parametrize("seed", range(5))
def test_the_spread_of_delays_is_the_standard_deviation_of_their_logarithms(seed: int) -> None:
    rng = Random(seed)
    ms = [float(rng.randint(100, 80_000)) for _ in range(rng.randint(2, DELAYS_MAX))]
    assert spread(delays_of(ms)) == pytest.approx(stdev(map(log, ms)))


def test_a_queue_makes_delays_rise_and_chance_does_so_once_in_twenty() -> None:
    rng = Random(1)
    loads = [rng.randint(1, 12) for _ in range(30)]
    assert rises(delays_of([3_000 * load**0.5 * exp(rng.gauss(0, 0.3)) for load in loads], loads))
    flat = [rises(delays_of([3_000 * exp(rng.gauss(0, 0.3)) for _ in loads], loads)) for _ in range(2_000)]
    assert 0.03 < fmean(flat) < 0.08
    assert not rises(delays_of([1_000.0, 2_000.0, 4_000.0], [3, 3, 3])), "no load to compare"


def test_a_prompt_that_is_answered_twice_counts_once_and_none_is_answered_before_it_is_asked() -> None:
    delays = Delays()
    note_answer(delays, 1_000, 3_000, 1)
    note_answer(delays, 1_000, 9_000, 1)
    note_answer(delays, 5_000, 5_000, 1)
    assert delays.count == 1


def test_old_delays_and_pauses_fade() -> None:
    delays = delays_of([1_000.0] * DELAYS_MAX + [8_000.0] * DELAYS_MAX * 3)
    assert delays.count <= DELAYS_MAX and spread(delays) < stdev([log(1_000)] * 8 + [log(8_000)] * 56)
    pauses = pauses_of([100] * PAUSES_MAX + [2_000] * PAUSES_MAX * 3)
    assert pauses.count <= PAUSES_MAX and pauses.long > 0.85 * pauses.count


@pytest.mark.parametrize("seed", range(5))
def test_burstiness_is_that_of_the_published_formula(seed: int) -> None:
    rng = Random(seed)
    ms = [int(rng.expovariate(1 / 900)) for _ in range(rng.randint(30, 200))]
    n, r = len(ms), pstdev(ms) / fmean(ms)
    wanted = ((n + 1) ** 0.5 * r - (n - 1) ** 0.5) / (((n + 1) ** 0.5 - 2) * r + (n - 1) ** 0.5)
    pauses = pauses_of(ms)
    assert burstiness(pauses) == pytest.approx(wanted)
    assert pauses.long == sum(pause > 1_000 for pause in ms)


def test_a_clock_has_burstiness_minus_one_and_silence_between_overlapping_segments_none() -> None:
    assert burstiness(pauses_of([400] * 40)) == pytest.approx(-1)
    assert burstiness(pauses_of([0] * 40)) is None


def test_an_absence_and_an_overlap_are_no_pauses() -> None:
    pauses = Pauses()
    for start, end in ((1_000, 3_000), (2_500, 4_000), (64_001, 66_000), (66_500, 67_000)):
        note_speech(pauses, start, end)
    assert (pauses.count, pauses.mean) == (1, 500)


def low(values: list[float]) -> float:
    """The 1 % quantile."""
    return sorted(values)[len(values) // 100]


def test_the_provisional_quantiles_are_those_of_the_distributions_they_name() -> None:
    rng = Random(7)

    def draw(median: float, sigma: float, n: int) -> list[float]:
        return [median * exp(rng.gauss(0, sigma)) for _ in range(n)]

    assert low([stdev(map(log, draw(8_000, 0.5, 8))) for _ in range(10_000)]) == pytest.approx(
        LATENCY_SPREAD_LOW, abs=0.01
    )
    even = [burstiness(pauses_of([int(ms) for ms in draw(500, 0.5, 30)])) or 0.0 for _ in range(4_000)]
    assert low(even) == pytest.approx(BURSTINESS_LOW, abs=0.02)
    long = [fmean(ms > 1_000 for ms in draw(500, 0.8, 30)) for _ in range(4_000)]
    assert fmean(share < LONG_PAUSES_LOW for share in long) < 0.01 < fmean(share < 2.01 / 30 for share in long)
