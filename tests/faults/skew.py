"""One room with four fifths of all traffic: the others must not wait for it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from zlib import crc32

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.faults.scenario import World
from worker.topics import EVENTS_TOPIC, VIOLATIONS_TOPIC

OTHERS_PER_S = 800
PROBES_PER_S = 40
HOT_SHARE = 0.8
TICK_S = 0.01
FLOOR_MS = 50
"""Below this a ratio of two small numbers says nothing on a machine that does other things, too."""


def hot_room(world: World) -> None:
    """Delay from producing an event to reading its violation, over rooms that are not hot, without and with one."""
    seconds = 10
    with world.worker() as worker:
        worker.wait_ready()
        _Traffic(world, "warm", 0).run(5)
        before = _Traffic(world, "before", 0).run(seconds)
        during = _Traffic(world, "during", round(OTHERS_PER_S * HOT_SHARE / (1 - HOT_SHARE))).run(seconds)
        world.finish(worker)
    for what, p99_ms in (("without", before), ("with", during)):
        world.seen[f"most ms of p99 {what}"] = round(p99_ms)
    assert during <= 2 * max(before, FLOOR_MS), f"p99 went from {before:.0f} ms to {during:.0f} ms"
    world.check(repeats_max=0)


class _Traffic:
    """Sends on schedule, whatever the worker does, and listens for what the probes lead to."""

    def __init__(self, world: World, name: str, hot_per_s: int) -> None:
        self._world = world
        self._name = name
        self._hot_per_s = hot_per_s
        self._due_s: dict[bytes, float] = {}
        self._delays_ms: dict[bytes, float] = {}
        self._ended = threading.Event()

    def run(self, seconds: float) -> float:
        """Returns the 99th percentile of delays, ms, from when a probe was due."""
        ends = self._world.log.ends(VIOLATIONS_TOPIC)  # before the first probe, which may be answered at once
        listener = threading.Thread(target=self._listen, args=(ends,), daemon=True)
        listener.start()
        self._send(seconds)
        self._world.log.wait_committed(timeout_s=60)
        self._ended.set()
        listener.join()
        missing = self._due_s.keys() - self._delays_ms.keys()
        assert not missing, f"{len(missing)} of {len(self._due_s)} probes led to nothing"
        return sorted(self._delays_ms.values())[int(len(self._delays_ms) * 0.99)]

    def _send(self, seconds: float) -> None:
        log = self._world.log
        producer = Producer({"bootstrap.servers": log.kafka.bootstrap, "linger.ms": 1, "log_level": 0})
        began_s = time.monotonic()
        credit = {"other": 0.0, "probe": 0.0, "hot": 0.0}
        per_s = {"other": OTHERS_PER_S, "probe": PROBES_PER_S, "hot": self._hot_per_s}
        number = 0
        for tick in range(round(seconds / TICK_S)):
            due_s = began_s + tick * TICK_S
            time.sleep(max(0.0, due_s - time.monotonic()))
            for what, rate in per_s.items():
                credit[what] += rate * TICK_S
                while credit[what] >= 1:
                    credit[what] -= 1
                    number += 1
                    for key, value in self._events(what, number, due_s):
                        partition = crc32(key) % log.partitions
                        producer.produce(log.topic(EVENTS_TOPIC), value, key, partition)
            producer.poll(0)
        assert producer.flush(30) == 0

    def _events(self, what: str, number: int, due_s: float) -> Iterator[tuple[bytes, bytes]]:
        now_ms = int(time.time() * 1000)
        room = {"hot": "hot", "other": f"other:{number % 200}", "probe": f"probe:{self._name}:{number}"}[what]
        head = {"room_id": room, "at_ms": now_ms, "session_id": "s"}
        if what != "probe":
            yield _record({"type": "viewer.comment", "id": f"{self._name}{number}", **head, "comment_id": f"c{number}",
                           "viewer_id": f"v{number % 999}", "text": f"这个多少钱{number}？"})  # fmt: skip
            return
        descriptor = {"platform": "wechat_channels", "region": "CN", "host_id": "h", "selling": True, "viewers": 9}
        yield _record({"type": "room.heartbeat", "id": f"h{number}", **head, "started_at_ms": now_ms, **descriptor})
        self._due_s[room.encode()] = due_s
        yield _record({"type": "watermark.read", "id": f"w{number}", **head, "scheme": "w", "detector": "d",
                       "outcome": "detected"})  # fmt: skip

    def _listen(self, ends: Mapping[int, int]) -> None:
        log = self._world.log
        consumer = Consumer({"bootstrap.servers": log.kafka.bootstrap, "group.id": "listener", "log_level": 0})
        try:
            consumer.assign([TopicPartition(log.topic(VIOLATIONS_TOPIC), p, end) for p, end in ends.items()])
            while not self._ended.is_set() or self._due_s.keys() - self._delays_ms.keys():
                for message in consumer.consume(100, timeout=0.02):
                    key = message.key() or b""
                    if key in self._due_s:
                        self._delays_ms.setdefault(key, (time.monotonic() - self._due_s[key]) * 1000)
                if self._ended.is_set() and time.monotonic() - max(self._due_s.values(), default=0) > 60:
                    return
        finally:
            consumer.close()


def _record(event: dict[str, object]) -> tuple[bytes, bytes]:
    return str(event["room_id"]).encode(), json.dumps(event, ensure_ascii=False).encode()
