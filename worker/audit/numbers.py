"""Arithmetic of which every machine and every supported Python makes the same bytes.

Verdicts use nothing but operations that IEEE 754 rounds exactly: + − × ÷, square roots, scaling by powers of two, and
conversions of integers. `math.log` and `math.exp` are not among them: their last digits depend on the C library and on
the processor. `sum` is not either: since Python 3.12 it compensates its rounding. `**` asks the C library for `pow`.
`tests/test_exact.py` refuses all of these where verdicts are made.

`log` and `exp` follow fdlibm's e_log.c and e_exp.c, from which their coefficients are, in its order of operations:

    Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved. Developed at SunPro, a Sun Microsystems, Inc.
    business. Permission to use, copy, modify, and distribute this software is freely granted, provided that this notice
    is preserved.

Their error is below 1 unit in the last place; `tests/audit/test_numbers.py` compares them with decimals of 50 digits.
"""

from collections.abc import Callable, Iterable
from functools import reduce
from math import floor, frexp, inf, ldexp
from operator import add

_LN2_HI = float.fromhex("0x1.62e42fee00000p-1")  # the first 32 bits of ln 2: its products with exponents are exact
_LN2_LO = float.fromhex("0x1.a39ef35793c76p-33")
_LOG2_E = float.fromhex("0x1.71547652b82fep+0")
_SQRT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")

# 2·atanh(s) = s·(2 + z·(L1 + z·(L2 + …))) with z = s², for |s| ≤ 0.1716: minimax, error below 2⁻⁵⁸·⁴⁵.
_L1, _L2, _L3, _L4, _L5, _L6, _L7 = map(
    float.fromhex,
    ("0x1.5555555555593p-1", "0x1.999999997fa04p-2", "0x1.2492494229359p-2", "0x1.c71c51d8e78afp-3",
     "0x1.7466496cb03dep-3", "0x1.39a09d078c69fp-3", "0x1.2f112df3e5244p-3"),
)  # fmt: skip
# r·(eʳ + 1)/(eʳ − 1) = 2 + t·(P1 + t·(P2 + …)) with t = r², for |r| ≤ ½·ln 2: minimax, error below 2⁻⁵⁹.
_P1, _P2, _P3, _P4, _P5 = map(
    float.fromhex,
    ("0x1.555555555553ep-3", "-0x1.6c16c16bebd93p-9", "0x1.1566aaf25de2cp-14", "-0x1.bbd41c5d26bf1p-20",
     "0x1.6376972bea4d0p-25"),
)  # fmt: skip

_EXP_MAX = 709.782712893384
_EXP_MIN = -745.1332191019411
_TINY = float.fromhex("0x1p-1000")

whole: Callable[[Iterable[int]], int] = sum
"""The sum of integers. Integers have no last digits to lose, so the order is free."""


def total(values: Iterable[float]) -> float:
    """Add numbers from left to right, rounding after each: `((0 + a) + b) + c`. 0 for none."""
    return reduce(add, values, 0.0)


def log(x: float) -> float:
    """Return ln x, with an error below 1 unit in the last place.

    Raises:
        ValueError: x is 0 or less.
    """
    if not 0.0 < x < inf:
        if x <= 0.0:
            raise ValueError(f"log of {x}")
        return x  # infinite, or not a number
    m, k = frexp(x)
    if m < _SQRT_HALF:
        m += m
        k -= 1
    f = m - 1.0  # exact; x = 2ᵏ·(1 + f), √½ ≤ 1 + f < √2
    s = f / (2.0 + f)  # ln(1 + f) = 2·atanh(s)
    z = s * s
    w = z * z
    r = w * (_L2 + w * (_L4 + w * _L6)) + z * (_L1 + w * (_L3 + w * (_L5 + w * _L7)))
    h = 0.5 * f * f
    return k * _LN2_HI - ((h - (s * (h + r) + k * _LN2_LO)) - f)


def exp(x: float) -> float:
    """Return e to the power of x, with an error below 1 unit in the last place; 0 below −745.2.

    Raises:
        OverflowError: x is above 709.79.
    """
    if not _EXP_MIN <= x <= _EXP_MAX:
        if x > _EXP_MAX and x != inf:
            raise OverflowError(f"exp of {x}")
        return 0.0 if x < 0.0 else x  # infinite, or not a number
    k = floor(x * _LOG2_E + 0.5)
    hi, lo = x - k * _LN2_HI, k * _LN2_LO
    r = hi - lo  # x = k·ln 2 + r, |r| ≤ ½·ln 2
    t = r * r
    c = r - t * (_P1 + t * (_P2 + t * (_P3 + t * (_P4 + t * _P5))))
    y = 1.0 - ((lo - (r * c) / (2.0 - c)) - hi)
    if k > -1022:
        return ldexp(y, k)
    return ldexp(y, k + 1000) * _TINY  # below the normal range: rounded once, by the product


def power(base: float, times: int) -> float:
    """Return base to the power of `times` ≥ 0, by repeated squaring.

    Its relative error is below 2·`times` units in the last place.
    """
    product = 1.0
    while times:
        if times & 1:
            product *= base
        base *= base
        times >>= 1
    return product
