"""Faults that the worker survives on a real Kafka: nothing lost, and what is repeated is the same to the byte."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition

from tests.support.engine import PARTITIONS, Log, Worker, newest, oracle, room_log
from tests.support.kafka import KafkaCluster, wait_until
from worker.processor import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, ROOMS_TOPIC, VIOLATIONS_TOPIC


@pytest.fixture
def log(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Log:
    return Log(kafka, topic_name("") + ".")


def assert_same_as_oracle(log: Log, *, repeats_max: int = 0) -> int:
    """Every violation of the core is there, byte for byte, and no other; returns how many came again."""
    wanted = Counter(sent.content() for sent in oracle(log).violations)
    found = Counter(sent.content() for sent in log.read(VIOLATIONS_TOPIC))
    assert wanted.keys() - found.keys() == set(), "violations are missing"
    assert found.keys() - wanted.keys() == set(), "violations that the core does not know"
    assert newest(log.read(ROOMS_TOPIC)).keys() == newest(oracle(log).rooms).keys()
    repeats = (found - wanted).total()
    assert repeats <= repeats_max, f"{repeats} violations were sent again"
    return repeats


@pytest.mark.parametrize("commits", ["none", "some"])
def test_kills_in_the_middle_of_work_lose_nothing(log: Log, tmp_path: Path, commits: str) -> None:
    """Killed before the first commit, or between two of them with snapshots that are ahead of the offsets."""
    # Few rooms: more of each is read again than its memory of recent event ids holds, so offsets alone must tell.
    records = list(room_log(3, rooms=6, steps=15_000))
    log.create()
    quick = {"COMMIT_INTERVAL_S": "0.1", "BATCH_RECORDS": "1000"}
    settings = {"INSTANCE_ID": "pod-0", **({"COMMIT_INTERVAL_S": "5"} if commits == "none" else quick)}

    def reached() -> int:
        ends = log.ends(VIOLATIONS_TOPIC) if commits == "none" else log.committed()
        return sum(ends.values())

    for round_ in range(3 if commits == "some" else 2):
        log.produce(records[round_ * 4_000 : round_ * 4_000 + 4_000])
        before = reached()
        with Worker(log, tmp_path, **settings) as worker:
            wait_until(lambda before=before: reached() > before, timeout_s=40, what=worker.log)  # type: ignore[misc]
            worker.kill9()
    log.produce(records[12_000:])
    with Worker(log, tmp_path, INSTANCE_ID="pod-0") as worker:
        log.wait_committed(workers=[worker])
        suppressed = worker.metric("violations_suppressed_total")
        assert worker.term() == 0, worker.log()
    assert commits == "some" or suppressed > 0, "the last kill left violations that were already sent"
    assert_same_as_oracle(log, repeats_max=20)


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
        log.wait_committed(workers=[second])
        assert second.term() == 0, second.log()
    assert_same_as_oracle(log)


def test_a_zombie_that_wakes_up_does_no_harm(log: Log, tmp_path: Path) -> None:
    records = list(room_log(5, rooms=40, steps=9_000))
    log.create()
    with Worker(log, tmp_path, COMMIT_INTERVAL_S="5") as zombie, Worker(log, tmp_path) as heir:
        wait_until(
            lambda: zombie.metric("partitions_assigned") == heir.metric("partitions_assigned") == PARTITIONS // 2,
            timeout_s=60, what=lambda: zombie.log() + heir.log(),
        )  # fmt: skip
        log.produce(records[:3_000])
        wait_until(lambda: zombie.metric("read_total") > 0, timeout_s=30, what=zombie.log)
        zombie.process.send_signal(signal.SIGSTOP)
        log.produce(records[3_000:6_000])
        log.wait_committed(workers=[heir])  # after the session timeout, the heir has all partitions
        zombie.process.send_signal(signal.SIGCONT)
        log.produce(records[6_000:])
        log.wait_committed(workers=[heir])
        assert heir.term() == 0, heir.log()
        zombie.kill9()
    with Worker(log, tmp_path) as last:  # recovers from what both have written
        log.produce(room_log(6, rooms=40, steps=500))
        log.wait_committed(workers=[last])
        assert last.term() == 0, last.log()
    assert_same_as_oracle(log, repeats_max=100)


@pytest.fixture
def mortal_log(topic_name: Callable[[str], str]) -> Iterator[Log]:
    with KafkaCluster(port=19_300) as cluster:
        yield Log(cluster, topic_name("") + ".")


def test_a_broker_that_is_killed_and_comes_back_costs_nothing(mortal_log: Log, tmp_path: Path) -> None:
    log, records = mortal_log, list(room_log(7, rooms=40, steps=6_000))
    log.create().produce(records[:3_000])
    worker = Worker(log, tmp_path, INSTANCE_ID="pod-0").wait_ready()
    try:
        log.kafka.kill9()
        log.kafka.restart()
        log.produce(records[3_000:])

        def caught_up() -> bool:
            nonlocal worker
            if worker.process.poll() is not None:  # as Kubernetes does
                assert worker.process.returncode == 1, worker.log()
                worker = Worker(log, tmp_path, INSTANCE_ID="pod-0")
            return log.committed() == log.ends()

        wait_until(caught_up, timeout_s=90, what=lambda: worker.log())  # noqa: PLW0108
        assert worker.term() == 0, worker.log()
    finally:
        worker.__exit__()
    assert_same_as_oracle(log, repeats_max=50)


# ---- never silent


def test_a_poisoned_changelog_record_ends_the_worker_by_name(log: Log, tmp_path: Path) -> None:
    log.create().produce(room_log(8, rooms=10, steps=100))
    producer = Producer({"bootstrap.servers": log.kafka.bootstrap})
    producer.produce(log.changelog, b"\0" * 8 + b"\xfe from a later version", b"room:1", 2)
    assert producer.flush(10) == 0
    with Worker(log, tmp_path) as worker:
        assert worker.wait(40) == 1
        last = worker.log().strip().splitlines()[-1]
        assert f"changelog {log.changelog}[2] offset 0, key room:1: snapshot has version 254" in last
    assert sum(log.committed().values()) == 0


def test_a_committed_offset_that_leads_the_state_ends_the_worker(log: Log, tmp_path: Path) -> None:
    log.create().produce(room_log(9, rooms=10, steps=400))
    ahead = [TopicPartition(log.topic(EVENTS_TOPIC), 1, 10)]
    group = ConsumerGroupTopicPartitions(log.app_id, ahead)
    log.kafka.admin.alter_consumer_group_offsets([group])[log.app_id].result(10)
    with Worker(log, tmp_path) as worker:
        assert worker.wait(40) == 1
        last = worker.log().strip().splitlines()[-1]
        assert f"partition 1: offset 10 is committed, but changelog {log.changelog} has no state" in last


def test_a_flood_of_bad_records_stops_the_worker_and_not_the_log(log: Log, tmp_path: Path) -> None:
    good = list(room_log(10, rooms=10, steps=400))
    log.create().produce(good)
    with Worker(log, tmp_path) as worker:
        log.wait_committed(workers=[worker])
        before = log.committed()
        log.produce([(b"room:1", b"rubbish", good[-1][2])] * 600)
        assert worker.wait(40) == 1
        last = worker.log().strip().splitlines()[-1]
        assert "the worker stops: BreakerTripped" in last
        assert "records in a row were rejected" in last or "of the last 1000 records were rejected" in last
    assert sum(log.committed().values()) - sum(before.values()) < 600
    assert len(log.read(DEAD_LETTERS_TOPIC)) < 600
