"""Reads topics of a Kafka cluster from a given place to their present end, without a consumer group."""

from collections.abc import Iterator

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from worker.clock import monotonic_s
from worker.partition.append_time import APPENDED, CREATED, BaselineSearch
from worker.tools.kafkaclient import bytes_of, connect, reason
from worker.tools.roomlog import LogRecord

TIMEOUT_S = 10.0
POLL_S = 0.2
BATCH = 1_000
OPTIONS = {
    "group.id": "stream-audit-reader",  # the client insists on one; nothing is committed to it
    "enable.auto.commit": False,
    "enable.partition.eof": True,
}


class KafkaLogError(RuntimeError):
    """The cluster or the topic cannot be read; the message names it and the cause."""


class KafkaLog:
    """A reader of one cluster, logged in as `kafkaclient` says. A context manager."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer = connect(
            Consumer,
            bootstrap,
            OPTIONS,
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
                for message in self._read(topic, number, first_offset):
                    yield _record(message, message.timestamp()[1])
        except KafkaException as error:
            raise KafkaLogError(f"{self._bootstrap}: {topic} cannot be read: {reason(error)}") from error

    def read_rooms(self, topic: str, partition: int, *, first_offset: int = 0) -> Iterator[LogRecord]:
        """The records of a partition of a room log with their append times, as a worker takes them.

        Raises KafkaLogError as `read` does.
        """
        baseline_ms: int | None = None
        searched = False
        try:
            for message in self._read(topic, partition, first_offset):
                kind, appended_ms = message.timestamp()
                if kind != TIMESTAMP_LOG_APPEND_TIME:
                    if not searched:
                        baseline_ms, searched = self._baseline(TopicPartition(topic, partition)), True
                    appended_ms = appended_ms if baseline_ms is None else min(appended_ms, baseline_ms)
                yield _record(message, appended_ms)
        except KafkaException as error:
            raise KafkaLogError(f"{self._bootstrap}: {topic} cannot be read: {reason(error)}") from error

    def _baseline(self, place: TopicPartition) -> int | None:
        """The append time of a partition's first LogAppendTime batch, found by a client of its own."""
        consumer = connect(Consumer, self._bootstrap, OPTIONS)
        try:
            search = BaselineSearch(*consumer.get_watermark_offsets(place, timeout=TIMEOUT_S))
            while (offset := search.offset()) is not None:
                consumer.assign([TopicPartition(place.topic, place.partition, offset)])
                search.tell(self._look(consumer))
            return search.baseline_ms
        finally:
            consumer.close()

    def _look(self, consumer: Consumer) -> tuple[int, int, int] | None:
        """The next record's offset, timestamp and kind of timestamp; None at the end of the partition."""
        until_s = monotonic_s() + TIMEOUT_S
        while monotonic_s() < until_s:
            message = consumer.poll(POLL_S)
            if message is None:
                continue
            if message.error() is None:
                kind, timestamp = message.timestamp()
                return message.offset(), timestamp, APPENDED if kind == TIMESTAMP_LOG_APPEND_TIME else CREATED
            if message.error().code() == KafkaError._PARTITION_EOF:
                return None
            raise KafkaException(message.error())
        raise KafkaLogError(f"{self._bootstrap}: no answer within {TIMEOUT_S:.0f} s")

    def has(self, topic: str) -> bool:
        """Whether there is such a topic, as far as this user may know. Raises KafkaException without an answer."""
        about = self._consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        return about.error is None

    def partitions(self, topic: str) -> list[int]:
        """The numbers of a topic's partitions. Raises KafkaException."""
        about = self._consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        if about.error is not None:
            raise KafkaException(about.error)
        return sorted(about.partitions)

    def _read(self, topic: str, partition: int, first_offset: int) -> Iterator[Message]:
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
                yield message
            if monotonic_s() - moved_s > TIMEOUT_S:
                raise KafkaLogError(f"{self._bootstrap}: {topic}[{partition}] gives nothing after offset {at}")


def _record(message: Message, timestamp: int) -> LogRecord:
    partition, offset = message.partition(), message.offset()
    assert partition is not None and offset is not None, "of a message without an error"
    key, value = bytes_of(message.key()), bytes_of(message.value())
    return LogRecord(partition, offset, timestamp, key, value, tuple(message.headers() or ()))
