"""Looks into a log for its first record with the broker's time, beside the driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka.structs import TopicPartition

from worker.partition.append_time import BaselineSearch

LOOK_TIMEOUT_S = 5.0


async def find_baseline(make: Callable[[], Any], topic: str, partition: int) -> int | None:
    """The append time of the partition's first LogAppendTime batch; None while it has none.

    `make` gives a consumer without a group, which is started and stopped here. Raises what a client raises.
    """
    consumer, tp = make(), TopicPartition(topic, partition)
    await consumer.start()
    try:
        consumer.assign([tp])
        first, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
        search = BaselineSearch(first, end)
        while (offset := search.offset()) is not None:
            consumer.seek(tp, offset)
            search.tell(await _look(consumer))
        return search.baseline_ms
    finally:
        await consumer.stop()


async def _look(consumer: Any) -> tuple[int, int, int] | None:
    """The next record's offset, timestamp and kind of timestamp; None when only control records are left."""
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            record = await consumer.getone()
    except TimeoutError:
        return None
    return record.offset, record.timestamp, record.timestamp_type
