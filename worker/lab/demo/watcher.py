"""Reads what the demo's worker publishes, and the room log that it was fed."""

from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

from worker.lab.demo.cast import Row
from worker.lab.demo.feeder import PARTITIONS
from worker.lab.mockcluster import QUIET
from worker.tools.replay import ViolationLine
from worker.tools.roomlog import LogRecord, Writer
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, ROOMS_TOPIC, VIOLATIONS_TOPIC


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
