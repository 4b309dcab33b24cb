"""What an earlier release left, read when a partition has no state of this one."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from worker.partition.past import HistoryError
from worker.records import Record
from worker.state.registry import read_registry

ReadHistory = Callable[[Collection[int]], Awaitable[Mapping[int, Sequence[Record]]]]
"""Partitions of the history → their records."""


async def no_history(partitions: Collection[int]) -> Mapping[int, Sequence[Record]]:
    """Where no earlier release has left anything."""
    return {}


async def read_history(
    make_consumer: Callable[[], AIOKafkaConsumer], topic: str, partitions: Collection[int]
) -> dict[int, list[Record]]:
    """All records of partitions of the history, to their present end; none where no release left anything.

    Raises HistoryError when one of them is empty and others are not: an export ends in every partition. Raises
    TimeoutError when nothing came for a minute, or a Kafka error.
    """
    if not partitions:
        return {}
    found: dict[int, list[Record]] = await read_registry(make_consumer, topic, dict.fromkeys(partitions, 0))
    missing = sorted(set(partitions) - found.keys())
    if missing and (found or await _holds_anything(make_consumer, topic)):
        raise HistoryError(
            f"{topic} holds nothing in partition {missing[0]} but something in others: the export was cut off. Repeat "
            "`stream-audit history export`"
        )
    return found


async def _holds_anything(make_consumer: Callable[[], AIOKafkaConsumer], topic: str) -> bool:
    consumer = make_consumer()
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.beginning_offsets([TopicPartition(topic, 0)])  # brings the topic's metadata
        numbers = sorted(consumer.partitions_for_topic(topic) or ())
        ends = await consumer.end_offsets([TopicPartition(topic, number) for number in numbers])
    finally:
        await consumer.stop()
    return any(ends.values())
