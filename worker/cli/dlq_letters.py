"""Dead letters as the commands of `dlq` see them: one letter, how places and times are written, a reader.

Reads without a consumer group; changes nothing.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from worker import clock

if TYPE_CHECKING:
    from confluent_kafka import Message

REPLAY_OF = "dlq.replay_of"
"""Header of a record that `dlq replay` sent: the place of its letter. Refused again, its new letter has it, too."""
REPLAYED_TO = "dlq.replayed_to"
"""Header of a note that stands among the letters: the one of this original was replayed, to where it says."""
TIMEOUT_S = 15.0
POLL_RECORDS = 500
PREVIEW_BYTES = 2048
UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Letter(NamedTuple):
    """One dead letter without its value: where it stands, what its headers say, how large its value is."""

    partition: int
    offset: int
    timestamp_ms: int
    headers: tuple[tuple[str, bytes | None], ...]
    size: int

    def about(self, name: str) -> str:
        """The text of a `dlq.*` header; `?` when the record lacks it (somebody else wrote to the topic)."""
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


class Since(click.ParamType):
    """`90s`, `30m`, `6h`, `2d` before now, or a time in ISO 8601 (UTC when it names no zone) → Unix ms."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if match := re.fullmatch(r"(\d{1,6})([smhd])", value):
            return max(0, clock.now_ms() - int(match[1]) * UNITS_MS[match[2]])
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither like 30m (s, m, h, d) nor like 2024-06-18T08:00", param, ctx)
        return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


class Place(click.ParamType):
    """`PARTITION:OFFSET` → (partition, offset)."""

    name = "partition:offset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,6}):(\d{1,18})", value)
        if match is None:
            self.fail(f"{value!r} is not like 3:1042 (partition:offset, as `dlq ls` prints them)", param, ctx)
        return int(match[1]), int(match[2])


class Reader:
    """Reads a topic between its current ends, without a group and without committing."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        from confluent_kafka import Consumer

        from worker.tools.kafkaclient import connect

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

    def messages(self, scan: int) -> Iterator["Message"]:
        """Up to `scan` records, evenly from the ends of all partitions, each partition's in order.

        Not from a timestamp on: where a broker keeps the originals' timestamps, they do not rise with the offset.
        """
        from confluent_kafka import TopicPartition

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
                raise click.ClickException(f"the broker fell silent while {self.topic} was read")

    def one(self, partition: int, offset: int) -> "Message":
        """The record at a place; ends the command with exit 1 when there is none."""
        if partition not in self._partitions():
            raise click.ClickException(f"{self.topic} has no partition {partition}")
        low, high = self._ends(partition)
        if not low <= offset < high:
            raise click.ClickException(f"{self.topic} {partition} holds offsets {low} to {high - 1}, not {offset}")
        return self.fetch(partition, offset)

    def fetch(self, partition: int, offset: int) -> "Message":
        """As `one`, of a record that was seen there."""
        from confluent_kafka import TopicPartition

        self._consumer.assign([TopicPartition(self.topic, partition, offset)])
        found = self._consumer.poll(TIMEOUT_S)
        if found is None:
            raise click.ClickException(f"no answer from the broker within {TIMEOUT_S:g} s")
        if self._is_end(found) or found.offset() != offset:
            raise click.ClickException(f"{self.topic} {partition}:{offset} is no record (any more)")
        return found

    def _is_end(self, message: "Message") -> bool:
        """Whether this marks the end of a partition instead of being a record; other errors end the command."""
        from confluent_kafka import KafkaError

        error = message.error()
        if error is None:
            return False
        if error.code() == KafkaError._PARTITION_EOF:
            return True
        raise click.ClickException(f"reading {self.topic}: {error.str()}")

    def _partitions(self) -> list[int]:
        there = self._ask(lambda: self._consumer.list_topics(self.topic, timeout=TIMEOUT_S)).topics[self.topic]
        if there.error is not None:
            raise click.ClickException(f"topic {self.topic}: {there.error.str()}")
        return sorted(there.partitions)

    def _ends(self, partition: int) -> tuple[int, int]:
        from confluent_kafka import TopicPartition

        where = TopicPartition(self.topic, partition)
        low, high = self._ask(lambda: self._consumer.get_watermark_offsets(where, timeout=TIMEOUT_S))
        return low, high

    def _ask(self, question: Any) -> Any:
        from confluent_kafka import KafkaException

        from worker.tools.kafkaclient import no_answer

        try:
            return question()
        except KafkaException as error:
            raise click.ClickException(no_answer(self._bootstrap, error)) from error


def letter_of(message: "Message") -> Letter:
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
