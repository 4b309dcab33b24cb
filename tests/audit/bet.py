"""One betting process, as the formula of `worker.audit.evidence` stands; for the oracle."""

from math import log
from typing import Any

HOUR = 3_600_000


class Bet:
    """M_j ← (M_j + π_j·½·Δh)·(1 + Σ_k b_jk(Y_k/μ_k − 1)), as the formula stands."""

    def __init__(self, start_ms: int, norms: tuple[float, ...], experts: list[Any], envelope: bool) -> None:
        self.at, self.norms, self.experts, self.envelope = start_ms, norms, experts, envelope
        self.m = [0.5 / len(experts)] * len(experts)
        self.prev: list[float | None] = [None] * len(norms)
        self.begun = False

    def step(self, at_ms: int, y: tuple[float | None, ...], norms: tuple[float, ...] | None = None) -> None:
        norms = norms or self.norms
        if all(v is None for v in y):
            self.prev = [None] * len(y)
            return
        self.begun = True
        hours, self.at = (at_ms - self.at) / HOUR, at_ms
        after = []
        for m, bets in zip(self.m, self.experts, strict=True):
            factor = 1.0
            for k, value in enumerate(y):
                mu = norms[k]
                before = self.prev[k]
                if self.envelope and before is not None:
                    mu *= max(1.0, 0.92 + 0.12 * before / norms[k])
                if value is not None and mu < 1.0:
                    factor += bets[k] * (value / mu - 1.0)
            after.append((m + 0.5 * hours / len(self.m)) * factor)
        total = sum(after)
        self.m = [v * 1e12 / total for v in after] if total > 1e12 else after
        self.prev = list(y)

    def log_e(self) -> float:
        return log(sum(self.m))
