"""The bars: ratios that must hold within one run, and goals beyond them."""

import statistics
from typing import Any, NamedTuple

from tests.bench.throughput import ENGINE, FULL, LOOP, STOCK


class Gate(NamedTuple):
    """`ours` must be at least `bar` times `theirs`, by events per CPU-second."""

    ours: str
    theirs: str
    bar: float
    goal: bool = False  # reported when missed, but fails nothing

    @property
    def name(self) -> str:
        """As a reader says it."""
        return f"{self.ours} ÷ {self.theirs}"


GATES: tuple[Gate, ...] = (
    Gate(ENGINE, STOCK, 25),
    Gate(ENGINE, "Faust hopping", 100),
    Gate(ENGINE, "Quix plain", 3),
    Gate(ENGINE, "Bytewax batch", 1.5),
    Gate(ENGINE, "Bytewax stateful", 3.5),
    Gate(ENGINE, "FastStream batch", 6),
    Gate(ENGINE, "Flink SQL hopping", 1.2),
    Gate(ENGINE, "Kafka Streams, memory, Jackson", 1.2),
    Gate(ENGINE, "Flink DataStream", 1.0),
    Gate(ENGINE, LOOP, 0.75),
    Gate(FULL, ENGINE, 0.40),
    Gate(ENGINE, "Kafka Streams, memory, fastjson2", 1.1, goal=True),
    Gate(FULL, ENGINE, 0.50, goal=True),
)


BAR_SYSTEMS: tuple[str, ...] = tuple(
    dict.fromkeys(name for gate in GATES if not gate.goal for name in (gate.ours, gate.theirs))
)
"""Every system that a bar names; goals are reported where their systems ran."""


class Verdict(NamedTuple):
    """A gate with what was measured, one ratio a round."""

    gate: Gate
    ratios: list[float]

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool:
        """Whether the median holds."""
        return self.median >= self.gate.bar


def verdicts(systems: dict[str, list[dict[str, Any]]]) -> list[Verdict]:
    """Every gate whose two systems ran in at least one common round."""
    found = []
    for gate in GATES:
        ours = {row["round"]: row["cpu_s_per_million"] for row in systems.get(gate.ours, [])}
        theirs = {row["round"]: row["cpu_s_per_million"] for row in systems.get(gate.theirs, [])}
        ratios = [theirs[n] / ours[n] for n in sorted(ours.keys() & theirs.keys())]
        if ratios:
            found.append(Verdict(gate, ratios))
    return found


def unmeasured(systems: dict[str, list[dict[str, Any]]]) -> list[Gate]:
    """Bars whose two systems ran in no common round; goals are left out."""
    measured = {verdict.gate for verdict in verdicts(systems)}
    return [gate for gate in GATES if not gate.goal and gate not in measured]
