"""`audit.numbers`: close to the truth by decimals of 50 digits, and the same bytes everywhere."""

from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from hashlib import blake2b
from itertools import pairwise
from math import inf, isnan, ldexp, nan, nextafter, ulp
from random import Random
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.audit.evidence import THRESHOLDS
from worker.audit.numbers import exp, log, power, total, whole

SMALLEST = 5e-324


def off(found: float, exact: Decimal) -> float:
    """How far a result is from the exact one, in units in the last place."""
    return float(abs(Decimal(found) - exact) / Decimal(ulp(found)))


def arguments_of_log() -> Iterator[float]:
    rng = Random(1)
    for _ in range(3_000):
        yield ldexp(rng.uniform(0.5, 1), rng.randint(-1_073, 1_024))
        yield rng.uniform(0.5, 2)
        yield 1 + rng.uniform(-1, 1) * ldexp(1.0, -rng.randint(1, 50))
        yield float(rng.randint(1, 10**12))
    yield from (SMALLEST, 2.2250738585072014e-308, nextafter(1.0, 0), nextafter(1.0, 2), nextafter(inf, 0), 2.0, 0.5)


def arguments_of_exp() -> Iterator[float]:
    rng = Random(2)
    for _ in range(3_000):
        yield rng.uniform(-745, 709.7)
        yield rng.uniform(-5, 5)
        yield rng.uniform(-1, 1) * ldexp(1.0, -rng.randint(1, 60))
        yield -rng.randint(0, 90_000) / 20_000
    yield from (-745.1332191019411, -708.4, 709.782712893384, SMALLEST, -SMALLEST, 1.0, -1.0)


def test_log_is_off_by_less_than_one_unit_in_the_last_place() -> None:
    with localcontext() as context:
        context.prec = 50
        assert max(off(log(x), Decimal(x).ln()) for x in arguments_of_log()) < 1


def test_exp_is_off_by_less_than_one_unit_in_the_last_place() -> None:
    with localcontext() as context:
        context.prec = 50
        assert max(off(exp(x), Decimal(x).exp()) for x in arguments_of_exp()) < 1


def test_what_is_exact_is_exact() -> None:
    assert log(1) == 0.0
    assert exp(0) == 1.0 and exp(-0.0) == 1.0
    assert log(inf) == exp(inf) == inf and exp(-inf) == 0.0
    assert isnan(log(nan)) and isnan(exp(nan))
    assert exp(-745.14) == exp(-1e308) == 0.0 and exp(-745.13) == SMALLEST


@pytest.mark.parametrize("x", [0.0, -0.0, -1.0, -inf])
def test_there_is_no_log_of_what_is_not_above_zero(x: float) -> None:
    with pytest.raises(ValueError, match="log of"):
        log(x)


@pytest.mark.parametrize("x", [709.79, 1e308])
def test_exp_does_not_overflow_in_silence(x: float) -> None:
    with pytest.raises(OverflowError, match="exp of"):
        exp(x)


def neighbours(x: float, count: int = 200) -> list[float]:
    """`x` among as many of the next smaller and the next greater numbers."""
    found = [x]
    for _ in range(count):
        found = [nextafter(found[0], -inf), *found, nextafter(found[-1], inf)]
    return found


@pytest.mark.parametrize("x", [*THRESHOLDS[1:], 0.5, 2**-0.5, 1.0, 2**0.5, 2.0, 12.5, 1e12])
def test_log_never_falls(x: float) -> None:
    assert all(log(a) <= log(b) for a, b in pairwise(neighbours(x)))


@pytest.mark.parametrize("x", [-4.5, -1.0, -0.35, -1e-9, 0.35, 1.0, 6.9, 700.0, -744.0])
def test_exp_never_falls(x: float) -> None:
    assert all(exp(a) <= exp(b) for a, b in pairwise(neighbours(x)))


def test_numbers_are_added_from_left_to_right() -> None:
    assert total([0.1] * 10) == 0.9999999999999999  # a compensated sum would be 1.0
    assert total((1e16, 1.0, -1e16)) == 0.0
    assert total([]) == 0.0 and str(total([-0.0])) == "0.0"
    assert whole(n > 2 for n in range(5)) == 2


@given(st.lists(st.floats(-1e12, 1e12)))
def test_a_total_is_the_loop_that_anyone_would_write(values: list[float]) -> None:
    found = 0.0
    for value in values:
        found = found + value
    assert total(values) == found


@given(st.floats(0.5, 1.0), st.integers(0, 5_000))
def test_a_power_is_a_product(base: float, times: int) -> None:
    with localcontext() as context:
        context.prec = 50
        exact = Decimal(base) ** times
        assert abs(Decimal(power(base, times)) - exact) <= exact * (times + 1) * Decimal(2) ** -52 + Decimal(SMALLEST)
    assert power(base, 0) == 1.0 and power(base, 1) == base and power(base, 2) == base * base


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (log, arguments_of_log, "a5642547ee031f34b17277baabeed7ee"),
        (exp, arguments_of_exp, "b04c5b5c853c54cfae0e91b81926e977"),
    ],
)
def test_every_machine_makes_the_same_bytes(
    function: Callable[[float], float], arguments: Callable[[], Iterator[float]], expected: str
) -> None:
    found = b"".join(pack("<d", function(x)) for x in arguments())
    assert blake2b(found, digest_size=16).hexdigest() == expected
