"""Evidence that may be looked at any time: mixtures of bets in Shiryaev–Roberts form, mass measured in room-hours.

A family bets with J experts on K signals. With Δh hours since its last step and π_j = 1/J,

    M_j ← (M_j + π_j·ACCRUE·Δh) · e_j,   e_j = 1 + Σ_k b_jk·(Y_k/μ_k − 1)  over the signals present,   M = Σ_j M_j

Null hypothesis: E[Y_k | past] ≤ μ_k for each signal present. Then E[M_t] ≤ HEAD + ACCRUE·t (t in hours), so alarms
at threshold c are at most 1/c per room-hour, whenever one looks, for any dependence between signals and rooms
(e-detectors: Shin, Ramdas and Rinaldo, arXiv 2203.03532; betting on bounded means: Waudby-Smith and Ramdas,
arXiv 2010.09686). Serial correlation is met by an envelope: after a high Y the norm of that signal rises,
μ_k ← μ_k·max(1, 0.92 + 0.12·Y_prev/μ_k).

Explanation. With w_j = M_j + π_j·ACCRUE·Δh and W = Σ w_j, e = M_new/W: time adds ln(W/ΣM_old) nats; signal k adds
(ln e/(e−1))·x_k·Σ_j w_j·b_jk/W with x_k = Y_k/μ_k − 1. The sum is exactly the change in ln M.
Totals run since M was last below 1. The counterfactual is exact: `without[k]` is the same process without signal k.
"""

from collections.abc import Sequence
from enum import IntEnum
from struct import pack, unpack

from msgspec import Struct
from msgspec.structs import replace

from worker.audit.numbers import log, total

HEAD = 0.5
ACCRUE = 0.5
CAP = 1e12
ENVELOPE_FLOOR = 0.92
ENVELOPE_SLOPE = 0.12
MS_PER_HOUR = 3_600_000


class Level(IntEnum):
    """What a family's mass has reached; false alarms per room-hour and family ≤ 1/threshold."""

    NONE = 0
    WATCH = 1
    LABEL = 2
    LIMIT = 3
    RESTRICT = 4


THRESHOLDS: tuple[float, ...] = (0.0, 1e2, 1e3, 1e5, 1e7)
"""Mass needed for each `Level`."""

CLEAR_SHARE = 1 / 20  # a level is left when M < threshold · CLEAR_SHARE


class Design(Struct, frozen=True):
    """What a family bets on: its signals, their norms μ under the null, the experts' bets b[j][k]."""

    name: str
    signals: tuple[str, ...]
    norms: tuple[float, ...]
    bets: tuple[tuple[float, ...], ...]
    envelope: bool


_GRID = ((0.8, 0.0), (0.0, 0.8), (0.4, 0.4), (0.2, 0.2))
BALANCED = (2, 3)  # experts of _GRID that need both signals

DESIGNS: dict[str, Design] = {
    d.name: d
    for d in (
        Design("AI", ("voice", "visual"), (0.25, 0.25), _GRID, True),
        Design("UNLABELLED", ("voice", "visual"), (0.25, 0.25), _GRID, True),
        Design("NONINT", ("unanswered", "excitation"), (0.60, 0.40), _GRID, True),
        Design("PLAY", ("locked",), (0.50,), ((0.9,), (0.5,)), False),
        Design("PLAY_LONG", ("locked",), (0.50,), ((0.9,), (0.5,)), False),
        Design("CHALLENGE", ("fail",), (0.05,), ((0.9,), (0.5,)), False),
    )
}
FAMILIES: tuple[str, ...] = ("AI", "UNLABELLED", "NONINT", "PLAY", "CHALLENGE")
"""Families that rules may name. PLAY keeps a second mass, `PLAY_LONG`, with a longer allowance for honest replays."""


class Family(Struct, gc=False, array_like=True):
    """The evidence of one family in one room. Masses are dimensionless; times are Unix ms.

    Attributes:
        masses: `m`, then `without` signal by signal, as little-endian doubles: a room holds up to 48 of them.
    """

    name: str
    last_ms: int
    masses: bytes
    prev: tuple[float | None, ...]
    values: tuple[float | None, ...]
    norms: tuple[float, ...]
    nats: tuple[float, ...]
    blocks: tuple[int, ...]
    start_nats: float
    time_nats: float
    since_ms: int
    level: int = 0

    @property
    def m(self) -> tuple[float, ...]:
        """M_j of each expert."""
        return _mixtures(self)[0]

    @m.setter
    def m(self, m: Sequence[float]) -> None:
        self.masses = _packed(m, *self.without)

    @property
    def without(self) -> tuple[tuple[float, ...], ...]:
        """For each signal, M_j of the same process had it always abstained."""
        return _mixtures(self)[1:]

    @without.setter
    def without(self, without: Sequence[Sequence[float]]) -> None:
        self.masses = _packed(self.m, *without)

    def mass(self) -> float:
        """M, the mixture's mass."""
        return total(self.m)

    def log_e(self) -> float:
        """ln M."""
        return log(total(self.m))

    def mass_without(self, signal: int) -> float:
        """The mass had signal number `signal` always abstained."""
        return total(self.without[signal])


def _mixtures(family: Family) -> tuple[tuple[float, ...], ...]:
    numbers = unpack(f"<{len(family.masses) // 8}d", family.masses)
    experts = len(DESIGNS[family.name].bets)
    return tuple(numbers[i : i + experts] for i in range(0, len(numbers), experts))


def _packed(*mixtures: Sequence[float]) -> bytes:
    return b"".join(pack(f"<{len(m)}d", *m) for m in mixtures)


def new_family(name: str, at_ms: int) -> Family:
    """A family at its start, M = HEAD, at event time `at_ms`."""
    design = DESIGNS[name]
    experts, signals = len(design.bets), len(design.signals)
    return Family(
        name=name,
        last_ms=at_ms,
        masses=_packed([HEAD / experts] * experts) * (1 + signals),
        prev=(None,) * signals,
        values=(None,) * signals,
        norms=design.norms,
        nats=(0.0,) * signals,
        blocks=(0,) * signals,
        start_nats=log(HEAD),
        time_nats=0.0,
        since_ms=at_ms,
    )


def copy_as(name: str, family: Family) -> Family:
    """A family of another name with the same bets, that goes on from where `family` stands."""
    return replace(family, name=name)


def step(family: Family, at_ms: int, y: tuple[float | None, ...], norms: tuple[float, ...] | None = None) -> None:
    """Bet once: values `y` in [0,1] (None abstains) seen up to event time `at_ms`; `norms` overrides the design's."""
    design = DESIGNS[family.name]
    base = norms or design.norms
    x: list[float | None] = []
    values, used, blocks = list(family.values), list(family.norms), list(family.blocks)
    for k, value in enumerate(y):
        mu = base[k]
        before = family.prev[k]
        if design.envelope and before is not None:
            mu *= max(1.0, ENVELOPE_FLOOR + ENVELOPE_SLOPE * before / base[k])
        if value is None or mu >= 1.0:
            x.append(None)
            continue
        values[k] = value
        used[k] = mu
        blocks[k] += 1
        x.append(value / mu - 1.0)
    family.prev, family.values, family.norms, family.blocks = tuple(y), tuple(values), tuple(used), tuple(blocks)
    added = ACCRUE * max(0, at_ms - family.last_ms) / MS_PER_HOUR
    family.last_ms = max(family.last_ms, at_ms)
    before_m, *without = _mixtures(family)
    old = total(before_m)
    weights = _accrue(before_m, added)
    staked = total(weights)
    m = _bet(weights, design.bets, x)
    new = total(m)
    _explain(family, design, weights, x, old, staked, new)
    for k in range(len(x)):
        others = [None if i == k else xi for i, xi in enumerate(x)]
        without[k] = tuple(_capped(_bet(_accrue(without[k], added), design.bets, others)))
    if new > CAP:
        family.start_nats -= log(new / CAP)
        m = _capped(m)
    family.masses = _packed(m, *without)
    if new < 1.0:
        _restart_totals(family)


def _accrue(m: Sequence[float], added: float) -> list[float]:
    share = added / len(m)
    return [v + share for v in m]


def _bet(w: list[float], bets: tuple[tuple[float, ...], ...], x: list[float | None]) -> list[float]:
    return [
        wj * (1.0 + total(bk * xk for bk, xk in zip(b, x, strict=True) if xk is not None))
        for wj, b in zip(w, bets, strict=True)
    ]


def _capped(m: list[float]) -> list[float]:
    mass = total(m)
    return m if mass <= CAP else [v * CAP / mass for v in m]


def _explain(
    family: Family, design: Design, w: list[float], x: list[float | None], old: float, staked: float, new: float
) -> None:
    family.time_nats += log(staked / old)
    e = new / staked
    scale = log(e) / (e - 1.0) if abs(e - 1.0) > 1e-12 else 1.0
    nats = list(family.nats)
    for k, xk in enumerate(x):
        if xk is not None:
            stake = total(wj * b[k] for wj, b in zip(w, design.bets, strict=True)) / staked
            nats[k] += scale * xk * stake
    family.nats = tuple(nats)


def _restart_totals(family: Family) -> None:
    family.start_nats = log(total(family.m))
    family.time_nats = 0.0
    family.since_ms = family.last_ms
    family.nats, family.blocks = (0.0,) * len(family.nats), (0,) * len(family.blocks)


def level_of(mass: float, current: int, ceiling: int = Level.RESTRICT) -> int:
    """The level that `mass` has reached, no higher than `ceiling`; the current one holds until M < threshold/20."""
    reached = max(level for level in Level if level <= ceiling and mass >= THRESHOLDS[level])
    held = min(current, ceiling)
    while held > reached and mass < THRESHOLDS[held] * CLEAR_SHARE:
        held -= 1
    return max(int(reached), held)
