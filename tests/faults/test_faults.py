"""Every fault of the table on a real Kafka, a seed or three each; `make faults SEEDS=20` runs more and longer."""

from pathlib import Path

import pytest

from tests.faults.scenario import Fault, World
from tests.faults.table import FAULTS
from tests.support.kafka import KafkaCluster

SEEDS = {"poisoned or old changelog record": 3, "an old state written late": 2}
TIMED = {"one room has 80 % of traffic"}
"""Compares delays, which only says something on a machine that does nothing else: `make faults` runs it."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "seed"),
    [(fault, seed) for fault in FAULTS if fault.name not in TIMED for seed in range(SEEDS.get(fault.name, 1))],
    ids=lambda value: value.run.__name__ if isinstance(value, Fault) else str(value),
)
def test_the_worker_survives_a_fault(fault: Fault, seed: int, kafka: KafkaCluster, tmp_path: Path) -> None:
    if not fault.own_cluster:
        fault.run(World(kafka, tmp_path, seed))
        return
    with KafkaCluster(n=fault.brokers) as cluster:
        fault.run(World(cluster, tmp_path, seed))
