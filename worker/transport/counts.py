"""Plain integers that the driver counts and a metrics collector reads from another thread."""

from __future__ import annotations

from dataclasses import dataclass, field

from faust.types import TP


@dataclass(slots=True)
class TransportCounts:
    """Since the start of the process; per-partition values only for what is assigned now."""

    fetches: int = 0
    records: int = 0
    commits: int = 0
    commit_failures: int = 0
    rebalances: int = 0
    #: Passed over because the broker no longer had the offset asked for.
    lost_records: int = 0
    changelog_records: int = 0
    #: On the clock given to `attach`; None before the first commit.
    last_commit_s: float | None = None
    position: dict[TP, int] = field(default_factory=dict)
    highwater: dict[TP, int] = field(default_factory=dict)
    committed: dict[TP, int] = field(default_factory=dict)
