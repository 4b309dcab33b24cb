"""The circuit breaker against a naive one that remembers every record."""

import random

import pytest

from worker.ingress.breaker import Breaker


def naive_trips_at(outcomes: list[bool]) -> int | None:
    """Index of the first record after which the rule holds; True = rejected. Slow and obvious."""
    for i in range(len(outcomes)):
        seen = outcomes[: i + 1]
        if len(seen) >= 500 and all(seen[-500:]):
            return i
        if len(seen) >= 1000 and sum(seen[-1000:]) > 200:
            return i
    return None


def trips_at(outcomes: list[bool]) -> int | None:
    breaker = Breaker()
    for i, rejected in enumerate(outcomes):
        if rejected:
            breaker.note_bad()
        else:
            breaker.note_good()
        if breaker.tripped:
            return i
    return None


@pytest.mark.parametrize("seed", range(8))
def test_it_trips_at_the_very_record_that_the_naive_rule_names(seed: int) -> None:
    rng = random.Random(seed)
    outcomes: list[bool] = []
    while len(outcomes) < 2500:
        outcomes += [rng.random() < 0.7] * rng.choice([1, 2, 5, 30]) if rng.random() < 0.2 else [False] * 3
    assert trips_at(outcomes) == naive_trips_at(outcomes)


def test_five_hundred_in_a_row_trip_it_from_the_first_record_on() -> None:
    assert trips_at([True] * 499 + [False]) is None
    assert trips_at([True] * 500) == 499


def test_two_hundred_of_a_thousand_are_borne_and_one_more_is_not() -> None:
    assert trips_at([True] * 200 + [False] * 800) is None
    assert trips_at([False] * 799 + [True] * 201) == 999


def test_a_window_that_fills_with_good_records_is_judged_too() -> None:
    assert trips_at([True] * 300 + [False] * 700) == 999


def test_old_rejections_leave_the_window() -> None:
    assert trips_at(([True] * 200 + [False] * 800) * 5) is None


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_of_good_records_counts_like_single_ones(seed: int) -> None:
    rng = random.Random(seed)
    single, batched = Breaker(), Breaker()
    for _ in range(300):
        n = rng.randrange(12)
        batched.note_good(n)
        for _ in range(n):
            single.note_good()
        for _ in range(rng.randrange(4)):
            assert single.note_bad() == batched.note_bad()
        assert (single.tripped, single.why) == (batched.tripped, batched.why)


def test_it_says_why_and_stays_tripped() -> None:
    breaker = Breaker()
    for _ in range(500):
        breaker.note_bad()
    breaker.note_good(100_000)
    assert breaker.tripped
    assert breaker.why == "500 records in a row were rejected"
