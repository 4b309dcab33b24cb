"""e-LOND: thresholds as a naive reading of the formula gives them; few of what is restricted is honest."""

from math import exp, log
from random import Random

import pytest

from worker.audit import elond
from worker.audit.elond import Platform


def naive_threshold(index: int, discoveries: int) -> float:
    """1/(α·γ_i/F·(D+1)) times T, the normalising sum taken term by term and its tail as an integral."""
    terms = 200_000
    total = sum(1 / ((i + 1) * log(i + 1) ** 2) for i in range(1, terms)) + 1 / log(terms + 0.5)
    gamma = 1 / ((index + 1) * log(index + 1) ** 2) / total
    return 12.5 / (0.05 * gamma / 4 * (discoveries + 1))


@pytest.mark.parametrize("index", [1, 2, 17, 200_000])
@pytest.mark.parametrize("discoveries", [0, 1, 999])
def test_the_mass_that_is_needed_follows_the_formula(index: int, discoveries: int) -> None:
    assert elond.mass_needed(index, discoveries) == pytest.approx(naive_threshold(index, discoveries), rel=1e-6)


def test_the_weights_add_up_to_one() -> None:
    some = 1_000_000
    tail = 1 / (elond.C * log(some + 1.5))
    assert sum(map(elond.gamma, range(1, some + 1))) + tail == pytest.approx(1, rel=1e-7)


def test_a_discovery_lowers_the_bar_for_others_and_counts_once() -> None:
    platform = Platform()
    index = [elond.begin_session(platform) for _ in range(3)]
    assert index == [1, 2, 3]
    bar = elond.mass_needed(2, 0)
    assert not elond.discover(platform, "room s", "AI", 2, bar * 0.999)
    assert elond.discover(platform, "room s", "AI", 2, bar)
    assert elond.discover(platform, "room s", "AI", 2, 0.5), "it was discovered already"
    assert platform.discoveries == 1
    assert not elond.discover(platform, "other s", "AI", 3, elond.mass_needed(3, 1) * 0.999)
    assert elond.discover(platform, "other s", "AI", 3, elond.mass_needed(3, 1))
    assert platform.discoveries == 2


def test_what_was_found_is_remembered_within_bounds() -> None:
    platform = Platform()
    for i in range(3 * elond.FOUND_MAX):
        assert elond.discover(platform, f"room {i}", "AI", 1, 1e12)
    assert len(platform.found) == elond.FOUND_MAX and platform.discoveries == 3 * elond.FOUND_MAX


@pytest.mark.slow
@pytest.mark.parametrize("share_of_machines", [0.0, 0.02])
def test_few_of_those_who_are_restricted_are_honest_however_rooms_depend(share_of_machines: float) -> None:
    """Synthetic. Honest e-values are as large as the null lets them be, and come from one shock for all rooms: with
    probability q every mass is T/q, else nothing. The mean share of false discoveries stays within 0.05."""
    rng, runs, shares = Random(5), 3_000, 0.0
    for _ in range(runs):
        platform, false = Platform(), 0
        q = exp(-rng.uniform(2, 14))
        shock = rng.random() < q
        for session in range(300):
            index = elond.begin_session(platform)
            machine = rng.random() < share_of_machines
            own = rng.random() < q
            mass = 1e11 if machine else elond.HOURS / q if (shock if session % 2 else own) else 0.0
            before = platform.discoveries
            for family in elond.FAMILIES:
                elond.discover(platform, f"{session}", family, index, mass)
            false += 0 if machine else platform.discoveries - before
        shares += false / max(1, platform.discoveries)
    assert shares / runs <= elond.ALPHA
    if share_of_machines:
        assert platform.discoveries > 0
