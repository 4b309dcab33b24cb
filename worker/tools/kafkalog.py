"""Reads topics of a Kafka cluster from a given place to their present end, without a consumer group."""

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from worker.clock import monotonic_s
from worker.tools.kafkaclient import connect, reason
from worker.tools.roomlog import LogRecord

TIMEOUT_S = 10.0
POLL_S = 0.2
BATCH = 1_000


class KafkaLogError(RuntimeError):
    """The cluster or the topic cannot be read; the message names it and the cause."""


class KafkaLog:
    """A reader of one cluster, logged in as `kafkaclient` says. A context manager."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer = connect(
            Consumer,
            bootstrap,
            {
                "group.id": "stream-audit-reader",  # the client insists on one; nothing is committed to it
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            },
        )

    def __enter__(self) -> "KafkaLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def read(self, topic: str, *, partition: int | None = None, first_offset: int = 0) -> Iterator[LogRecord]:
        """The records of `topic` (of all partitions, or one), each partition from `first_offset` to its present end.

        Raises KafkaLogError: cluster not reachable, no such topic, or no answer within 10 s.
        """
        try:
            partitions = [partition] if partition is not None else self.partitions(topic)
            for number in partitions:
                yield from self._read(topic, number, first_offset)
        except KafkaException as error:
            raise KafkaLogError(f"{self._bootstrap}: {topic} cannot be read: {reason(error)}") from error

    def partitions(self, topic: str) -> list[int]:
        """The numbers of a topic's partitions. Raises KafkaException."""
        about = self._consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        if about.error is not None:
            raise KafkaException(about.error)
        return sorted(about.partitions)

    def _read(self, topic: str, partition: int, first_offset: int) -> Iterator[LogRecord]:
        place = TopicPartition(topic, partition)
        low, end = self._consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)
        at = max(low, first_offset)
        if at >= end:
            return
        self._consumer.assign([TopicPartition(topic, partition, at)])
        moved_s = monotonic_s()
        while at < end:
            for message in self._consumer.consume(BATCH, timeout=POLL_S):
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    return  # control records or compaction may stand behind the last record
                if error is not None:
                    raise KafkaException(error)
                at, moved_s = message.offset() + 1, monotonic_s()
                yield LogRecord(
                    partition,
                    message.offset(),
                    message.timestamp()[1],
                    message.key(),
                    message.value(),
                    tuple(message.headers() or ()),
                )
            if monotonic_s() - moved_s > TIMEOUT_S:
                raise KafkaLogError(f"{self._bootstrap}: {topic}[{partition}] gives nothing after offset {at}")
