"""The in-process mock cluster, and the driver running against it."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import Producer

from tests.support.transport_app import TransportApp, until
from worker.lab.mockcluster import MockCluster, MockClusterError


def write(bootstrap: str, topic: str, values: list[bytes], partitions: int = 1) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    for i, value in enumerate(values):
        producer.produce(topic, value, key=b"room", partition=i % partitions)
    assert producer.flush(30) == 0


def test_the_driver_reads_every_record_of_a_mock_cluster_once_and_commits() -> None:
    values = [f"event {i}".encode() for i in range(2000)]

    async def body(bootstrap: str) -> None:
        app = TransportApp(bootstrap, "events", "mock-reader")
        async with app.running():
            await until(lambda: len(app.received) >= len(values))
            await until(lambda: sum(app.counts.committed.values()) == len(values), what="all committed")
        assert app.hooks.problems == []
        assert sorted(value for _, _, value in app.received) == sorted(values)
        assert app.batches < len(values) / 10, "records came one by one"

    with MockCluster() as cluster:
        cluster.create_topic("events", 2)
        write(cluster.bootstrap, "events", values, partitions=2)
        asyncio.run(body(cluster.bootstrap))


def test_a_topic_is_created_once() -> None:
    with MockCluster(brokers=3) as cluster:
        assert len(cluster.bootstrap.split(",")) == 3
        cluster.create_topic("events", 4)
        with pytest.raises(MockClusterError, match="'events' with 4 partitions"):
            cluster.create_topic("events", 4)


def test_a_stopped_cluster_says_so() -> None:
    cluster = MockCluster().start()
    cluster.stop()
    cluster.stop()
    with pytest.raises(MockClusterError, match="not running"):
        _ = cluster.bootstrap
