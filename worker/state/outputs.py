"""What the former owner of a partition had sent after its last flush, so that it is not sent again.

Violations go to the partition number of their source, so the tail of one partition is all there is to read. This
saves repeats, no more: downstream drops repeats by id, and a tail that cannot be read is only counted.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from worker.records import OutRecord

TAIL_RECORDS_MAX = 100_000
READ_TIMEOUT_S = 15.0

Identity = tuple[bytes, bytes]
"""A violation's id and CloudEvents type."""


def identity(headers: Iterable[tuple[str, bytes | None]]) -> Identity:
    """What makes two sent violations the same one. Empty parts when headers are missing."""
    found = dict(headers)
    return found.get("ce_id") or b"", found.get("ce_type") or b""


class Sent:
    """Violations known to be written already, by partition; each is suppressed once."""

    def __init__(self) -> None:
        self._known: dict[int, set[Identity]] = {}
        self.suppressed = 0

    def learn(self, tails: Mapping[int, set[Identity]]) -> None:
        """Replaces what is known of these partitions."""
        self._known.update(tails)

    def forget(self, partition: int) -> None:
        self._known.pop(partition, None)

    def unsent(self, partition: int, violations: list[OutRecord]) -> list[OutRecord]:
        """The violations that were not sent yet, in order."""
        known = self._known.get(partition)
        if not known:
            return violations
        new = []
        for record in violations:
            name = identity(record.headers)
            if name in known:
                known.discard(name)
                self.suppressed += 1
            else:
                new.append(record)
        return new


async def read_tails(
    make_consumer: Callable[[], AIOKafkaConsumer], topic: str, starts: Mapping[int, int]
) -> dict[int, set[Identity]]:
    """Identities in `topic` from each partition's start offset (-1: unknown, so the last 100,000 records) to its end.

    At most 100,000 records of each partition are read, the newest. Raises TimeoutError when the broker does not
    answer in time, or a Kafka error.
    """
    tails: dict[int, set[Identity]] = {partition: set() for partition in starts}
    consumer = make_consumer()
    await consumer.start()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            left = await _seek(consumer, topic, starts)
            while left:
                for tp, records in (await consumer.getmany(*left, timeout_ms=500)).items():
                    tails[tp.partition] |= {identity(record.headers) for record in records}
                for tp in list(left):
                    if await consumer.position(tp) >= left[tp]:
                        del left[tp]
    finally:
        await consumer.stop()
    return tails


async def _seek(consumer: AIOKafkaConsumer, topic: str, starts: Mapping[int, int]) -> dict[TopicPartition, int]:
    """Positions the consumer; returns the end of each partition that has anything to read."""
    partitions = [TopicPartition(topic, partition) for partition in starts]
    consumer.assign(partitions)
    begins = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    left = {}
    for tp in partitions:
        start = max(starts[tp.partition], begins[tp], ends[tp] - TAIL_RECORDS_MAX)
        if start < ends[tp]:
            consumer.seek(tp, start)
            left[tp] = ends[tp]
        else:
            consumer.pause(tp)
    return left
