"""The Kafka fixture itself: what it serves, and that it survives what tests do to it."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import Producer

from tests.support.kafka import KafkaCluster


def produce(cluster: KafkaCluster, topic: str, value: bytes) -> int:
    """Offset at which the broker acknowledged the record."""
    delivered: list[tuple[object, int]] = []
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    producer.produce(
        topic,
        value,
        key=b"room",
        on_delivery=lambda error, message: delivered.append((error, message.offset())),
    )
    assert producer.flush(30) == 0
    error, offset = delivered[0]
    assert error is None, error
    return offset


def test_a_topic_takes_records(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> None:
    topic = kafka.create_topic(topic_name("events"), 3, cleanup_policy="compact")
    assert len(kafka.admin.list_topics(topic).topics[topic].partitions) == 3
    assert produce(kafka, topic, b"x") == 0


def test_a_killed_broker_comes_back_with_its_records(mortal: KafkaCluster, topic_name: Callable[[str], str]) -> None:
    topic = mortal.create_topic(topic_name("events"), 1)
    assert produce(mortal, topic, b"before") == 0
    mortal.kill9(0)
    mortal.restart(0)
    assert produce(mortal, topic, b"after") == 1
