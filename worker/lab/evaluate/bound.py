"""Shows that false alarms stay within their guarantee, at the edge of the null hypothesis, for rare levels too.

Nulls: signals exactly at their norm, independent (the hypothesis to the letter), and serially correlated, AR(1) with a
one-minute correlation of 0.6 (which breaks E[Y | past] ≤ μ; the envelope is there to make up for it).

Frequent levels are counted (Monte Carlo). Rare ones need importance sampling: a run turns guilty at a random time ν,
with probability HEAD/total at the start and else uniform, total = HEAD + ACCRUE·T. With R the Shiryaev–Roberts sum of
the likelihood ratios of guilt against the null, R ← (R + ACCRUE·Δh)·LR, R_0 = HEAD,

    P₀(alarm by T) = E_Q[ total / (R_τ + ACCRUE·(T − τ)) ; alarm at τ ≤ T ]

for whatever guilt is simulated; it only decides the variance. Source: detection.md §4 (b).

Where rooms differ for good, a room has a score z ~ N(0, 1), and from 2.58 on, one room in two hundred, it is above the
norm for ever: the null hypothesis is false there, and no test can keep a rate of 10⁻⁵ over all rooms by its mass alone.
These nulls show what the guards of `audit.levels` are for. Nearly all of their alarms come from rooms about z = 3, so z
is drawn from ½·N(0, 1) + ½·N(3.2, 0.5²) and weighted by the ratio of densities.
"""

from collections.abc import Callable, Iterable, Iterator
from math import exp, log, sqrt
from random import Random
from typing import NamedTuple, Protocol

from worker.audit.evidence import (
    ACCRUE,
    BALANCED,
    DESIGNS,
    HEAD,
    MS_PER_HOUR,
    THRESHOLDS,
    Family,
    Level,
    new_family,
    step,
)
from worker.lab.evaluate.rooms import nothing_discounts
from worker.lab.evaluate.watch import LEVELS

HOURS = 12.0
TOTAL = HEAD + ACCRUE * HOURS
MINUTE_MS = 60_000
HOT_MS = 10 * MINUTE_MS
LOOKS = 30  # a block's, 10 s apart
RHO_MINUTE = 0.6
RHO_LOOK = RHO_MINUTE ** (1 / 6)
SPREAD = 0.5  # of what differing rooms do: of its logarithm, or of a latent score
RARE_MEAN, RARE_SD = 3.2, 0.5  # scores of the rooms that make the alarms where rooms differ
SAMPLED = "importance sampling"
EFFECTIVE_MIN = 10.0  # samples that an estimate must be worth
PERCENTILE_995 = 2.5758293  # of the standard normal
UPPER_QUARTILE = 0.6744897502  # of the standard normal: a latent above it is a look above the human 95 % rank
SIXTIETH_PERCENTILE = 0.2533471031


class Null(Protocol):
    """One room under a null hypothesis. `step_ms` is the length of a step of its family."""

    family: str
    step_ms: int

    def begin(self, rng: Random, tilted: bool) -> float:
        """Decide what the room is like; returns its weight: how much likelier that is than it was to be drawn."""

    def mass(self, family: Family) -> float:
        """What is held against the thresholds."""

    def draw(self, rng: Random, family: Family, now_ms: int, guilty: bool) -> float:
        """Draw a step's values, guilty or not, and let `family` bet; returns ln of the likelihood ratio of guilt."""


class Coin:
    """One signal that is 1 with exactly its norm as probability, whatever happened before; guilty ones tilt by e.

    `signal` says which of the family's. Where rooms `differ`, a room's probability is its norm times a log-normal
    factor that exceeds 1 in one room of two hundred: what a norm at the 99.5 % quantile of rooms means.
    """

    def __init__(self, family: str, step_ms: int, *, signal: int = 0, differ: bool = False) -> None:
        self.family, self.step_ms = family, step_ms
        self._design = DESIGNS[family]
        self._signal = signal
        self._differ = differ
        self._factor = 1.0
        self._failed_ms = -HOT_MS - 1

    def begin(self, rng: Random, tilted: bool) -> float:
        """Where rooms differ, how far this one's probability is from the norm."""
        z, weight = _score(rng, tilted) if self._differ else (PERCENTILE_995, 1.0)
        self._factor = exp(SPREAD * (z - PERCENTILE_995))
        return weight

    def mass(self, family: Family) -> float:
        """All experts'."""
        return family.mass()

    def draw(self, rng: Random, family: Family, now_ms: int, guilty: bool) -> float:
        k = self._signal
        norm = self._design.norms[k]
        if self.family == "CHALLENGE" and now_ms - self._failed_ms <= HOT_MS:
            norm *= 2
        p = min(norm * self._factor, 0.95)
        added = ACCRUE * self.step_ms / MS_PER_HOUR / len(family.m)
        weights = [m + added for m in family.m]
        stake = sum(w * bet[k] for w, bet in zip(weights, self._design.bets, strict=True)) / sum(weights)
        tilted = p * (1 + stake * (1 / p - 1))  # at the norm this is the likelihood ratio that the family bets on
        hit = rng.random() < (tilted if guilty else p)
        if hit:
            self._failed_ms = now_ms
        y = tuple(float(hit) if i == k else None for i in range(len(self._design.norms)))
        step(family, now_ms, y, tuple(norm if i == k else mu for i, mu in enumerate(self._design.norms)))
        return log(tilted / p if hit else (1 - tilted) / (1 - p))


class Detectors:
    """Two detectors' looks, serially correlated; `shared` is how much both see the same thing. Guilt is a drift.

    Where rooms `differ`, a host looks synthetic to both by a latent score of his own, which reaches the norm in one
    room of two hundred. `balanced` counts the experts alone by which AI reaches LIMIT (`audit.levels`).
    """

    family, step_ms = "AI", 5 * MINUTE_MS

    def __init__(self, shared: float, *, differ: bool = False, balanced: bool = False) -> None:
        self._shared = shared
        self._differ = differ
        self._balanced = balanced
        self._bar = UPPER_QUARTILE
        self._drift = (0.5 if shared < 1 else 0.71) * (1 - RHO_LOOK) / sqrt(1 - RHO_LOOK**2)
        self._latent: list[float] = []

    def begin(self, rng: Random, tilted: bool) -> float:
        """Where rooms differ, how synthetic this host looks."""
        z, weight = _score(rng, tilted) if self._differ else (PERCENTILE_995, 1.0)
        self._bar = UPPER_QUARTILE - SPREAD * (z - PERCENTILE_995)
        return weight

    def mass(self, family: Family) -> float:
        """All experts', or that of the balanced ones."""
        return sum(family.m[j] for j in BALANCED) if self._balanced else family.mass()

    def draw(self, rng: Random, family: Family, now_ms: int, guilty: bool) -> float:
        if not self._latent:
            self._latent = list(self._pair(rng, 0.0)[0])
        scale, drift = sqrt(1 - RHO_LOOK**2), self._drift if guilty else 0.0
        (voice, visual), heard, seen, ln_ratio = self._latent, 0, 0, 0.0
        for _ in range(LOOKS):
            (a, b), gained = self._pair(rng, drift)
            voice, visual = RHO_LOOK * voice + scale * a, RHO_LOOK * visual + scale * b
            heard += voice > self._bar
            seen += visual > self._bar
            ln_ratio += gained
        self._latent = [voice, visual]
        step(family, now_ms, (heard / LOOKS, seen / LOOKS))
        return ln_ratio

    def _pair(self, rng: Random, drift: float) -> tuple[tuple[float, float], float]:
        """Two innovations, and ln of their likelihood ratio were they drawn with the drift."""
        a, d = rng.gauss(0, 1) + drift, self._drift
        if self._shared >= 1:
            return (a, a), d * a - d * d / 2
        b = rng.gauss(0, 1) + drift
        mixed = self._shared * a + sqrt(1 - self._shared**2) * b
        return (a, mixed), d * (a + b) - d * d


class Silence:
    """Whether a block's prompts stay unanswered, as a slow mood decides; guilt is a mood that sinks."""

    family, step_ms = "NONINT", 5 * MINUTE_MS
    DRIFT = -0.5
    MEAN_OF_FIVE_SD = 0.7234  # standard deviation of the mean of five minutes at correlation 0.6

    def __init__(self) -> None:
        self._mood: float | None = None

    def begin(self, rng: Random, tilted: bool) -> float:
        """All rooms are alike."""
        return 1.0

    def mass(self, family: Family) -> float:
        """All experts'."""
        return family.mass()

    def draw(self, rng: Random, family: Family, now_ms: int, guilty: bool) -> float:
        mood = rng.gauss(0, 1) if self._mood is None else self._mood
        total, ln_ratio = 0.0, 0.0
        for _ in range(5):
            z = rng.gauss(0, 1) + (self.DRIFT if guilty else 0.0)
            mood = RHO_MINUTE * mood + sqrt(1 - RHO_MINUTE**2) * z
            total += mood
            ln_ratio += self.DRIFT * z - self.DRIFT**2 / 2
        self._mood = mood
        silent = total / 5 < SIXTIETH_PERCENTILE * self.MEAN_OF_FIVE_SD
        step(family, now_ms, (float(silent), None))
        return ln_ratio


def _score(rng: Random, tilted: bool) -> tuple[float, float]:
    """A room's z and its weight: drawn as it is, or, tilted, from a mixture with the rooms that matter."""
    if not tilted:
        return rng.gauss(0, 1), 1.0
    z = rng.gauss(0, 1) if rng.random() < 0.5 else rng.gauss(RARE_MEAN, RARE_SD)
    usual = exp(-z * z / 2)
    rare = exp(-(((z - RARE_MEAN) / RARE_SD) ** 2) / 2) / RARE_SD
    return z, usual / (0.5 * usual + 0.5 * rare)


class Case(NamedTuple):
    """A null hypothesis, and how many runs measure it by default.

    `exact` says that it holds to the letter, `guaranteed` that its rates are to stay within the bound: not where rooms
    differ for good.
    """

    name: str
    make: Callable[[], Null]
    runs: int
    exact: bool
    guaranteed: bool = True


class Measured(NamedTuple):
    """First alarms per room-hour by 12 h in `runs` rooms, their standard error, and the guarantee, which holds where
    the case is `guaranteed`."""

    case: str
    method: str
    level: str
    per_hour: float
    error: float
    bound: float
    runs: int
    guaranteed: bool = True

    @property
    def verdict(self) -> str:
        """`kept` or `broken` when two standard errors leave no doubt, else `open`: more runs would tell.

        Where a few heavy weights make the estimate, its error says little, and nothing is kept.
        """
        if self.method == SAMPLED:
            squares = (self.runs - 1) * self.error**2 + self.per_hour**2
            if self.runs * self.per_hour**2 / squares < EFFECTIVE_MIN:
                return "open"
        if self.per_hour + 2 * self.error <= self.bound:
            return "kept"
        return "broken" if self.per_hour - 2 * self.error > self.bound else "open"


CASES: tuple[Case, ...] = (
    Case("CHALLENGE at its norm, every 5 min", lambda: Coin("CHALLENGE", 5 * MINUTE_MS), 3_000, True),
    Case("CHALLENGE, rooms differ", lambda: Coin("CHALLENGE", 5 * MINUTE_MS, differ=True), 3_000, False, False),
    Case("NONINT at its norm, independent", lambda: Coin("NONINT", 5 * MINUTE_MS), 3_000, True),
    Case("NONINT, excitation at its norm", lambda: Coin("NONINT", 5 * MINUTE_MS, signal=1), 3_000, True),
    Case("NONINT, rooms differ", lambda: Coin("NONINT", 5 * MINUTE_MS, differ=True), 3_000, False, False),
    Case("NONINT at its norm, AR(1)", Silence, 2_000, False),
    Case("PLAY at its norm, always armed", lambda: Coin("PLAY", 10_000), 150, True),
    Case("PLAY, rooms differ", lambda: Coin("PLAY", 10_000, differ=True), 600, False, False),
    Case("AI at its norm, AR(1)", lambda: Detectors(0.0), 1_000, False),
    Case("AI at its norm, AR(1), both see the same", lambda: Detectors(1.0), 2_000, False),
    Case("AI, rooms differ", lambda: Detectors(0.0, differ=True), 1_000, False, False),
    Case("AI, rooms differ, after its guard", lambda: Detectors(0.0, differ=True, balanced=True), 1_000, False, False),
)


def measure(case: Case, *, runs: int, seed: int) -> Iterator[Measured]:
    """Measure a case with `runs` rooms of 12 h: WATCH by counting, every level by importance sampling."""
    for tilted in (False, True):
        rng = Random(f"{seed}/{case.name}/{tilted}")
        weights = [_room(case.make(), rng, tilted=tilted) for _ in range(runs)]
        for i, level in enumerate(LEVELS):
            if not tilted and level > Level.WATCH:
                continue
            values = [one[i] / HOURS for one in weights]
            method = SAMPLED if tilted else "counted"
            bound = 1 / THRESHOLDS[level]
            squares = sum(v * v for v in values)
            measured = _mean(case.name, method, level.name, bound, runs, sum(values), squares)
            yield measured._replace(guaranteed=case.guaranteed)


def measure_without(case: Case, discount: str, *, runs: int, seed: int) -> Iterator[Measured]:
    """Measure a case where a discount is not given, which nothing guarantees."""
    renamed = case._replace(name=f"{case.name}, without the {discount}", guaranteed=False)
    with nothing_discounts(discount):
        yield from measure(renamed, runs=runs, seed=seed)


def _mean(case: str, method: str, level: str, bound: float, runs: int, total: float, squares: float) -> Measured:
    mean = total / runs
    error = sqrt(max(0.0, squares - runs * mean * mean) / max(1, runs - 1) / runs)
    none_seen = 1 / (runs * HOURS)  # as if one had been
    return Measured(case, method, level, mean, error if total else none_seen, bound, runs)


def pooled(parts: Iterable[Measured]) -> list[Measured]:
    """One measurement per case, method and level, from those of several samples."""
    groups: dict[tuple[str, str, str, float], list[Measured]] = {}
    for one in parts:
        groups.setdefault((one.case, one.method, one.level, one.bound), []).append(one)
    found = []
    for (case, method, level, bound), group in groups.items():
        runs = sum(one.runs for one in group)
        total = sum(one.runs * one.per_hour for one in group)
        seen = [one for one in group if one.per_hour]
        squares = sum(one.runs * ((one.runs - 1) * one.error**2 + one.per_hour**2) for one in seen)
        pool = _mean(case, method, level, bound, runs, total, squares)
        found.append(pool._replace(guaranteed=group[0].guaranteed))
    return found


def _room(null: Null, rng: Random, *, tilted: bool) -> list[float]:
    """One room of 12 h: per level the weight of its first alarm, 0 when there was none."""
    place = rng.random() * TOTAL
    guilty_from_h = max(0.0, (place - HEAD) / ACCRUE) if tilted else HOURS + 1
    family, weight = new_family(null.family, 0), null.begin(rng, tilted)
    weights = [0.0] * len(LEVELS)
    ratios, now_ms, end_ms = HEAD, 0, int(HOURS * MS_PER_HOUR)
    while now_ms + null.step_ms <= end_ms:
        now_ms += null.step_ms
        elapsed_h = now_ms / MS_PER_HOUR
        ln_ratio = null.draw(rng, family, now_ms, guilty_from_h <= elapsed_h)
        ratios = (ratios + ACCRUE * null.step_ms / MS_PER_HOUR) * exp(ln_ratio)
        mass = null.mass(family)
        for i, level in enumerate(LEVELS):
            if weights[i] == 0.0 and mass >= THRESHOLDS[level]:
                weights[i] = weight * TOTAL / (ratios + ACCRUE * (HOURS - elapsed_h)) if tilted else 1.0
        if weights[-1]:
            break
    return weights
