"""The registry from where the state has it to its end, read at a takeover."""

import asyncio
from collections.abc import Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from worker.records import Record

SILENCE_S = 60.0
POLL_MS = 500


async def read_registry(
    make_consumer: Callable[[], AIOKafkaConsumer], topic: str, starts: Mapping[int, int]
) -> dict[int, list[Record]]:
    """Records of each partition from its start offset to its present end; partitions without any are left out.

    A registry of millions takes minutes: raises TimeoutError when nothing came for one, or a Kafka error.
    """
    found: dict[int, list[Record]] = {}
    consumer = make_consumer()
    await consumer.start()
    try:
        async with asyncio.timeout(SILENCE_S) as patience:
            partitions = [TopicPartition(topic, partition) for partition in starts]
            consumer.assign(partitions)
            begins = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            for tp in partitions:
                consumer.seek(tp, max(starts[tp.partition], begins[tp]))
            left = [tp for tp in partitions if max(starts[tp.partition], begins[tp]) < ends[tp]]
            while left:
                came = await consumer.getmany(*left, timeout_ms=POLL_MS)
                for tp, records in came.items():
                    found.setdefault(tp.partition, []).extend(records)
                if came:
                    patience.reschedule(asyncio.get_running_loop().time() + SILENCE_S)
                left = [tp for tp in left if await consumer.position(tp) < ends[tp]]
    finally:
        await consumer.stop()
    return found
