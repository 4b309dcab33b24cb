"""Consumers without a group: their end is nobody's cancellation but their own fetches'."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiokafka import TopicPartition

from tests.support.transport_app import until
from worker.lab.mockcluster import MockCluster
from worker.settings import load_settings
from worker.transport.lone import LoneConsumer, lone_consumer


def with_a_fetch_that_has_not_begun(body: Callable[[LoneConsumer], Awaitable[None]]) -> None:
    async def run(bootstrap: str) -> None:
        consumer = lone_consumer(load_settings({"STREAM_AUDIT_BROKERS": bootstrap}))
        await consumer.start()
        consumer.assign([TopicPartition("events", 0)])
        consumer._fetcher._pending_tasks.add(asyncio.ensure_future(asyncio.sleep(60)))
        await body(consumer)

    with MockCluster() as cluster:
        cluster.create_topic("events", 1)
        asyncio.run(run(cluster.bootstrap))


def test_a_fetch_that_has_not_begun_does_not_cancel_who_stops_its_consumer() -> None:
    async def body(consumer: LoneConsumer) -> None:
        await consumer.stop()
        assert not consumer._client._conns, "a connection was left"
        assert all(task.done() for task in consumer._fetcher._pending_tasks)

    with_a_fetch_that_has_not_begun(body)


def test_aiokafkas_own_stop_would() -> None:
    async def body(consumer: LoneConsumer) -> None:
        with pytest.raises(asyncio.CancelledError):
            await super(LoneConsumer, consumer).stop()
        await consumer._client.close()

    with_a_fetch_that_has_not_begun(body)


def test_a_caller_that_is_cancelled_while_it_stops_a_consumer_stays_so() -> None:
    async def body(consumer: LoneConsumer) -> None:
        stopping = asyncio.ensure_future(consumer.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        await asyncio.wait({stopping})
        assert stopping.cancelled()
        await until(lambda: not consumer._client._conns, what="connections closed")

    with_a_fetch_that_has_not_begun(body)
