"""The worker under an open load: events are sent when they are due, whether or not it keeps up.

A latency is the time from when the event that caused a violation was *due* (not from when it was sent: a stalled
sender must not hide waiting, "coordinated omission") until the violation is read back. Fifty times a second a room of
its own opens and shows a watermark, which one rule answers at once; the rest is the corpus.
"""

import random
import time
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Any
from zlib import crc32

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from hdrh.histogram import HdrHistogram

from tests.bench.corpus import T0_MS, corpus
from tests.support.engine import Log
from worker.topics import EVENTS_TOPIC, VIOLATIONS_TOPIC

TRIGGER_EVERY_S = 0.02
STRETCH_S, STRETCH_EVENT_MS = 20.0, 440_000
LEAD_S = 25.0
"""What is sent before anything is timed. For the first 20 s event time runs ahead by 22 to 1, while the broker and the
worker warm up; from then on it runs with the clock, as it does live. So in every ten seconds that are timed each room
closes a pane, and each thirtieth its block of five minutes.
"""
PACE_S = 0.001
"""The sender wakes so often at most, and sends what is due: one that spins takes its core from the broker. What it
sends late by that much counts as latency.
"""
HOUR_US = 3_600_000_000


def histogram() -> HdrHistogram:
    """1 µs to 1 h, three digits."""
    return HdrHistogram(1, HOUR_US, 3)


@dataclass
class Load:
    """What is to be sent: `rate` events/s for a lead and the `seconds` that are timed; `hot` of them in one room; room
    popularity by Zipf `zipf`."""

    rate: int
    seconds: float
    rooms: int = 1_000
    hot: float = 0.0
    zipf: float = 0.0
    events: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def total_s(self) -> float:
        """How long it takes to send, the lead included."""
        return LEAD_S + self.seconds

    def at_ms(self, number: int) -> int:
        """Event time of the nth event, since the first."""
        stretched = int(self.rate * STRETCH_S)
        if number < stretched:
            return number * STRETCH_EVENT_MS // stretched
        return STRETCH_EVENT_MS + (number - stretched) * 1000 // self.rate

    def prepare(self, name: str) -> "Load":
        """Makes the events beforehand, so that sending costs little."""
        rng = random.Random(11)
        weights = [1 / (i + 1) ** self.zipf for i in range(self.rooms)] if self.zipf else []
        cumulated = list(accumulate(weights))
        count = int(self.rate * self.total_s)
        for i, (_, key, value) in enumerate(corpus(count, self.rooms, clock_ms=self.at_ms)):
            room = key
            if rng.random() < self.hot:
                room = b"wechat:room-00000000"
            elif cumulated:
                room = b"wechat:room-%08d" % bisect(cumulated, rng.random() * cumulated[-1])
            slim = bytes(memoryview(value))  # what orjson returns holds 4 KB, which millions of events have not
            self.events.append((room, slim if room == key else _moved(slim, key, room)))
            if i % max(1, int(self.rate * TRIGGER_EVERY_S)) == 0:
                self.events += _trigger(name, i, T0_MS + self.at_ms(i))
        return self


def _moved(value: bytes, key: bytes, room: bytes) -> bytes:
    """The same event in another room."""
    return value.replace(key, room, 1).replace(b"live-" + key[-8:], b"live-" + room[-8:], 1)


def _trigger(name: str, number: int, at_ms: int) -> Iterator[tuple[bytes, bytes]]:
    room = f"{name}:trigger-{number:08d}"
    head = {"room_id": room, "at_ms": at_ms, "session_id": "s"}
    descriptor = {
        "platform": "wechat_channels", "region": "CN", "host_id": f"h{number}", "started_at_ms": at_ms,
        "selling": True, "shop_ids": [{"system": "wechat_shop", "id": "s1"}], "viewers": 9,
    }  # fmt: skip
    yield room.encode(), orjson.dumps({"type": "room.heartbeat", "id": f"{room}-1", **head, **descriptor})
    read = {"scheme": "synthid", "detector": "d", "outcome": "detected"}
    yield room.encode(), orjson.dumps({"type": "watermark.read", "id": f"{room}-2", **head, **read})


@dataclass
class Measured:
    """What came of a load."""

    sent: int = 0
    expected: int = 0
    latency_us: HdrHistogram = field(default_factory=histogram)
    behind_ms: float = 0.0  # how far the sender fell behind its schedule, at most
    seen: dict[tuple[int, int], int] = field(default_factory=dict)  # (partition, offset) → violations read

    def quantiles_ms(self) -> dict[str, float]:
        """p50, p99, p99.9 and the maximum."""
        h = self.latency_us
        return {
            "p50": h.get_value_at_percentile(50) / 1000,
            "p99": h.get_value_at_percentile(99) / 1000,
            "p99.9": h.get_value_at_percentile(99.9) / 1000,
            "max": h.get_max_value() / 1000,
            "violations": h.get_total_count(),
        }


class Violations:
    """Reads violations as they come, and knows which record of the log led to each."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._consumer = Consumer(
            {"bootstrap.servers": log.kafka.bootstrap, "group.id": "latency", "fetch.wait.max.ms": 5,
             "enable.auto.commit": False}
        )  # fmt: skip
        topic = log.topic(VIOLATIONS_TOPIC)
        self._consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(log.partitions)])

    def poll(self, timeout_s: float = 0.0) -> Iterator[tuple[float, int, int]]:
        """(when read, partition, offset of the event that led to it)."""
        for message in self._consumer.consume(500, timeout_s):
            now_s = time.perf_counter()
            if message.error() is None:
                value = orjson.loads(message.value())
                yield now_s, value["log"]["partition"], value["log"]["last_offset"]

    def close(self) -> None:
        """Leaves the broker."""
        self._consumer.close()


def drive(
    log: Log,
    load: Load,
    violations: Violations,
    *,
    settle_s: float = 20.0,
    each_second: Callable[[], None] = lambda: None,
) -> Measured:
    """Sends the load when it is due and times the violations that follow; the lead is not timed."""
    topic, partitions = log.topic(EVENTS_TOPIC), log.partitions
    producer = Producer(
        {"bootstrap.servers": log.kafka.bootstrap, "linger.ms": 2, "acks": 1, "compression.type": "lz4",
         "queue.buffering.max.messages": 1_000_000}
    )  # fmt: skip
    # Offsets are what the broker says: the identity agent writes to the room log, too.
    due_of: dict[tuple[int, int], float] = {}
    early: dict[tuple[int, int], list[float]] = {}  # read before the broker's answer to the trigger was
    measured = Measured()
    begin_s = time.perf_counter() + 0.1
    looked_s = begin_s

    def take(place: tuple[int, int], read_s: float) -> None:
        known = measured.seen.get(place, 0)
        measured.seen[place] = known + 1
        if not known and due_of[place] - begin_s >= LEAD_S:
            measured.latency_us.record_value(max(1, int((read_s - due_of[place]) * 1e6)))

    def sent(due_s: float, error: Any, message: Any) -> None:
        assert error is None, error
        place = message.partition(), message.offset()
        due_of[place] = due_s
        for read_s in early.pop(place, ()):
            take(place, read_s)

    def collect(timeout_s: float) -> None:
        for read_s, partition, offset in violations.poll(timeout_s):
            if (partition, offset) in due_of:
                take((partition, offset), read_s)
            else:
                early.setdefault((partition, offset), []).append(read_s)

    for i, (key, value) in enumerate(load.events):
        due_s = begin_s + i / len(load.events) * load.total_s
        now_s = time.perf_counter()
        while now_s < due_s:
            producer.poll(0)
            collect(0.0)
            time.sleep(PACE_S)
            now_s = time.perf_counter()
        if due_s - begin_s >= LEAD_S:
            measured.behind_ms = max(measured.behind_ms, (now_s - due_s) * 1000)
        partition = crc32(key) % partitions
        triggers = b'"watermark.read"' in value[:30]
        measured.expected += triggers
        answer = partial(sent, due_s) if triggers else None
        producer.produce(topic, value, key=key, partition=partition, on_delivery=answer)
        if i % 200 == 0:
            producer.poll(0)
            collect(0.0)
            if now_s - looked_s >= 1.0:
                looked_s = now_s
                each_second()
    producer.flush(30)
    measured.sent = len(load.events)
    end_s = time.perf_counter() + settle_s
    while len(measured.seen) < measured.expected and time.perf_counter() < end_s:
        collect(0.05)
    return measured
