"""The worker as a process on a real Kafka, and room logs to give it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen
from zlib import crc32

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    Producer,
    TopicPartition,
)

from tests.support.kafka import REPOSITORY, KafkaCluster, wait_until
from worker.topics import (
    APPEND_TIME,
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    HISTORY_TOPIC,
    IDENTITIES_TOPIC,
    REGISTRY_TOPIC,
    REQUESTS_TOPIC,
    REVIEWS_TOPIC,
    ROOMS_TOPIC,
    TIMESTAMP_TYPE,
    VIOLATIONS_TOPIC,
)

START_MS = 1_750_000_000_000
APPENDED = {TIMESTAMP_TYPE.replace(".", "_"): APPEND_TIME}
"""Configuration of a topic that keeps the broker's time; what producers say is lost."""
PARTITIONS = 4

QUICK = {
    "COMMIT_INTERVAL_S": "0.2",
    "SESSION_TIMEOUT_S": "6",
    "HEARTBEAT_INTERVAL_S": "0.5",
    "REQUEST_TIMEOUT_S": "10",
    "PRODUCER_TIMEOUT_S": "6",
    "FLUSH_TIMEOUT_S": "8",
    "COMMIT_TIMEOUT_S": "5",
    "REBALANCE_TIMEOUT_S": "20",
    "SHUTDOWN_TIMEOUT_S": "20",
    "METRICS_PORT": "0",
}


Headers = tuple[tuple[str, bytes | None], ...]
Content = tuple[int, bytes | None, bytes | None, Headers]


class Sent(NamedTuple):
    """A record as it lies in a topic."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    def content(self) -> Content:
        """All of it but where and when it was written."""
        return self.partition, self.key, self.value, self.headers


# ---- what goes in


def room_log(seed: int, *, rooms: int, steps: int) -> Iterator[tuple[bytes, bytes, int]]:
    """(key, value, timestamp ms) of `rooms` interleaved rooms: speech, chat, detected watermarks, labels that go and
    come, sessions that end and begin, duplicates, late events, and now and then a record that is rejected."""
    rng = random.Random(seed)
    sessions = [0] * rooms
    opens = [True] * rooms
    recent: list[tuple[bytes, bytes, int]] = []
    for step in range(steps):
        now_ms = START_MS + step * 700
        number = rng.randrange(rooms) if step >= rooms else step
        room_id = f"room:{number}"
        event = _event(rng, step, now_ms, room_id, sessions[number], first=opens[number])
        opens[number] = event["type"] == "room.closed" or rng.random() < 0.01
        sessions[number] += opens[number]
        record = (room_id.encode(), json.dumps(event, ensure_ascii=False).encode(), now_ms)
        chance = rng.random()
        if chance < 0.01 and not opens[number]:
            record = (record[0], record[1][: len(record[1]) // 2], now_ms)
        elif chance < 0.03 and recent:
            record = rng.choice(recent)
        recent = [*recent[-200:], record]
        yield record


def _event(rng: random.Random, step: int, now_ms: int, room_id: str, session: int, *, first: bool) -> dict[str, object]:
    late_ms = 120_000 if rng.random() < 0.005 else rng.randrange(0, 3_000)
    of_session = f"{room_id}:{session}"
    head = {"id": f"e{step}", "room_id": room_id, "at_ms": now_ms - late_ms, "session_id": of_session}
    descriptor = {
        "platform": ("wechat_channels", "douyin")[crc32(room_id.encode()) % 2],
        "region": "CN",
        "host_id": f"host-{room_id}",
        "started_at_ms": START_MS + session,
        "selling": True,
        "shop_ids": [{"system": "channels_shop", "id": "s1"}],
        "operator_id": f"op-{crc32(room_id.encode()) % 3}",
    }
    viewer = {"viewer_id": f"v{rng.randrange(500)}"}
    kind = "room.heartbeat" if first else rng.choices(*zip(*_KINDS, strict=True))[0]
    bodies: dict[str, Mapping[str, object]] = {
        "room.heartbeat": {**descriptor, "viewers": rng.randrange(1000)},
        "viewer.liked": {"count": rng.randrange(9)},
        "viewer.joined": viewer,
        "viewer.comment": {**viewer, "comment_id": f"c{step}", "text": f"这个多少钱 {step}？"},
        "host.speech": {
            "segment_id": f"s{step}", "start_ms": now_ms - 2_000, "end_ms": now_ms,
            "text": f"家人们看这一款第{rng.randrange(400)}号链接",
            "voice_id": f"voice-{crc32(room_id.encode()) % 5}",
        },
        "host.reply": {"medium": "voice", "comment_id": f"c{step - 5}"},
        "watermark.read": {"scheme": "w", "detector": "d", "outcome": rng.choice(["detected", "not_detected"])},
        "label.state": {"kind": "digital_human", "visible": rng.random() < 0.5, "by": "host"},
        "room.closed": {},
    }  # fmt: skip
    return {"type": kind, **head, **bodies[kind]}


_KINDS = (
    ("room.heartbeat", 15), ("viewer.liked", 30), ("viewer.joined", 15), ("viewer.comment", 15), ("host.speech", 15),
    ("host.reply", 4), ("watermark.read", 2), ("label.state", 3), ("room.closed", 1),
)  # fmt: skip


# ---- the topics of one test


@dataclass
class Log:
    """The topics of one worker group on a cluster; names begin with `prefix`."""

    kafka: KafkaCluster
    prefix: str
    partitions: int = PARTITIONS

    @property
    def app_id(self) -> str:
        return f"{self.prefix}worker"

    @property
    def changelog(self) -> str:
        return f"{self.app_id}-rooms-changelog"

    @property
    def identities_changelog(self) -> str:
        return f"{self.app_id}-identities-changelog"

    def topic(self, name: str) -> str:
        return self.prefix + name

    def _named(self, name: str) -> str:
        return name if name in (self.changelog, self.identities_changelog) else self.topic(name)

    def create(self, *, without: Sequence[str] = ()) -> Log:
        kept = {"cleanup_policy": "delete", "retention_ms": "-1"}
        deleted = {
            EVENTS_TOPIC, VIOLATIONS_TOPIC, REQUESTS_TOPIC, REVIEWS_TOPIC, DEAD_LETTERS_TOPIC, IDENTITIES_TOPIC,
        }  # fmt: skip
        for name in deleted - set(without):
            clock = APPENDED if name in (EVENTS_TOPIC, IDENTITIES_TOPIC) else {}
            self.kafka.create_topic(self.topic(name), self.partitions, **kept, **clock)
        shared = map(self.topic, (ROOMS_TOPIC, REGISTRY_TOPIC, HISTORY_TOPIC))
        for topic in (*shared, self.changelog, self.identities_changelog):
            self.kafka.create_topic(topic, self.partitions, cleanup_policy="compact")
        return self

    def delete(self) -> None:
        """Takes all of its topics from the broker, which gets slower with every one that it keeps."""
        there = self.kafka.admin.list_topics(timeout=10).topics
        mine = [name for name in there if name.startswith(self.prefix)]
        for gone in self.kafka.admin.delete_topics(mine).values() if mine else ():
            gone.result(30)

    def produce(self, records: Iterable[tuple[bytes | None, bytes | None, int]]) -> int:
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap, "linger.ms": 20, "enable.idempotence": True})
        count = 0
        for key, value, timestamp in records:
            partition = crc32(key or b"") % self.partitions
            producer.produce(self.topic(EVENTS_TOPIC), value, key, partition, timestamp=timestamp)
            producer.poll(0)
            count += 1
        assert producer.flush(30) == 0
        return count

    def read(self, name: str) -> list[Sent]:
        """Everything in a topic now, by partition and offset."""
        topic = self._named(name)
        consumer = Consumer(
            {"bootstrap.servers": self.kafka.bootstrap, "group.id": "reader", "enable.auto.commit": False,
             "enable.partition.eof": True}
        )  # fmt: skip
        try:
            consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(self.partitions)])
            found: list[Sent] = []
            ended: set[int] = set()
            deadline_s = time.monotonic() + 120
            while len(ended) < self.partitions:
                assert time.monotonic() < deadline_s, f"{topic}: the end of {ended} alone was reached"
                for message in consumer.consume(500, timeout=0.2):
                    error = message.error()
                    if error is None:
                        headers = tuple(message.headers() or ())
                        where = (message.partition(), message.offset(), message.timestamp()[1])
                        found.append(Sent(*where, message.key(), message.value(), headers))
                    elif error.code() == KafkaError._PARTITION_EOF:  # others: a broker that is coming back
                        ended.add(message.partition())
        finally:
            consumer.close()
        return sorted(found, key=lambda sent: (sent.partition, sent.offset))

    def ends(self, name: str = EVENTS_TOPIC) -> dict[int, int]:
        """A topic's end by partition; as many as there are records, since nothing is ever deleted."""
        tps = [TopicPartition(self._named(name), p) for p in range(self.partitions)]
        return {tp.partition: self._watcher.get_watermark_offsets(tp, timeout=30)[1] for tp in tps}

    @cached_property
    def _watcher(self) -> Consumer:
        return Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": "reader", "log_level": 0})

    def committed(self, name: str = EVENTS_TOPIC) -> dict[int, int]:
        """The group's committed offsets of the room log, or of another input; 0 where there is none."""
        tps = [TopicPartition(self.topic(name), p) for p in range(self.partitions)]
        asked = self.kafka.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.app_id, tps)])
        got = asked[self.app_id].result(30).topic_partitions
        return {tp.partition: max(tp.offset, 0) for tp in got}

    def wait_quiet(self, worker: Worker, timeout_s: float = 120) -> None:
        """Waits until both agents have committed all there is. Answers are written before what led to them is
        committed, so nothing is on its way then."""
        inputs = (EVENTS_TOPIC, IDENTITIES_TOPIC, REGISTRY_TOPIC)

        def quiet() -> bool:
            assert worker.process.poll() is None, worker.log()
            before = [self.committed(name) for name in inputs]
            return before == [self.ends(name) for name in inputs] == [self.committed(name) for name in inputs]

        wait_until(quiet, timeout_s=timeout_s, what=worker.log)

    def wait_committed(self, share: float = 1.0, timeout_s: float = 120, workers: Sequence[Worker] = ()) -> None:
        """Waits until the group has committed that share of what is in the room log now."""
        wanted = sum(self.ends().values()) * share

        def done() -> bool:
            for worker in workers:
                assert worker.process.poll() is None, f"a worker ended with {worker.process.poll()}\n{worker.log()}"
            return sum(self.committed().values()) >= wanted

        def what() -> str:
            return f"{self.committed()} of {self.ends()} committed\n" + "\n".join(w.log() for w in workers)

        wait_until(done, timeout_s=timeout_s, what=what)


# ---- the worker


class Worker:
    """`python -m worker run`, or another command, as a process of its own. Its output goes to a file."""

    def __init__(
        self, log: Log, directory: Path, *, command: Sequence[str] = ("-m", "worker", "run"), **settings: str
    ) -> None:
        self.path = directory / f"worker-{time.monotonic_ns()}.log"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("STREAM_AUDIT_")},
            "STREAM_AUDIT_BROKERS": log.kafka.bootstrap,
            "STREAM_AUDIT_APP_ID": log.app_id,
            "STREAM_AUDIT_TOPIC_PREFIX": log.prefix,
            **{f"STREAM_AUDIT_{name}": value for name, value in {**QUICK, **settings}.items()},
        }
        with self.path.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=REPOSITORY,
            )  # fmt: skip

    def log(self) -> str:
        return self.path.read_text(errors="replace")[-6000:]

    def url(self, page: str) -> str:
        found = re.search(r"(http://[\d.:]+)/metrics", self.path.read_text(errors="replace"))
        return f"{found[1]}/{page}" if found else ""

    def get(self, page: str) -> str:
        """The page, or nothing when it is not there, not with status 200, or cut by the end of the process."""
        try:
            with urlopen(self.url(page), timeout=30) as answer:
                return str(answer.read().decode())
        except (URLError, HTTPException, ValueError, OSError):
            return ""

    def metric(self, name: str) -> float:
        """Sum of a metric's samples; 0 while there is none."""
        rows = re.findall(rf"^stream_audit_{name}(?:{{.*}})? (\S+)$", self.get("metrics"), re.MULTILINE)
        return sum(map(float, rows))

    def wait_ready(self, timeout_s: float = 90) -> Worker:
        def ready() -> bool:
            assert self.process.poll() is None, f"the worker ended with {self.process.poll()}\n{self.log()}"
            return bool(self.get("readyz"))

        wait_until(ready, timeout_s=timeout_s, what=lambda: f"ready\n{self.log()}")
        return self

    def kill9(self) -> None:
        self.process.kill()
        self.process.wait()

    def term(self, timeout_s: float = 60) -> int:
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 60) -> int:
        """Waits for the end; gives the exit code."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker did not end within {timeout_s:g} s\n{self.log()}") from None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill9()
