"""`make soak HOURS=2`: one worker at 70 % of what it sustains, for hours; how fast does its memory grow?

First a backlog is drained, which gives the sustainable rate; then records are sent at 70 % of it. The slope is that of
a least-squares line through the resident set size, without the first quarter, in which rooms fill up.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import click
from confluent_kafka import Producer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.bench.corpus import corpus
from tests.support.engine import Log, Worker
from tests.support.kafka import REPOSITORY, KafkaCluster, wait_until
from worker.processor import EVENTS_TOPIC

RESULTS = REPOSITORY / "build" / "soak.json"
BACKLOG = 200_000
SHARE = 0.7
TICK_S = 0.02
SAMPLE_EVERY_S = 5.0
SLOPE_MAX_PERCENT = 1.0
JUDGED_FROM_HOURS = 1.0
"""A shorter soak prints its slope, but its noise is larger than what is asked for."""
EVENTS_MAX = 1 << 40


class Sample(NamedTuple):
    """Seconds since the soak began, resident bytes, records behind."""

    at_s: float
    rss_bytes: int
    lag: float


class Feed:
    """Produces the benchmarks' corpus, which goes on for ever, to the room log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._records: Iterator[tuple[int, bytes, bytes]] = corpus(EVENTS_MAX)
        options = {"linger.ms": 20, "compression.type": "lz4", "queue.buffering.max.messages": 1_000_000}
        self._producer = Producer({"bootstrap.servers": log.kafka.bootstrap, **options})

    def send(self, count: int) -> None:
        topic, partitions = self._log.topic(EVENTS_TOPIC), self._log.partitions
        for _ in range(count):
            timestamp, key, value = next(self._records)
            self._producer.produce(topic, value, key, crc32(key) % partitions, timestamp=timestamp)
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(60) == 0


@click.command(epilog="Example: python -m tests.faults.soak --hours 0.1")
@click.option("--hours", type=click.FloatRange(0.01, 100), default=2.0, show_default=True, help="How long to run.")
@click.option("--port", type=click.IntRange(1024, 65_000), help="Where the search for free ports begins.")
def main(hours: float, port: int | None) -> None:
    """Run one worker for hours at 70 % of its sustainable rate, and print the slope of its memory."""
    with tempfile.TemporaryDirectory(prefix="stream-audit-soak-") as directory, KafkaCluster(port=port) as kafka:
        log = Log(kafka, f"soak{uuid.uuid4().hex[:8]}.").create(without=[EVENTS_TOPIC])
        kafka.create_topic(
            log.topic(EVENTS_TOPIC), log.partitions, retention_bytes=256 << 20, segment_bytes=64 << 20, retention_ms=-1
        )
        feed = Feed(log)
        with Worker(log, Path(directory)) as worker:
            worker.wait_ready()
            sustainable = _drain(feed, worker)
            samples, sent_per_s = _run(feed, worker, SHARE * sustainable, hours * 3600)
            assert worker.term(timeout_s=60) == 0, worker.log()
    slope = slope_percent_per_hour(samples[len(samples) // 4 :])
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"hours": hours, "sustainable": sustainable, "samples": samples}))
    rss = [sample.rss_bytes >> 20 for sample in samples]
    behind = max(sample.lag for sample in samples)
    Console().print(
        f"drained {sustainable:,.0f}/s; sent {sent_per_s:,.0f}/s for {hours:g} h, at most {behind:,.0f} behind; "
        f"{rss[len(rss) // 4]} MiB after a quarter, {rss[-1]} MiB at the end: {slope:+.2f} %/h",
        highlight=False,
    )
    sys.exit(hours >= JUDGED_FROM_HOURS and slope >= SLOPE_MAX_PERCENT)


def _drain(feed: Feed, worker: Worker) -> float:
    """Records a second while a backlog is worked off."""
    feed.send(BACKLOG)
    feed.flush()
    wait_until(lambda: worker.metric("read_total") >= BACKLOG, timeout_s=600, what=worker.log)
    before, began_s = worker.metric("read_total"), time.monotonic()
    feed.send(BACKLOG // 2)
    feed.flush()
    feed.send(BACKLOG // 2)
    feed.flush()
    wait_until(lambda: worker.metric("read_total") >= before + BACKLOG, timeout_s=600, what=worker.log)
    return BACKLOG / (time.monotonic() - began_s)


def _run(feed: Feed, worker: Worker, per_s: float, seconds: float) -> tuple[list[Sample], float]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    samples: list[Sample] = []
    began_s = time.monotonic()
    sent, now_s = 0, 0.0
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(f"{per_s:,.0f}/s", total=seconds)
        while now_s < seconds:
            time.sleep(TICK_S)
            now_s = time.monotonic() - began_s
            due = int(now_s * per_s) - sent
            feed.send(due)
            sent += due
            if now_s >= len(samples) * SAMPLE_EVERY_S:
                assert worker.process.poll() is None, worker.log()
                samples.append(Sample(now_s, resident_bytes(worker.process.pid), worker.metric("lag_records")))
                bars.update(task, completed=now_s, description=f"{per_s:,.0f}/s {samples[-1].rss_bytes >> 20} MiB")
    feed.flush()
    return samples, sent / now_s


def resident_bytes(pid: int) -> int:
    """Resident set size of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def slope_percent_per_hour(samples: list[Sample]) -> float:
    """Slope of the least-squares line through the samples, relative to their mean."""
    mean_s = sum(sample.at_s for sample in samples) / len(samples)
    mean = sum(sample.rss_bytes for sample in samples) / len(samples)
    spread = sum((sample.at_s - mean_s) ** 2 for sample in samples)
    slope = sum((sample.at_s - mean_s) * (sample.rss_bytes - mean) for sample in samples) / spread
    return 100 * 3600 * slope / mean


if __name__ == "__main__":
    main()
