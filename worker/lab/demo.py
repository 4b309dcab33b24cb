"""The parts of `stream-audit demo`: the cast, a feeder, a watcher of the outputs, and the worker as its own process.

Rooms are simulated, everything behind them is the product: a broker that speaks Kafka's protocol (librdkafka's
in-process mock, kept in memory alone), `python -m worker run` as a separate process, and consumers of its topics.
"""

import heapq
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from worker.clock import monotonic_s
from worker.lab.simulate import STARTED_AT_MS, Event, Truth, at_ms_of, simulate, truth
from worker.tools.replay import ViolationLine
from worker.tools.roomlog import LogRecord, Writer
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, ROOMS_TOPIC, VIOLATIONS_TOPIC

PARTITIONS = 8
CAST: tuple[str, ...] = (
    "responsive", "avatar_watermark", "loop", "quiet", "llm_avatar", "overloaded", "avatar_unregistered",
    "scripted_human", "software_seller", "sign_language", "persona_elite", "on_break", "tampered",
    "software_warning", "avatar_driven", "bot_viewers", "persona_foreign", "persona_attractive",
)  # fmt: skip
"""Who plays, in the order of the table: honest and guilty in turn, so that a few rooms show both.

More rooms than these repeat it with other seeds."""

IN_FLIGHT_RECORDS_MAX = 20_000  # the mock keeps 5 MB a partition: the feeder must not run far ahead of the worker
STOP_TIMEOUT_S = 30.0
FEED_STEP_S = 0.02
QUIET = {"log.connection.close": False, "log_level": 2}  # the end of the broker is no news


@dataclass
class Row:
    """One room of the table."""

    truth: Truth
    platform: str
    fed: int = 0
    at_ms: int = 0
    levels: dict[str, str] = field(default_factory=dict)
    episodes: list[str] = field(default_factory=list)
    last_violation: str = ""


def cast(rooms: int, seed: int) -> list[tuple[str, int]]:
    """(archetype, seed) of each of `rooms` rooms."""
    return [(CAST[i % len(CAST)], seed + i // len(CAST)) for i in range(rooms)]


class Feeder(threading.Thread):
    """Plays all rooms into `live.room.events` in order of event time, `speed` times as fast, and keeps the log."""

    def __init__(
        self,
        bootstrap: str,
        rooms: list[tuple[str, int]],
        *,
        duration_ms: int,
        speed: float,
        lag: Callable[[], int],
    ) -> None:
        super().__init__(name="feeder", daemon=True)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 5,
                "queue.buffering.max.messages": 200_000,
                "on_delivery": self._delivered,
                **QUIET,
            }
        )
        self._rooms = rooms
        self._duration_ms = duration_ms
        self._speed = speed
        self._lag = lag
        self._halt = threading.Event()
        self.fed = 0
        self.fed_by_room: dict[str, int] = {}
        self.at_ms = STARTED_AT_MS
        self.done = False
        self.error = ""

    def halt(self) -> None:
        """Stop feeding, and wait for the end of it."""
        self._halt.set()
        if self.ident is not None:
            self.join(STOP_TIMEOUT_S)

    def run(self) -> None:
        try:
            self._feed()
            self._producer.flush(STOP_TIMEOUT_S)
        except Exception as error:  # carried to the main thread, which ends the demo with it
            self.error = f"{type(error).__name__}: {error}"
        self.done = True

    def _feed(self) -> None:
        logs = [simulate(name, seed, duration_ms=self._duration_ms, ends=False) for name, seed in self._rooms]
        events: Iterator[Event] = heapq.merge(*logs, key=at_ms_of)
        began_s = monotonic_s()
        for event in events:
            self.at_ms = at_ms_of(event)
            ahead_s = (self.at_ms - STARTED_AT_MS) / 1000 / self._speed - (monotonic_s() - began_s)
            if ahead_s > 0 and self._halt.wait(max(ahead_s, FEED_STEP_S)):
                return
            while self.fed % 500 == 0 and self._lag() > IN_FLIGHT_RECORDS_MAX:
                if self._halt.wait(FEED_STEP_S):
                    return
            self._send(event)

    def _send(self, event: Event) -> None:
        room_id = str(event["room_id"])
        key, value, at_ms = room_id.encode(), orjson.dumps(event), at_ms_of(event)
        partition = crc32(key) % PARTITIONS
        self._producer.produce(EVENTS_TOPIC, value, key, partition, timestamp=at_ms)
        self.fed += 1
        self.fed_by_room[room_id] = self.fed_by_room.get(room_id, 0) + 1
        if self.fed % 200 == 0:
            self._producer.poll(0)

    def _delivered(self, error: Any, message: Any) -> None:
        if error is not None:
            self.error = f"a record was not delivered: {error}"
            self._halt.set()


class Watcher:
    """Reads the room log, into `log`, and what the worker publishes, from the beginning; `poll` takes what has come."""

    def __init__(self, bootstrap: str, log: Writer) -> None:
        self._log = log
        self.logged = 0
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "stream-audit-demo-watcher",
                "enable.auto.commit": False,
                **QUIET,
            }
        )
        topics = (EVENTS_TOPIC, VIOLATIONS_TOPIC, ROOMS_TOPIC, DEAD_LETTERS_TOPIC)
        self._consumer.assign([TopicPartition(topic, p, 0) for topic in topics for p in range(PARTITIONS)])
        self.dead_letters = 0
        self.repeats = 0
        self._ids: set[str] = set()

    def poll(self, rows: dict[str, Row], seconds: float) -> list[ViolationLine]:
        """Waits up to `seconds`; brings `rows` up to date and returns violations not seen before."""
        fresh = []
        for message in self._consumer.consume(5_000, timeout=seconds):
            if message.error() is not None:
                continue  # the client recovers by itself; a broker that is gone ends the worker, which ends the demo
            topic, value = message.topic(), message.value() or b"null"
            if topic == EVENTS_TOPIC:
                at, key = message.timestamp()[1], message.key() or b""
                self._log.record(LogRecord(message.partition(), message.offset(), at, key, value))
                self.logged += 1
            elif topic == ROOMS_TOPIC:
                _take_room(rows, msgspec.json.decode(value))
            elif topic == DEAD_LETTERS_TOPIC:
                self.dead_letters += 1
            else:
                line = ViolationLine(
                    topic=topic,
                    key=(message.key() or b"").decode(),
                    timestamp_ms=message.timestamp()[1],
                    headers={name: text.decode() for name, text in message.headers() or ()},
                    value=msgspec.Raw(value),
                )
                violation_id = line.headers["ce_id"]
                if violation_id in self._ids:
                    self.repeats += 1
                else:
                    self._ids.add(violation_id)
                    fresh.append(line)
        return fresh

    def close(self) -> None:
        self._consumer.close()


def _take_room(rows: dict[str, Row], latest: dict[str, Any] | None) -> None:
    if latest is None or latest["room_id"] not in rows:
        return
    row = rows[latest["room_id"]]
    row.at_ms = latest["last_at_ms"]
    row.levels = {name: f["level"] for name, f in latest["families"].items() if f.get("level")}
    row.episodes = [episode["rule"] for episode in latest["episodes"] if episode["mode"] == "live"]


def rows_of(rooms: list[tuple[str, int]]) -> dict[str, Row]:
    """The table before anything has happened."""
    found = [truth(name, seed) for name, seed in rooms]
    return {t.room_id: Row(t, t.room_id.partition(":")[0]) for t in found}


class Worker:
    """`python -m worker run` as a process of its own, its log in a file. A context manager."""

    def __init__(self, bootstrap: str, log_path: Path) -> None:
        self._log_path = log_path
        self._log = log_path.open("wb")
        self.port = _free_port()
        self.metrics_url = f"http://127.0.0.1:{self.port}/metrics"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_AUDIT_")}
        environment |= {
            "STREAM_AUDIT_BROKERS": bootstrap,
            "STREAM_AUDIT_METRICS_PORT": str(self.port),
            "STREAM_AUDIT_SESSION_TIMEOUT_S": "20",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "worker.lab.leash", "run"],
            env=environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE,  # the leash: whatever ends the demo closes it
            start_new_session=True,  # Ctrl-C at the terminal reaches the demo alone, which then ends the worker
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def failed(self) -> str:
        """Why the worker has ended, or "" while it runs."""
        code = self._process.poll()
        if code is None:
            return ""
        tail = self._log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        return f"the worker ended with code {code}; {self._log_path} ends with\n" + "\n".join(tail)

    def ready(self) -> bool:
        """Whether it has its partitions and has recovered."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def metrics(self) -> dict[str, float]:
        """The sum of each metric over its labels, without prefix; empty while it cannot be read."""
        try:
            with urllib.request.urlopen(self.metrics_url, timeout=2) as answer:
                text = answer.read(4 << 20).decode()
        except (urllib.error.URLError, OSError):
            return {}
        sums: dict[str, float] = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0].removeprefix("stream_audit_")
                sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    def stop(self) -> int:
        """SIGTERM, and wait for the end; kill after 30 s, or when the wait is interrupted. Returns the exit code."""
        try:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    return self._process.wait(STOP_TIMEOUT_S)
        finally:
            self._process.kill()
            code = self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._log.close()
        return code


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
