"""What the driver writes to a real Kafka: whole, in order, and never waiting for ever."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.kafka.test_transport_delivery import write
from tests.support.kafka import KafkaCluster
from tests.support.transport_app import QUICK, TransportApp
from worker.records import OutRecord
from worker.transport import SendError

Names = Callable[[str], str]


def read(kafka: KafkaCluster, topic: str, partition: int, count: int) -> list[tuple[int, bytes | None, bytes | None]]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0)])
    found: list[tuple[int, bytes | None, bytes | None]] = []
    while len(found) < count and (message := consumer.poll(10)) is not None:
        found.append((message.offset(), message.key(), message.value()))
    consumer.close()
    return found


def test_a_large_snapshot_arrives_in_order_in_the_partition_asked_for(kafka: KafkaCluster, topic_name: Names) -> None:
    topic, group = kafka.create_topic(topic_name("events"), 1), topic_name("group")
    target = kafka.create_topic(topic_name("changelog"), 2, cleanup_policy="compact")
    write(kafka, topic, [b"x"])
    records = [
        OutRecord(topic, b"%d" % i, None if i % 10 == 0 else b"%d" % i * 100, (("v", b"1"),)) for i in range(5000)
    ]

    async def body() -> None:
        app = TransportApp(kafka.bootstrap, topic, group)
        async with app.running():
            assert await app.app.producer.send_batch(target, 1, records) == 4999
            assert await app.app.producer.send_batch(target, 1, []) is None
            assert await app.app.producer.send_batch(target, 1, records[:3]) == 5002

    asyncio.run(body())
    assert read(kafka, target, 1, 5003) == [(i, r.key, r.value) for i, r in enumerate([*records, *records[:3]])]


def test_a_topic_that_does_not_exist_is_given_up(kafka: KafkaCluster, topic_name: Names) -> None:
    topic, group = kafka.create_topic(topic_name("events"), 1), topic_name("group")

    async def body() -> None:
        app = TransportApp(kafka.bootstrap, topic, group, settings=replace(QUICK, producer_timeout_s=0.5))
        async with app.running():
            with pytest.raises(SendError, match="absent"):
                await app.app.producer.send("absent", b"k", b"v", 0, None, None)
            with pytest.raises(SendError, match="absent-0: not acknowledged within"):
                await app.app.producer.send_batch("absent", 0, [OutRecord("absent", b"k", b"v")])

    asyncio.run(body())


def test_a_record_beyond_the_brokers_limit_is_an_error(kafka: KafkaCluster, topic_name: Names) -> None:
    topic, group = kafka.create_topic(topic_name("events"), 1), topic_name("group")

    async def body() -> None:
        app = TransportApp(kafka.bootstrap, topic, group)
        async with app.running():
            with pytest.raises(SendError, match="TooLarge"):
                await app.app.producer.send_batch(
                    topic, 0, [OutRecord(topic, b"k", b"v"), OutRecord(topic, b"k", os.urandom(2_000_000))]
                )

    asyncio.run(body())
