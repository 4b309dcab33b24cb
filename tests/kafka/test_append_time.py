"""A room log whose first records have their producers' time, on a real Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.support.altering import alter
from tests.support.engine import Log, Worker
from tests.support.kafka import KafkaCluster, wait_until
from tests.support.oracle import newest, oracle
from worker.state import codec
from worker.tools.kafkalog import KafkaLog
from worker.topics import EVENTS_TOPIC, ROOMS_TOPIC, TIMESTAMP_TYPE, VIOLATIONS_TOPIC

HOUR = 3_600_000


@pytest.fixture
def log(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Iterator[Log]:
    """A log of two partitions that keeps its producers' time until a test alters it."""
    made = Log(kafka, topic_name("") + ".", partitions=2).create()
    alter(kafka, made.topic(EVENTS_TOPIC), TIMESTAMP_TYPE, "CreateTime")
    yield made
    made.delete()


def put(log: Log, partition: int, n: int, timestamp: int) -> None:
    send(log, partition, timestamp, {"type": "viewer.liked", "id": f"e{n}", "room_id": f"r{partition}", "count": 1})


def send(log: Log, partition: int, timestamp: int, *events: dict[str, object]) -> None:
    """Sends events of one time, which their producer writes upon the records, too."""
    producer = Producer({"bootstrap.servers": log.kafka.bootstrap})
    for event in events:
        value = json.dumps({**event, "at_ms": event.get("at_ms", timestamp)}).encode()
        producer.produce(log.topic(EVENTS_TOPIC), value, str(event["room_id"]).encode(), partition, timestamp=timestamp)
    assert producer.flush(10) == 0


def appended(log: Log, partition: int) -> list[int]:
    with KafkaLog(log.kafka.bootstrap) as reader:
        return [record.timestamp for record in reader.read_rooms(log.topic(EVENTS_TOPIC), partition)]


def baseline_in_state(log: Log, partition: int) -> int:
    metas = [s.value for s in log.read(log.changelog) if s.partition == partition and s.key == codec.META_KEY]
    return codec.decode_meta(metas[-1] or b"").baseline_ms if metas else 0


def test_a_producers_time_waits_for_the_brokers_and_is_bounded_by_it(log: Log, tmp_path: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    put(log, 0, 0, now_ms - 2 * HOUR)
    put(log, 0, 1, now_ms + HOUR // 2)  # half an hour ahead, which nothing contradicts yet
    alter(log.kafka, log.topic(EVENTS_TOPIC), TIMESTAMP_TYPE, "LogAppendTime")
    put(log, 1, 2, 0)
    with Worker(log, tmp_path) as worker:
        worker.wait_ready()
        wait_until(lambda: log.committed()[1] == 1, timeout_s=60, what=worker.log)
        wait_until(lambda: worker.metric("partition_waits") == 1, timeout_s=60, what=worker.log)
        assert log.committed()[0] == 0, "one partition waits, the other goes on"
        assert 'partition_waits{partition="0",reason="baseline"} 1' in worker.get("metrics")
        put(log, 0, 3, 0)
        wait_until(lambda: log.committed()[0] == 3, timeout_s=60, what=worker.log)
        wait_until(lambda: worker.metric("partition_waits") == 0, timeout_s=10, what=worker.log)
        assert worker.metric("partition_waits_total") == 1
        assert worker.term() == 0, worker.log()
    assert "partition 0 waits before offset 0" in worker.path.read_text()
    first, second, third = appended(log, 0)
    assert first == now_ms - 2 * HOUR
    assert second == third == baseline_in_state(log, 0), "the record with the broker's time bounds the one before it"
    assert third < now_ms + HOUR // 2


def beat(room_id: str, n: int, started_ms: int) -> dict[str, object]:
    descriptor = {"platform": "wechat_channels", "region": "CN", "host_id": "h", "selling": True, "viewers": 9}
    return {"type": "room.heartbeat", "id": f"h{room_id}{n}", "room_id": room_id, "session_id": "s",
            "started_at_ms": started_ms, **descriptor}  # fmt: skip


def like(room_id: str, n: int) -> dict[str, object]:
    return {"type": "viewer.liked", "id": f"l{room_id}{n}", "room_id": room_id, "session_id": "s", "count": 1}


def test_a_room_that_was_evicted_is_judged_as_if_it_had_not_been(log: Log, tmp_path: Path) -> None:
    """Silent for 7 h of append time it begins again, in a worker as in a replay that evicts no one. An event that says
    it is 5 h ahead makes no other room go."""
    now_ms = time.time_ns() // 1_000_000
    started_ms = now_ms - 8 * HOUR
    mark = {"type": "watermark.read", "scheme": "w", "detector": "d", "outcome": "detected", "session_id": "s"}
    # Likes alone: the identity agent would answer a room that says who it is, and break its silence.
    send(log, 0, now_ms - 7 * HOUR, like("silent", 1), like("silent", 2))
    send(log, 0, now_ms - 3 * HOUR, like("kept", 1), like("kept", 2))
    alter(log.kafka, log.topic(EVENTS_TOPIC), TIMESTAMP_TYPE, "LogAppendTime")
    send(log, 0, now_ms, like("busy", 1))
    send(log, 0, now_ms + 5 * HOUR, like("busy", 2))
    with Worker(log, tmp_path) as worker:
        wait_until(lambda: log.committed()[0] == 6, timeout_s=60, what=worker.log)
        send(log, 0, now_ms, like("busy", 3))  # a flush evicts what was committed before it
        wait_until(lambda: worker.metric("rooms_expired_total") == 1, timeout_s=60, what=worker.log)
        assert worker.metric("rooms_live") == 2
        for room_id in ("silent", "kept"):
            send(log, 0, now_ms, beat(room_id, 2, started_ms), {**mark, "id": f"w{room_id}", "room_id": room_id})
        log.wait_quiet(worker)
        assert worker.term() == 0, worker.log()
    expected = oracle(log)
    found = log.read(VIOLATIONS_TOPIC)
    assert [sent.content() for sent in found] == [sent.content() for sent in expected.violations]
    assert newest(log.read(ROOMS_TOPIC)) == newest(expected.rooms)
    begins = {sent.key: json.loads(sent.value or b"")["log"]["first_offset"] for sent in found}
    assert begins == {b"silent": 7, b"kept": 2}


def test_a_worker_that_takes_over_knows_the_bound_from_the_state(log: Log, tmp_path: Path) -> None:
    """Also when the batch that set it is gone."""
    alter(log.kafka, log.topic(EVENTS_TOPIC), TIMESTAMP_TYPE, "LogAppendTime")
    put(log, 0, 0, 0)
    with Worker(log, tmp_path) as worker:
        wait_until(lambda: log.committed()[0] == 1, timeout_s=60, what=worker.log)
        assert worker.term() == 0, worker.log()
    bound_ms = baseline_in_state(log, 0)
    assert bound_ms == appended(log, 0)[0]
    put(log, 0, 1, 0)
    with Worker(log, tmp_path) as worker:
        wait_until(lambda: log.committed()[0] == 2, timeout_s=60, what=worker.log)
        assert worker.term() == 0, worker.log()
    assert baseline_in_state(log, 0) == bound_ms
