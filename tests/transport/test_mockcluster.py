"""The in-process mock cluster, and the driver running against it."""

from __future__ import annotations

import asyncio
import dataclasses
import gc

import pytest
from confluent_kafka import Producer

from tests.support.transport_app import QUICK, TransportApp, until
from worker.lab.mockcluster import MockCluster, MockClusterError
from worker.transport import FetchBatch


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
        assert sorted(value or b"" for _, _, value in app.received) == sorted(values)
        assert app.batches < len(values) / 10, "records came one by one"

    with MockCluster() as cluster:
        cluster.create_topic("events", 2)
        write(cluster.bootstrap, "events", values, partitions=2)
        asyncio.run(body(cluster.bootstrap))


@pytest.mark.slow
def test_records_are_let_go_when_they_are_acknowledged_not_when_they_are_committed() -> None:
    settings = dataclasses.replace(QUICK, commit_interval_s=600, batch_records=1)
    values = [f"event {i}".encode() for i in range(2000)]

    def held() -> int:
        return sum(type(thing) is FetchBatch for thing in gc.get_objects())

    async def body(bootstrap: str) -> None:
        app = TransportApp(bootstrap, "events", "releasing-reader", settings=settings)
        async with app.running():
            await until(lambda: len(app.received) == len(values))
            assert not app.counts.committed
            assert app.batches > 20
            await until(lambda: held() <= 3, timeout_s=5, what=f"{app.batches} batches released")
        assert app.hooks.problems == []

    with MockCluster() as cluster:
        cluster.create_topic("events", 1)
        for first in range(0, len(values), 50):
            write(cluster.bootstrap, "events", values[first : first + 50])
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
