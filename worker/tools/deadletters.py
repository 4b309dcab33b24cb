"""Dead letters in their topic: one letter, and a reader. Reads without a consumer group and changes nothing."""

import heapq
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from worker import clock
from worker.tools.kafkaclient import connect, no_answer

REPLAY_OF = "dlq.replay_of"
"""Header of a record that `dlq replay` sent: the place of its letter. Refused again, its new letter has it, too."""
REPLAYED_TO = "dlq.replayed_to"
"""Header of a note that stands among the letters: the one of this original was replayed, to where it says."""
TIMEOUT_S = 15.0
POLL_RECORDS = 500
PREVIEW_BYTES = 2048


class DeadLettersError(RuntimeError):
    """The topic cannot be read or written, or has no such letter; the message says which and why."""


class Letter(NamedTuple):
    """One dead letter without its value: where it stands, what its headers say, how large its value is."""

    partition: int
    offset: int
    timestamp_ms: int
    headers: tuple[tuple[str, bytes | None], ...]
    size: int

    def about(self, name: str) -> str:
        """The text of a `dlq.*` header; `?` when the record lacks it (another producer wrote to the topic)."""
        for header, value in self.headers:
            if header == name:
                return text_of(value or b"")
        return "?"

    @property
    def reason(self) -> str:
        return self.about("dlq.error.class")

    @property
    def original(self) -> str:
        """topic:partition:offset of the refused record: what a letter is known by, since it may have been written
        twice."""
        return ":".join(self.about(f"dlq.original.{part}") for part in ("topic", "partition", "offset"))

    @property
    def is_ours(self) -> bool:
        """Whether it says where the refused record was read; other producers may write to the topic."""
        return "?" not in self.original and self.about("dlq.original.partition").isdecimal()

    @property
    def is_note(self) -> bool:
        """Whether this is no letter, but notes that one was replayed."""
        return any(header == REPLAYED_TO for header, _ in self.headers)

    @property
    def is_again(self) -> bool:
        """Whether the refused record was itself a replay, so that its letter is another one's successor."""
        return any(header == REPLAY_OF for header, _ in self.headers)

    def row(self) -> dict[str, Any]:
        """What `ls` and `show` print of it."""
        return {
            "partition": self.partition,
            "offset": self.offset,
            "time": _utc(self.timestamp_ms),
            "class": self.reason,
            "stage": self.about("dlq.stage"),
            "original_topic": self.about("dlq.original.topic"),
            "original_partition": self.about("dlq.original.partition"),
            "original_offset": self.about("dlq.original.offset"),
            "bytes": self.size,
        }


class Reader:
    """Reads a topic between its current ends, without a group and without committing. Raises DeadLettersError."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self._bootstrap = bootstrap
        self.left_out = 0
        self._consumer = connect(Consumer, bootstrap, {
            "group.id": "stream-audit-dlq",  # demanded by the client; nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",  # of the ends, too
            "auto.offset.reset": "error",
        })  # fmt: skip

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def tail(self, scan: int) -> Iterator[Letter]:
        """As `messages`, without their values."""
        return map(letter_of, self.messages(scan))

    def messages(self, scan: int) -> Iterator[Message]:
        """Up to `scan` records, evenly from the ends of all partitions, each partition's in order.

        Not from a timestamp on: where a broker keeps the originals' timestamps, they do not rise with the offset.
        """
        partitions = self._partitions()
        share = max(1, scan // len(partitions))
        starts, ends = [], {}
        for partition in partitions:
            low, high = self._ends(partition)
            start = max(low, high - share)
            self.left_out += start - low
            if start < high:
                starts.append(TopicPartition(self.topic, partition, start))
                ends[partition] = high
        self._consumer.assign(starts)
        heard_s = clock.monotonic_s()
        while ends:
            for message in self._consumer.consume(POLL_RECORDS, 0.2):
                heard_s = clock.monotonic_s()
                partition = message.partition()
                if self._is_end(message):
                    ends.pop(partition, None)
                elif partition in ends:
                    if message.offset() < ends[partition]:
                        yield message
                    if message.offset() >= ends[partition] - 1:
                        del ends[partition]
            if clock.monotonic_s() > heard_s + TIMEOUT_S:
                raise DeadLettersError(f"the broker fell silent while {self.topic} was read")

    def one(self, partition: int, offset: int) -> Message:
        """The record at a place. Raises DeadLettersError when there is none."""
        if partition not in self._partitions():
            raise DeadLettersError(f"{self.topic} has no partition {partition}")
        low, high = self._ends(partition)
        if not low <= offset < high:
            raise DeadLettersError(f"{self.topic} {partition} holds offsets {low} to {high - 1}, not {offset}")
        return self.fetch(partition, offset)

    def fetch(self, partition: int, offset: int) -> Message:
        """As `one`, of a record that was seen there."""
        self._consumer.assign([TopicPartition(self.topic, partition, offset)])
        found = self._consumer.poll(TIMEOUT_S)
        if found is None:
            raise DeadLettersError(f"no answer from the broker within {TIMEOUT_S:g} s")
        if self._is_end(found) or found.offset() != offset:
            raise DeadLettersError(f"{self.topic} {partition}:{offset} is no record (any more)")
        return found

    def _is_end(self, message: Message) -> bool:
        """Whether this marks the end of a partition, not a record. Raises DeadLettersError on any other error."""
        error = message.error()
        if error is None:
            return False
        if error.code() == KafkaError._PARTITION_EOF:
            return True
        raise DeadLettersError(f"reading {self.topic}: {error.str()}")

    def _partitions(self) -> list[int]:
        there = self._ask(lambda: self._consumer.list_topics(self.topic, timeout=TIMEOUT_S)).topics[self.topic]
        if there.error is not None:
            raise DeadLettersError(f"topic {self.topic}: {there.error.str()}")
        return sorted(there.partitions)

    def _ends(self, partition: int) -> tuple[int, int]:
        where = TopicPartition(self.topic, partition)
        low, high = self._ask(lambda: self._consumer.get_watermark_offsets(where, timeout=TIMEOUT_S))
        return low, high

    def _ask(self, question: Any) -> Any:
        try:
            return question()
        except KafkaException as error:
            raise DeadLettersError(no_answer(self._bootstrap, error)) from error


class LetterFilter(NamedTuple):
    """Which letters to list; None is any."""

    reason: str | None = None
    topic: str | None = None
    since_ms: int | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether all filters let a letter through."""
        about_topic = self.topic in (None, letter.about("dlq.original.topic"))
        recent = self.since_ms is None or letter.timestamp_ms >= self.since_ms
        return about_topic and recent and self.reason in (None, letter.reason)


class Listed(NamedTuple):
    """The newest letters that fit, the oldest first, and counts of all that do by reason.

    `replayed` holds originals that were replayed. `read` and `left_out` count letters.
    """

    letters: list[Letter]
    counts: Counter[str]
    replayed: set[str]
    read: int
    left_out: int


def newest(reader: Reader, wanted: LetterFilter, *, scan: int, limit: int) -> Listed:
    """Read up to `scan` letters and keep `limit` of those wanted. Raises DeadLettersError.

    Holds `limit` letters at a time, however many are read.
    """
    counts: Counter[str] = Counter()
    replayed: set[str] = set()
    read = 0

    def matching() -> Iterator[Letter]:
        nonlocal read
        for letter in reader.tail(scan):
            if letter.is_note:
                replayed.add(letter.original)
                continue
            read += 1
            if wanted.fits(letter):
                counts[letter.reason] += 1
                yield letter

    kept = heapq.nlargest(limit, matching(), key=lambda one: (one.timestamp_ms, one.partition, one.offset))
    return Listed(kept[::-1], counts, replayed, read, reader.left_out)


def letter_of(message: Message) -> Letter:
    """A record of the topic without its value."""
    headers = tuple(message.headers() or ())
    size = len(message.value() or b"")
    return Letter(message.partition(), message.offset(), message.timestamp()[1], headers, size)


def _utc(timestamp_ms: int) -> str:
    try:
        return datetime.fromtimestamp(timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        return str(timestamp_ms)


def text_of(value: bytes) -> str:
    """The first 2 KiB of a header; what is no UTF-8 as escapes."""
    return value[:PREVIEW_BYTES].decode("utf-8", "backslashreplace")


def preview(value: bytes | None) -> str | None:
    """The first 2 KiB as text, or as hex when they are no UTF-8."""
    if value is None:
        return None
    more = f" … ({len(value)} bytes)" if len(value) > PREVIEW_BYTES else ""
    head = value[:PREVIEW_BYTES]
    try:
        return head.decode("utf-8") + more
    except UnicodeDecodeError as error:
        if more and error.start > PREVIEW_BYTES - 4:  # only the cut is to blame
            return head[: error.start].decode("utf-8") + more
        return "hex " + head.hex(" ") + more
