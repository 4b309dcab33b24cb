"""The whole worker on a real Kafka: what it emits is what the pure core says, to the byte."""

import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from tests.support.altering import alter
from tests.support.engine import Content, Log, Sent, Worker, room_log
from tests.support.kafka import KafkaCluster, wait_until
from tests.support.oracle import newest, oracle
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, REQUESTS_TOPIC, ROOMS_TOPIC, VIOLATIONS_TOPIC


@pytest.fixture
def log(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Log:
    return Log(kafka, topic_name("") + ".")


def by_room(records: Sequence[Sent]) -> list[Content]:
    """Contents, in order within each room: rooms do not wait for each other."""
    return [sent.content() for sent in sorted(records, key=lambda sent: (sent.partition, sent.key or b""))]


def test_a_run_emits_exactly_what_the_core_says_and_ends_cleanly(log: Log, tmp_path: Path) -> None:
    log.create()
    began_s = time.time()
    log.produce(room_log(1, rooms=40, steps=6_000))
    with Worker(log, tmp_path) as worker:
        worker.wait_ready()
        log.wait_quiet(worker)
        expected = oracle(log)
        assert len(expected.violations) > 50
        assert len(expected.dead_letters) > 50
        assert worker.metric("read_total") == sum(log.ends().values()) > 6_000, "the identity agent answers"
        assert worker.metric("lag_records") == 0
        assert worker.metric("applied_total") == expected.counts.applied
        assert worker.metric("violations_total") == len(expected.violations)
        assert worker.metric("violation_delay_seconds_count") == len(expected.violations)
        mean_s = worker.metric("violation_delay_seconds_sum") / len(expected.violations)
        assert 0 < mean_s < time.time() - began_s, "delay counts from when the broker appended the event's record"
        assert worker.term() == 0, worker.log()
    assert by_room(log.read(VIOLATIONS_TOPIC)) == by_room(expected.violations)
    assert by_room(log.read(DEAD_LETTERS_TOPIC)) == by_room(expected.dead_letters)
    assert newest(log.read(ROOMS_TOPIC)) == newest(expected.rooms)
    assert log.committed() == log.ends()


def test_requests_arrive_as_the_core_makes_them_and_can_be_switched_off_without_changing_a_verdict(
    log: Log, tmp_path: Path
) -> None:
    records = list(room_log(6, rooms=10, steps=3_000))
    log.create().produce(records)
    with Worker(log, tmp_path) as worker:
        log.wait_quiet(worker)
        expected = oracle(log)
        assert worker.metric("requests_total") == len(expected.requests) >= 10
        assert worker.term() == 0, worker.log()
    assert by_room(log.read(REQUESTS_TOPIC)) == by_room(expected.requests)
    silent = Log(log.kafka, log.prefix + "silent.").create(without=[REQUESTS_TOPIC])
    silent.produce(records)
    with Worker(silent, tmp_path, REQUESTS="off") as worker:
        silent.wait_quiet(worker)
        assert worker.term() == 0, worker.log()
    assert by_room(silent.read(VIOLATIONS_TOPIC)) == by_room(oracle(silent).violations)


def test_a_restarted_worker_goes_on_from_its_changelog_without_repeats(log: Log, tmp_path: Path) -> None:
    records = list(room_log(2, rooms=30, steps=6_000))
    log.create().produce(records[:3_000])
    with Worker(log, tmp_path) as first:
        log.wait_quiet(first)
        assert first.term() == 0, first.log()
    before = sum(log.ends().values())
    log.produce(records[3_000:])
    with Worker(log, tmp_path) as second:
        log.wait_quiet(second)
        assert second.metric("read_total") == sum(log.ends().values()) - before, "nothing is processed twice"
        assert second.metric("changelog_records_total") > 0
        assert second.term() == 0, second.log()
    assert by_room(log.read(VIOLATIONS_TOPIC)) == by_room(oracle(log).violations)


def no_lag(worker: Worker, partitions: int) -> bool:
    known = worker.get("metrics").count("stream_audit_lag_records{") == partitions
    return known and worker.metric("lag_records") == 0


def forget(log: Log, *partitions: int) -> None:
    """What the retention of the room log does in the end."""
    ends = log.ends()
    asked = log.kafka.admin.delete_records([TopicPartition(log.topic(EVENTS_TOPIC), p, ends[p]) for p in partitions])
    for answer in asked.values():
        answer.result(30)


def test_a_worker_with_nothing_left_to_read_shows_no_lag(log: Log, tmp_path: Path) -> None:
    """Because it is committed, because it has aged out before anybody came, or since the last commit."""
    log.create().produce(room_log(3, rooms=30, steps=1_000))
    forget(log, 0)
    for more in (False, False, True, False):
        if more:
            log.produce(room_log(4, rooms=30, steps=300))
            forget(log, *range(log.partitions))
        with Worker(log, tmp_path) as worker:
            worker.wait_ready()
            # Without a fetch the log's end is known only after a while.
            wait_until(partial(no_lag, worker, partitions=log.partitions), timeout_s=60, what=worker.log)
            assert worker.term() == 0, worker.log()


def test_a_missing_topic_is_reported_at_start_and_never_waited_for(log: Log, tmp_path: Path) -> None:
    log.create(without=[VIOLATIONS_TOPIC, DEAD_LETTERS_TOPIC])
    with Worker(log, tmp_path) as worker:
        assert worker.wait() == 1
        for name in (VIOLATIONS_TOPIC, DEAD_LETTERS_TOPIC):
            assert f"start: {log.topic(name)}: topic is missing" in worker.log()


def test_a_log_that_keeps_its_producers_clocks_is_refused_with_the_words_that_alter_it(
    log: Log, tmp_path: Path
) -> None:
    log.create(without=[EVENTS_TOPIC])
    log.kafka.create_topic(log.topic(EVENTS_TOPIC), log.partitions)
    with Worker(log, tmp_path) as worker:
        assert worker.wait() == 1
        said = worker.log()
        assert f"start: {log.topic(EVENTS_TOPIC)}: message.timestamp.type is CreateTime, must be LogAppendTime" in said
        told = re.search(r"`kafka-configs\.sh .* --entity-name (\S+) --add-config ([\w.]+)=(\w+)`", said)
        assert told is not None, said
    alter(log.kafka, *told.groups())
    with Worker(log, tmp_path) as worker:
        worker.wait_ready()
        assert worker.term() == 0, worker.log()


def test_a_lack_that_a_broker_does_not_have_is_refused(log: Log, tmp_path: Path) -> None:
    """Declared by mistake, it would let producers' clocks decide."""
    log.create()
    with Worker(log, tmp_path, BROKER_LACKS="append_time=producer") as worker:
        assert worker.wait() == 1
        assert "STREAM_AUDIT_BROKER_LACKS=append_time=producer: this broker has append time" in worker.log()


def test_a_changelog_of_other_partitions_or_cleanup_is_refused(log: Log, tmp_path: Path) -> None:
    kept = {"cleanup_policy": "delete"}
    for name in (EVENTS_TOPIC, VIOLATIONS_TOPIC, DEAD_LETTERS_TOPIC):
        log.kafka.create_topic(log.topic(name), 4, **kept)
    log.kafka.create_topic(log.topic(ROOMS_TOPIC), 4, cleanup_policy="compact")
    log.kafka.create_topic(log.changelog, 2, **kept)
    with Worker(log, tmp_path) as worker:
        assert worker.wait() == 1
        assert f"{log.changelog}: partitions is 2, must be 4" in worker.log()
        assert f"{log.changelog}: cleanup.policy is delete, must be compact" in worker.log()


def test_a_broker_that_does_not_answer_is_reported_at_start(log: Log, tmp_path: Path) -> None:
    with Worker(log, tmp_path, ROOMS_MAX="nonsense") as worker:
        assert worker.wait() == 1
        assert "settings: STREAM_AUDIT_ROOMS_MAX='nonsense'" in worker.log()
