"""Plays the demo's rooms into the room log, in order of event time."""

import heapq
import threading
from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

import orjson
from confluent_kafka import Producer

from worker.clock import monotonic_s
from worker.lab.mockcluster import QUIET
from worker.lab.simulate import STARTED_AT_MS, Event, at_ms_of, simulate
from worker.topics import EVENTS_TOPIC

PARTITIONS = 8
IN_FLIGHT_RECORDS_MAX = 20_000  # the mock keeps 5 MB a partition: the feeder must not run far ahead of the worker
STOP_TIMEOUT_S = 30.0
FEED_STEP_S = 0.02


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
