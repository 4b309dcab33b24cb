"""Releases one after the other on a real Kafka: forward, back, and beside each other, without loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition

from tests.support.altering import alter
from tests.support.changelog_fixture import HALF, POLICIES, SENT, changelog_of, log_of
from tests.support.engine import Log, Sent, Worker
from tests.support.headers import header
from tests.support.kafka import KafkaCluster
from tests.support.oracle import oracle
from worker.audit import snapshot
from worker.topics import APPEND_TIME, EVENTS_TOPIC, TIMESTAMP_TYPE, VIOLATIONS_TOPIC

FIXTURES = Path(__file__).resolve().parents[1] / "data" / "changelog"
PRESENT, OLD = FIXTURES / str(snapshot.VERSION), FIXTURES / "1"


def left_by(release: Path, log: Log) -> None:
    """The topics and the group as a release leaves them when it is stopped in the middle of the log.

    Records keep the times with which the release judged them, as those do that precede the broker's own.
    """
    records = [(r.key or b"", r.value or b"", r.timestamp) for r in log_of(PRESENT)]
    events = log.create().topic(EVENTS_TOPIC)
    alter(log.kafka, events, TIMESTAMP_TYPE, "CreateTime")
    log.produce(records)
    alter(log.kafka, events, TIMESTAMP_TYPE, APPEND_TIME)
    log.produce(records[-1:])
    producer = Producer({"bootstrap.servers": log.kafka.bootstrap, "enable.idempotence": True})
    for write in changelog_of(release):
        producer.produce(log.changelog, write.value, write.key, 0)
    assert producer.flush(30) == 0
    at = ConsumerGroupTopicPartitions(log.app_id, [TopicPartition(log.topic(EVENTS_TOPIC), 0, HALF)])
    log.kafka.admin.alter_consumer_group_offsets([at])[log.app_id].result(10)


@pytest.fixture
def log(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Log:
    return Log(kafka, topic_name("") + ".", partitions=1)


def ids(sent: list[Sent]) -> set[str]:
    return {header(record, "ce_id").decode() for record in sent}


def test_a_release_goes_on_from_the_state_of_the_first_one_of_its_version(log: Log, tmp_path: Path) -> None:
    left_by(PRESENT, log)
    with Worker(log, tmp_path, POLICIES_DIR=str(PRESENT / POLICIES)) as worker:
        log.wait_quiet(worker)
        assert worker.term() == 0, worker.log()
    before = set(json.loads((PRESENT / SENT).read_text()))
    assert before | ids(log.read(VIOLATIONS_TOPIC)) == ids(oracle(log, PRESENT / POLICIES).violations)


def test_a_release_of_another_version_runs_beside_the_old_one_which_can_come_back(log: Log, tmp_path: Path) -> None:
    left_by(OLD, log)
    state, offsets = log.read(log.changelog), log.committed()
    with Worker(log, tmp_path) as in_place:
        assert in_place.wait() == 1
        assert "run this one beside it under another STREAM_AUDIT_APP_ID" in in_place.log()
    beside = Beside(log.kafka, log.prefix, partitions=1).create_changelogs()
    with Worker(beside, tmp_path) as new:
        beside.wait_quiet(new)
        assert new.term() == 0, new.log()
    assert ids(log.read(VIOLATIONS_TOPIC)) == ids(oracle(log).violations), "everything is judged from the beginning"
    assert log.read(log.changelog) == state, "the old release finds its state as it left it"
    assert log.committed() == offsets


class Beside(Log):
    """The same topics, for another group with changelogs of its own."""

    @property
    def app_id(self) -> str:
        return f"{self.prefix}worker-2"

    def create_changelogs(self) -> Beside:
        for table in ("rooms", "identities"):
            self.kafka.create_topic(f"{self.app_id}-{table}-changelog", self.partitions, cleanup_policy="compact")
        return self
