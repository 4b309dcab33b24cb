"""e-LOND: which families of which sessions may be restricted, so that few restrictions over a platform are false.

Xu and Ramdas, "Online multiple testing with e-values", AISTATS 2024. Hypothesis (i, f): session i is within the norm of
family f. Its e-value is E = M/T, since the mass M of a family (`audit.evidence`) has E[M] ≤ ½ + ½·h after h hours, and
T = 12.5 h is more than that for any session that is tested in its first 12 hours. It is rejected when

    E ≥ 1 / (α · γ_i/F · (D + 1)),    γ_i = 1 / (C · (i+1) · ln²(i+1)),    C = Σ_{i ≥ 1} 1 / ((i+1) · ln²(i+1))

with D rejections so far and F families in a session. A session gets its i at its start, so that the weight of a test
cannot depend on its evidence. Then the expected share of false restrictions is at most α, whenever one looks and
however rooms depend on each other, as long as every mass keeps its bound given all that rooms have shown before.
"""

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from worker.audit.numbers import log

ALPHA = 0.05
HOURS = 12.5
TESTED_HOURS = 12
FAMILIES = ("AI", "UNLABELLED", "PLAY", "CHALLENGE")
"""Those that can reach RESTRICT."""
C = 2.1097428012369
FOUND_MAX = 1_024


class Platform(Struct, array_like=True, gc=False):
    """All restrictions of one platform, in one order.

    Attributes:
        offset: last record of the identities' topic that was applied.
        sessions: how many got an index. discoveries: how many tests were positive.
        found: hashes of the latest positive tests, so that one that is asked for twice counts once.
    """

    offset: int = -1
    sessions: int = 0
    discoveries: int = 0
    found: list[int] = []


def gamma(index: int) -> float:
    """γ_i, i from 1; they add up to 1."""
    nats = log(index + 1)
    return 1.0 / (C * (index + 1) * (nats * nats))


def mass_needed(index: int, discoveries: int) -> float:
    """The mass with which a family of session `index` is restricted, after so many discoveries."""
    return HOURS * len(FAMILIES) / (ALPHA * gamma(index) * (discoveries + 1))


def begin_session(platform: Platform) -> int:
    """Count a session that starts now, and return its index."""
    platform.sessions += 1
    return platform.sessions


def discover(platform: Platform, session: str, family: str, index: int, mass: float) -> bool:
    """Say whether a family may be restricted, and count that once. `session` names the room and its session."""
    mark = xxh3_64_intdigest(f"{session}\x1f{family}".encode())
    if mark in platform.found:
        return True
    if mass < mass_needed(index, platform.discoveries):
        return False
    platform.discoveries += 1
    platform.found.append(mark)
    del platform.found[:-FOUND_MAX]
    return True
