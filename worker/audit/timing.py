"""How long a host takes: delays of answers and pauses in speech, kept as sums, so a room costs the same after hours.

Old values fade: when enough are counted, every sum is halved.
"""

from math import sqrt

from msgspec import Struct

from worker.audit.numbers import log

DELAYS_MAX = 64
DELAY_MS_MIN = 100
TAKEN_MAX = 32
RISES = 1.645  # standard errors above 0: one-sided, 5 %
PAUSES_MAX = 256
PAUSE_MS_MAX = 60_000  # longer is an absence
LONG_MS = 1_000


class Delays(Struct, gc=False, array_like=True):
    """Sums for the regression of y = ln delay (ms) on x = ln load (prompts of the last 90 s, the answered included).

    Attributes:
        taken: when prompts were asked that were answered lately, the latest last: each counts once.
    """

    count: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0
    taken: tuple[int, ...] = ()


def note_answer(delays: Delays, asked_ms: int, at_ms: int, load: int) -> None:
    """The prompt of `asked_ms` was answered at `at_ms`, the latest of `load` prompts."""
    if at_ms <= asked_ms or asked_ms in delays.taken:
        return
    delays.taken = (*delays.taken, asked_ms)[-TAKEN_MAX:]
    if delays.count >= DELAYS_MAX:
        delays.count //= 2
        for name in ("x", "y", "xx", "xy", "yy"):
            setattr(delays, name, getattr(delays, name) / 2)
    x, y = log(max(1, load)), log(max(DELAY_MS_MIN, at_ms - asked_ms))
    delays.count += 1
    delays.x += x
    delays.y += y
    delays.xx += x * x
    delays.xy += x * y
    delays.yy += y * y


def spread(delays: Delays) -> float:
    """The standard deviation of ln delay; of at least two."""
    return sqrt(max(0.0, delays.yy - delays.y * delays.y / delays.count) / (delays.count - 1))


def rises(delays: Delays) -> bool:
    """Whether ln delay rises with ln load, by the one-sided t-test of the slope at about 5 %; of at least three."""
    n = delays.count
    sxx = delays.xx - delays.x * delays.x / n
    sxy = delays.xy - delays.x * delays.y / n
    if sxx < 1e-9:
        return False
    rest = max(0.0, delays.yy - delays.y * delays.y / n - sxy * sxy / sxx)
    return sxy / sxx > RISES * sqrt(rest / (n - 2) / sxx)


class Pauses(Struct, gc=False, array_like=True):
    """Welford's sums over the pauses between speech segments (ms), and how many were longer than a second."""

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    long: int = 0
    ended_ms: int = 0  # the latest segment


def note_speech(pauses: Pauses, start_ms: int, end_ms: int) -> None:
    """The next segment; one that overlaps, or comes more than a minute later, only moves the end."""
    pause_ms = start_ms - pauses.ended_ms
    if pauses.ended_ms and 0 <= pause_ms <= PAUSE_MS_MAX:
        if pauses.count >= PAUSES_MAX:
            pauses.count //= 2
            pauses.long //= 2
            pauses.m2 /= 2
        pauses.count += 1
        pauses.long += pause_ms > LONG_MS
        off = pause_ms - pauses.mean
        pauses.mean += off / pauses.count
        pauses.m2 += off * (pause_ms - pauses.mean)
    pauses.ended_ms = max(pauses.ended_ms, end_ms)


def burstiness(pauses: Pauses) -> float | None:
    """A of n pauses: −1 as a clock, 0 as a Poisson process, towards 1 in bursts; None when all are 0 ms.

    With r = σ/μ, A = (√(n+1)·r − √(n−1)) / ((√(n+1) − 2)·r + √(n−1)): Kim and Jo, Phys. Rev. E 94, 032311 (2016),
    arXiv 1604.01125.
    """
    n = pauses.count
    if n < 2 or pauses.mean <= 0:
        return None
    r = sqrt(max(0.0, pauses.m2) / n) / pauses.mean
    return (sqrt(n + 1) * r - sqrt(n - 1)) / ((sqrt(n + 1) - 2) * r + sqrt(n - 1))
