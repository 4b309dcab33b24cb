"""A demo under way: broker, worker, rooms, and what was seen of them. Prints nothing."""

from contextlib import ExitStack
from pathlib import Path
from typing import Self

import msgspec

from worker.clock import monotonic_s
from worker.lab.demo.cast import rows_of
from worker.lab.demo.feeder import PARTITIONS, Feeder
from worker.lab.demo.process import Worker
from worker.lab.demo.watcher import Watcher
from worker.lab.mockcluster import MockCluster
from worker.tools.replay import ViolationLine, encode_line
from worker.tools.roomlog import Writer
from worker.topics import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    HISTORY_TOPIC,
    IDENTITIES_TOPIC,
    REGISTRY_TOPIC,
    REQUESTS_TOPIC,
    REVIEWS_TOPIC,
    ROOMS_TOPIC,
    VIOLATIONS_TOPIC,
)

TOPICS = (
    EVENTS_TOPIC, IDENTITIES_TOPIC, REGISTRY_TOPIC, VIOLATIONS_TOPIC, ROOMS_TOPIC, REQUESTS_TOPIC, REVIEWS_TOPIC,
    DEAD_LETTERS_TOPIC, HISTORY_TOPIC, "stream-audit-rooms-changelog", "stream-audit-identities-changelog",
)  # fmt: skip
LOG_FILE, VIOLATIONS_FILE, WORKER_LOG_FILE = "log.jsonl.zst", "violations.jsonl", "worker.log"
START_TIMEOUT_S = 60.0
DRAIN_TIMEOUT_S = 30.0
QUIET_S = 1.5
METRICS_EVERY_S = 1.0
FLUSH_EVERY_S = 5.0


class DemoError(RuntimeError):
    """The demo cannot go on: the worker did not start, ended or fell behind, or records could not be fed."""


class Play:
    """Rooms, (archetype, seed) each, played into a broker that a worker reads. A context manager.

    Attributes:
        rows: the table of rooms, as of the last `take`. seen: violations, each id once.
        metrics: the worker's, about once a second. rate, peak_rate: records it reads a second.
    """

    def __init__(self, rooms: list[tuple[str, int]], out: Path, *, duration_ms: int, speed: float) -> None:
        self._rooms, self._out, self._duration_ms, self._speed = rooms, out, duration_ms, speed
        self._stack = ExitStack()
        self.rows = rows_of(rooms)
        self.seen: list[ViolationLine] = []
        self.metrics: dict[str, float] = {}
        self.rate = self.peak_rate = 0.0
        self._metrics_at_s = self._moved_s = self._flushed_s = self._ended_s = 0.0

    def __enter__(self) -> Self:
        """Start the broker and the worker; both end with the block, however it ends."""
        with ExitStack() as stack:
            self._out.mkdir(parents=True, exist_ok=True)
            cluster = stack.enter_context(MockCluster())
            for topic in TOPICS:
                cluster.create_topic(topic, PARTITIONS)
            self.bootstrap = cluster.bootstrap
            self.banner = cluster.banner
            worker = Worker(cluster.bootstrap, cluster.banner, self._out / WORKER_LOG_FILE)
            self.worker = stack.enter_context(worker)
            self._log = stack.enter_context(Writer(self._out / LOG_FILE))
            self._violations = stack.enter_context(Writer(self._out / VIOLATIONS_FILE))
            self.watcher = Watcher(cluster.bootstrap, self._log)
            stack.callback(self.watcher.close)
            self.feeder = Feeder(
                cluster.bootstrap, self._rooms, duration_ms=self._duration_ms, speed=self._speed, lag=self.lag
            )
            stack.callback(self.feeder.halt)
            self._began_s = monotonic_s()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def log_path(self) -> Path:
        """Where the room log is written."""
        return self._out / LOG_FILE

    @property
    def violations_path(self) -> Path:
        """Where violations are written."""
        return self._out / VIOLATIONS_FILE

    def lag(self) -> int:
        """Records fed, or seen in the room log, and not yet read by the worker and here, as of the last look."""
        fed = max(self.feeder.fed, self.watcher.logged)
        return fed - min(self.watcher.logged, int(self.metrics.get("read_total", 0)))

    def ready(self) -> bool:
        """Whether the worker has begun to read. Raises DemoError when it ended, or does not begin within 60 s."""
        if self.worker.ready():
            return True
        self.check()
        if monotonic_s() - self._began_s > START_TIMEOUT_S:
            raise DemoError(f"the worker was not ready within {START_TIMEOUT_S:.0f} s")
        return False

    def begin(self) -> None:
        """Let the rooms play."""
        self._moved_s = monotonic_s()
        self.feeder.start()

    def check(self) -> None:
        """Raise DemoError when the worker has ended, or records could not be fed."""
        if reason := self.worker.failed():
            raise DemoError(reason)
        if self.feeder.error:
            raise DemoError(f"feeding stopped: {self.feeder.error}")

    def over(self) -> bool:
        """Whether all rooms were played and all they led to was seen. Raises DemoError as `check`, or after 30 s."""
        self.check()
        if not self.feeder.done:
            return False
        now_s = monotonic_s()
        self._ended_s = self._ended_s or now_s
        if now_s - self._moved_s > QUIET_S and self.lag() <= 0:
            return True
        if now_s - self._ended_s > DRAIN_TIMEOUT_S:
            raise DemoError(f"the worker is still {self.lag():,} records behind; see {self._out / WORKER_LOG_FILE}")
        return False

    def take(self, seconds: float) -> None:
        """Take what the worker publishes in the next `seconds`.

        About once a second this looks at the worker's metrics, and every 5 s it flushes the logs.
        """
        fresh = self.watcher.poll(self.rows, seconds)
        for line in fresh:
            self._violations.line(encode_line(line))
            self.seen.append(line)
            row = self.rows.get(line.key)
            if row is not None:
                violation = msgspec.json.decode(line.value)
                row.last_violation = f"{violation['rule']['id']} {violation['transition']}"
        now_s = monotonic_s()
        if fresh:
            self._moved_s = now_s
        if now_s - self._flushed_s >= FLUSH_EVERY_S:
            self.flush()
        if now_s - self._metrics_at_s >= METRICS_EVERY_S:
            self._look_at_metrics(now_s)

    def _look_at_metrics(self, now_s: float) -> None:
        before = self.metrics.get("read_total", 0.0)
        if metrics := self.worker.metrics():
            self.metrics = metrics
            read = metrics.get("read_total", 0.0)
            self.rate = (read - before) / (now_s - self._metrics_at_s) if self._metrics_at_s else 0.0
            self.peak_rate = max(self.peak_rate, self.rate)
            if read > before:
                self._moved_s = now_s
        self._metrics_at_s = now_s

    def flush(self) -> None:
        """Hand what was written to the system, so that it can be read, even if this process is killed."""
        for log in (self._log, self._violations):
            log.flush()
        self._flushed_s = monotonic_s()
