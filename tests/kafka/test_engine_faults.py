"""Partitions that move, and what ends the worker by name, on a real Kafka. More of it, over seeds: tests/faults."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from tests.support.engine import PARTITIONS, Log, Worker, room_log
from tests.support.kafka import KafkaCluster, wait_until
from tests.support.oracle import newest, oracle
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, ROOMS_TOPIC, VIOLATIONS_TOPIC


@pytest.fixture
def log(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Log:
    return Log(kafka, topic_name("") + ".")


def assert_same_as_oracle(log: Log, *, repeats_max: int = 0) -> int:
    """Every violation of the core is there, byte for byte, and no other; returns how many came again."""
    expected = oracle(log)
    wanted = Counter(sent.content() for sent in expected.violations)
    found = Counter(sent.content() for sent in log.read(VIOLATIONS_TOPIC))
    assert wanted.keys() - found.keys() == set(), "violations are missing"
    assert found.keys() - wanted.keys() == set(), "violations that the core does not know"
    assert newest(log.read(ROOMS_TOPIC)).keys() == newest(expected.rooms).keys()
    repeats = (found - wanted).total()
    assert repeats <= repeats_max, f"{repeats} violations were sent again"
    return repeats


def test_partitions_move_between_two_workers_without_loss_or_repetition(log: Log, tmp_path: Path) -> None:
    records = list(room_log(4, rooms=40, steps=9_000))
    log.create().produce(records[:3_000])
    with Worker(log, tmp_path) as first, Worker(log, tmp_path) as second:
        wait_until(
            lambda: first.metric("partitions_assigned") == second.metric("partitions_assigned") == PARTITIONS // 2,
            timeout_s=60, what=lambda: first.log() + second.log(),
        )  # fmt: skip
        log.produce(records[3_000:6_000])
        log.wait_committed(workers=[first, second])
        assert first.metric("read_total") > 0 and second.metric("read_total") > 0
        log.produce(records[6_000:])
        assert first.term() == 0, first.log()
        log.wait_quiet(second)
        assert second.term() == 0, second.log()
    assert_same_as_oracle(log)


# ---- never silent


def test_a_committed_offset_that_leads_the_state_ends_the_worker(log: Log, tmp_path: Path) -> None:
    log.create().produce(room_log(9, rooms=10, steps=400))
    ahead = [TopicPartition(log.topic(EVENTS_TOPIC), 1, 10)]
    group = ConsumerGroupTopicPartitions(log.app_id, ahead)
    log.kafka.admin.alter_consumer_group_offsets([group])[log.app_id].result(10)
    with Worker(log, tmp_path) as worker:
        assert worker.wait() == 1
        last = worker.log().strip().splitlines()[-1]
        assert f"partition 1: offset 10 is committed, but changelog {log.changelog} has no state" in last


def test_a_flood_of_bad_records_stops_the_worker_and_not_the_log(log: Log, tmp_path: Path) -> None:
    good = list(room_log(10, rooms=10, steps=400))
    log.create().produce(good)
    with Worker(log, tmp_path) as worker:
        log.wait_committed(workers=[worker])
        before = log.committed()
        log.produce([(b"room:1", b"rubbish", good[-1][2])] * 600)
        assert worker.wait() == 1
        last = worker.log().strip().splitlines()[-1]
        assert "the worker stops: BreakerTripped" in last
        assert "records in a row were rejected" in last or "of the last 1000 records were rejected" in last
    assert sum(log.committed().values()) - sum(before.values()) < 600
    assert len(log.read(DEAD_LETTERS_TOPIC)) < 600
