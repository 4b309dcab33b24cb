"""The policies' topic: read to its end before the first event, then followed. One partition, one total order.

What a partition goes by is for the switches in its log to say, so it does not matter when exactly a link is read.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from worker.policy.book import PolicyBook
from worker.policy.feed import PolicyFeed
from worker.policy.signing import Roots

log = logging.getLogger(__name__)

READ_TIMEOUT_S = 60.0
POLL_MS = 500


class PolicyTopic:
    """Fills a feed with the records of a topic.

    Attributes:
        feed: what is known, and how many records were refused.
    """

    def __init__(
        self, topic: str, make_consumer: Callable[[], AIOKafkaConsumer], shipped: PolicyBook, roots: Roots
    ) -> None:
        self.topic = topic
        self.feed = PolicyFeed(shipped, roots)
        self._make_consumer = make_consumer

    async def read_to_end(self) -> None:
        """Takes all that is there now. Raises TimeoutError after a minute, or a Kafka error."""
        async with asyncio.timeout(READ_TIMEOUT_S):
            consumer, tp = await self._start()
            try:
                end = (await consumer.end_offsets([tp]))[tp]
                while await consumer.position(tp) < end:
                    self._take(await consumer.getmany(timeout_ms=POLL_MS))
                self.feed.next_offset = max(self.feed.next_offset, end)
            finally:
                await consumer.stop()
        known = self.feed
        log.info("policies of %s: %d taken, %d refused", self.topic, known.accepted, known.rejected)

    async def follow(self, stopping: Callable[[], bool]) -> None:
        """Takes what comes until `stopping()`. Raises a Kafka error, also when the topic was made anew."""
        consumer, _ = await self._start()
        try:
            while not stopping():
                self._take(await consumer.getmany(timeout_ms=POLL_MS))
        finally:
            await consumer.stop()

    async def end(self) -> int:
        """Return where the topic ends now. Raises a Kafka error."""
        consumer, tp = await self._start()
        try:
            return int((await consumer.end_offsets([tp]))[tp])
        finally:
            await consumer.stop()

    async def _start(self) -> tuple[AIOKafkaConsumer, TopicPartition]:
        consumer, tp = self._make_consumer(), TopicPartition(self.topic, 0)
        await consumer.start()
        consumer.assign([tp])
        begin = (await consumer.beginning_offsets([tp]))[tp]
        consumer.seek(tp, max(begin, self.feed.next_offset))
        return consumer, tp

    def _take(self, fetched: dict[TopicPartition, list[Any]]) -> None:
        for records in fetched.values():
            for record in records:
                for problem in self.feed.take(record, topic=self.topic):
                    log.warning("policy refused: %s", problem)
