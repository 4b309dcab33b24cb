"""What the driver delivers from a real Kafka: everything that was committed to the log, in order, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.support.kafka import KafkaCluster, wait_until
from tests.support.transport_app import QUICK, TransportApp, until
from worker.clock import now_ms

PUBLIC = replace(QUICK, direct=False)
BOTH_PATHS = pytest.mark.parametrize("settings", [QUICK, PUBLIC], ids=["direct", "public"])
Names = Callable[[str], str]


def write(kafka: KafkaCluster, topic: str, values: list[bytes], partitions: int = 1, **config: object) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 5, **config})
    for i, value in enumerate(values):
        producer.produce(topic, value, key=b"k%d" % i, partition=i % partitions)
    assert producer.flush(30) == 0


def transaction(kafka: KafkaCluster, topic: str, identity: str, values: list[bytes], *, commit: bool) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": identity})
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, key=value, partition=0)
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def committed(kafka: KafkaCluster, group: str, topic: str, partition: int = 0) -> int:
    """As the broker has it."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    try:
        return int(consumer.committed([TopicPartition(topic, partition)], timeout=10)[0].offset)
    finally:
        consumer.close()


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_arrives_once_and_in_order_over_several_commits(
    kafka: KafkaCluster, topic_name: Names, codec: str
) -> None:
    topic, group = kafka.create_topic(topic_name("events"), 2), topic_name("group")
    values = [b"event %d" % i * 10 for i in range(4000)]
    write(kafka, topic, values[:2000], 2, **{"compression.type": codec})

    async def body() -> None:
        app = TransportApp(kafka.bootstrap, topic, group)
        async with app.running():
            await until(lambda: sum(app.counts.committed.values()) == 2000, what="the first half committed")
            write(kafka, topic, values[2000:], 2, **{"compression.type": codec})
            await until(lambda: sum(app.counts.committed.values()) == 4000, what="all committed")
        assert app.hooks.problems == []
        assert app.offsets(0) == app.offsets(1) == list(range(2000))
        assert sorted(v or b"" for _, _, v in app.received) == sorted(values)

    asyncio.run(body())
    assert committed(kafka, group, topic) == 2000


@BOTH_PATHS
def test_a_restarted_worker_goes_on_where_the_last_commit_was(
    kafka: KafkaCluster, topic_name: Names, settings: object
) -> None:
    topic, group = kafka.create_topic(topic_name("events"), 3), topic_name("group")
    write(kafka, topic, [b"%d" % i for i in range(3000)], 3)

    async def body(expect: int) -> TransportApp:
        app = TransportApp(kafka.bootstrap, topic, group, settings=settings)  # type: ignore[arg-type]
        async with app.running():
            await until(lambda: len(app.received) >= expect)
        assert app.hooks.problems == []
        return app

    first = asyncio.run(body(3000))
    write(kafka, topic, [b"%d" % i for i in range(600)], 3)
    second = asyncio.run(body(600))
    assert len(first.received) == 3000 and len(second.received) == 600
    assert min(second.offsets(0)) == 1000, "the stop had to commit what was processed"


@BOTH_PATHS
def test_records_of_aborted_transactions_are_never_delivered(
    kafka: KafkaCluster, topic_name: Names, settings: object
) -> None:
    topic, group = kafka.create_topic(topic_name("events"), 1), topic_name("group")
    transaction(kafka, topic, topic_name("a"), [b"aborted"] * 50, commit=False)
    transaction(kafka, topic, topic_name("b"), [b"kept"] * 50, commit=True)
    transaction(kafka, topic, topic_name("c"), [b"aborted"] * 50, commit=False)

    async def body() -> None:
        app = TransportApp(kafka.bootstrap, topic, group, settings=settings)  # type: ignore[arg-type]
        async with app.running():
            # 150 records and three control records: the tail has nothing to deliver, yet is committed.
            await until(lambda: sum(app.counts.committed.values()) == 153, what="the aborted tail is passed")
        assert app.hooks.problems == []
        assert {value for _, _, value in app.received} == {b"kept"} and len(app.received) == 50
        assert app.counts.lost_records == 0

    asyncio.run(body())


@BOTH_PATHS
def test_a_log_that_lost_its_beginning_is_counted_as_data_loss(
    kafka: KafkaCluster, topic_name: Names, settings: object
) -> None:
    topic, group = kafka.create_topic(topic_name("events"), 1), topic_name("group")
    write(kafka, topic, [b"%d" % i for i in range(1000)])

    async def body(expect: int) -> TransportApp:
        app = TransportApp(kafka.bootstrap, topic, group, settings=settings)  # type: ignore[arg-type]
        async with app.running():
            await until(lambda: len(app.received) >= expect)
            await until(lambda: bool(app.counts.committed))
        return app

    first = asyncio.run(body(1000))
    assert first.counts.lost_records == 0
    write(kafka, topic, [b"%d" % i for i in range(1000)])
    kafka.admin.delete_records([TopicPartition(topic, 0, 1400)])[TopicPartition(topic, 0)].result(30)
    second = asyncio.run(body(600))
    assert second.counts.lost_records == 400
    assert second.offsets() == list(range(1400, 2000))


@pytest.mark.slow
@BOTH_PATHS
def test_holes_of_a_compacted_source_are_neither_loss_nor_obstacle(
    kafka: KafkaCluster, topic_name: Names, settings: object
) -> None:
    topic = kafka.create_topic(
        topic_name("events"), 1, cleanup_policy="compact", segment_ms=100, min_cleanable_dirty_ratio=0.001
    )
    group = topic_name("group")
    for _ in range(4):
        write(kafka, topic, [b"x" * 100] * 200)

    def left() -> list[int]:
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "scan", "enable.auto.commit": False})
        consumer.assign([TopicPartition(topic, 0, 0)])
        offsets: list[int] = []
        while (message := consumer.poll(2)) is not None:
            offsets.append(message.offset())
            if message.offset() == 800:
                break
        consumer.close()
        return offsets

    # Rolls the segment, so that what is before may be compacted: dated past segment_ms, however fast the writes were.
    roller = Producer({"bootstrap.servers": kafka.bootstrap})
    roller.produce(topic, b"last", key=b"k0", partition=0, timestamp=now_ms() + 1_000)
    assert roller.flush(30) == 0
    wait_until(lambda: len(left()) < 600, timeout_s=60, what="compaction")

    async def body() -> None:
        app = TransportApp(kafka.bootstrap, topic, group, settings=settings)  # type: ignore[arg-type]
        async with app.running():
            await until(lambda: app.counts.committed.get(next(iter(app.counts.committed), None)) == 801)
        assert app.hooks.problems == []
        offsets = app.offsets()
        assert offsets == sorted(set(offsets)) and offsets[-1] == 800 and len(offsets) < 801
        assert app.counts.lost_records == 0

    asyncio.run(body())
