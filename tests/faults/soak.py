"""`make soak HOURS=2`: one worker at a steady rate, for hours; how fast does its memory grow?

By default a backlog is drained, which gives the sustainable rate, and records are sent at 70 % of it; `--rate 300`
sends so many a second instead, to run beside other work, after a backlog that fills what is bounded: at 250/s the
memory of pure functions (8,192 texts of comments, 16 MB) would take an hour. The slope is that of a least-squares line
through the resident set size, without the first quarter; its interval is from block means, since samples that follow
one another are alike.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import click
from confluent_kafka import Producer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.bench.corpus import MIX, ROOMS, USUAL_CLOCK, corpus, steady
from tests.faults import document, results
from tests.support.engine import APPENDED, Log, Worker
from tests.support.kafka import REPOSITORY, KafkaCluster, wait_until
from worker.audit.speech import CAPACITY
from worker.topics import EVENTS_TOPIC

RESULTS = REPOSITORY / "build" / "soak.json"
BACKLOG = 200_000
WARM_UP_ROOM_S = 64_000
"""Seconds of event time, summed over rooms, after which `audit.text` remembers as many texts as it may: it meets one
in six seconds of a room, seen when allocated blocks cease to grow (52,000)."""
SHARE = 0.7
COMMENT = b'{"type":"viewer.comment"'
TICK_S = 0.05
SAMPLE_EVERY_S = 5.0
SLOPE_MAX_PERCENT = 1.0
JUDGED_FROM_HOURS = 1.0
"""A shorter soak prints its slope, but its noise is larger than what is asked for."""
EVENTS_MAX = 1 << 40
BLOCKS = 12
T_95 = 2.228
"""Student's t, two-sided 95 %, of BLOCKS - 2 degrees of freedom."""


class Sample(NamedTuple):
    """Seconds since the soak began, resident bytes, records behind, CPU-seconds that the worker has used."""

    at_s: float
    rss_bytes: int
    lag: float
    cpu_s: float


class Feed:
    """Produces the benchmarks' corpus, which goes on for ever, to the room log.

    No comment comes twice, as live, so that what is remembered of comments (`text.bigrams`) fills. At a rate that is
    known, event time runs with the clock.
    """

    def __init__(self, log: Log, rooms: int, per_s: int | None = None) -> None:
        self._log = log
        self._sent = 0
        clock_ms = steady(per_s) if per_s else USUAL_CLOCK
        self._records: Iterator[tuple[int, bytes, bytes]] = corpus(EVENTS_MAX, rooms, clock_ms=clock_ms)
        options = {"linger.ms": 20, "compression.type": "lz4", "queue.buffering.max.messages": 1_000_000}
        self._producer = Producer({"bootstrap.servers": log.kafka.bootstrap, **options})

    def send(self, count: int) -> None:
        topic, partitions = self._log.topic(EVENTS_TOPIC), self._log.partitions
        for _ in range(count):
            timestamp, key, value = next(self._records)
            self._sent += 1
            if value.startswith(COMMENT):
                value = value.replace(b'"text":"', b'"text":"%d ' % self._sent, 1)
            self._producer.produce(topic, value, key, crc32(key) % partitions, timestamp=timestamp)
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(60) == 0


@click.command(epilog="Example: python -m tests.faults.soak --hours 2 --rate 250")
@click.option("--hours", type=click.FloatRange(0.03, 100), default=2.0, show_default=True, help="How long to run.")
@click.option("--rate", type=click.IntRange(1, 100_000), help="Records a second (default: 70 % of what is sustained).")
@click.option("--port", type=click.IntRange(1024, 65_000), help="Where the search for free ports begins.")
@click.option("--document/--no-document", "write", default=True, help="Write docs/RELIABILITY.md.")
def main(hours: float, rate: int | None, port: int | None, write: bool) -> None:
    """Run one worker for hours at a steady rate, and print the slope of its memory with its confidence interval.

    Exits 1 when an hour or more shows a growth of 1 %/h or more.
    """
    with tempfile.TemporaryDirectory(prefix="stream-audit-soak-") as directory, KafkaCluster(port=port) as kafka:
        log = Log(kafka, f"soak{uuid.uuid4().hex[:8]}.").create(without=[EVENTS_TOPIC])
        kafka.create_topic(
            log.topic(EVENTS_TOPIC), log.partitions, retention_bytes=256 << 20, segment_bytes=64 << 20, retention_ms=-1,
            **APPENDED,
        )  # fmt: skip
        rooms = rooms_that_fill(rate) if rate else ROOMS
        feed = Feed(log, rooms, rate)
        with Worker(log, Path(directory)) as worker:
            worker.wait_ready()
            if rate:
                warm_up = rate * WARM_UP_ROOM_S // rooms
                _work_off(feed, worker, warm_up)
                pace = f"{rate:,}/s asked for after {warm_up:,} at once"
            else:
                sustainable = _drain(feed, worker)
                rate, pace = round(SHARE * sustainable), f"70 % of {sustainable:,.0f}/s drained"
            samples, sent_per_s = _run(feed, worker, rate, hours * 3600)
            assert worker.term(timeout_s=60) == 0, worker.log()
    slope, half_width = slope_percent_per_hour(samples[len(samples) // 4 :])
    said = f"{pace}, {describe(samples, sent_per_s, hours)}: {slope:+.2f} ± {half_width:.2f} %/h (95 %)."
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"hours": hours, "said": said, "commit": results.commit(), "samples": samples}))
    Console().print(said, highlight=False)
    if write:
        document.write()
    sys.exit(hours >= JUDGED_FROM_HOURS and slope >= SLOPE_MAX_PERCENT)


def rooms_that_fill(per_s: int) -> int:
    """How many rooms fill their speech rings in the time that the texts of comments take; so both are full soonest."""
    return max(4, round(math.sqrt(WARM_UP_ROOM_S * per_s * MIX.count("host.speech") / len(MIX) / CAPACITY)))


def describe(samples: list[Sample], sent_per_s: float, hours: float) -> str:
    """What was seen, but the slope."""
    rss = [sample.rss_bytes >> 20 for sample in samples]
    behind = max(sample.lag for sample in samples)
    share = (samples[-1].cpu_s - samples[0].cpu_s) / (samples[-1].at_s - samples[0].at_s)
    return (
        f"{sent_per_s:,.0f}/s sent for {hours:g} h, at most {behind:,.0f} records behind, {share:.0%} of a core.\n"
        f"Memory: {rss[len(rss) // 4]} MiB after a quarter, {rss[-1]} MiB at the end"
    )


def _work_off(feed: Feed, worker: Worker, count: int) -> None:
    """Sends the first `count` records, and waits until they are read."""
    sent = 0
    while sent < count:
        part = min(BACKLOG, count - sent)
        feed.send(part)
        feed.flush()
        sent += part
        wait_until(partial(_has_read, worker, sent), timeout_s=600, what=worker.log)


def _has_read(worker: Worker, count: float) -> bool:
    return worker.metric("read_total") >= count


def _drain(feed: Feed, worker: Worker) -> float:
    """Records a second while a backlog is worked off."""
    _work_off(feed, worker, BACKLOG)
    before, began_s = worker.metric("read_total"), time.monotonic()
    feed.send(BACKLOG // 2)
    feed.flush()
    feed.send(BACKLOG // 2)
    feed.flush()
    wait_until(partial(_has_read, worker, before + BACKLOG), timeout_s=600, what=worker.log)
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
                pid = worker.process.pid
                samples.append(Sample(now_s, resident_bytes(pid), worker.metric("lag_records"), cpu_seconds(pid)))
                bars.update(task, completed=now_s, description=f"{per_s:,.0f}/s {samples[-1].rss_bytes >> 20} MiB")
    feed.flush()
    return samples, sent / now_s


def resident_bytes(pid: int) -> int:
    """Resident set size of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def slope_percent_per_hour(samples: list[Sample]) -> tuple[float, float]:
    """Slope of the least-squares line through the means of twelve blocks, relative to their mean, and half of its 95 %
    interval (Student's t; Draper and Smith, Applied Regression Analysis, §1.4). Raises ValueError for few samples."""
    size = len(samples) // BLOCKS
    if not size:
        raise ValueError(f"{len(samples)} samples are too few for a slope: soak for longer")
    blocks = [samples[i * size : (i + 1) * size] for i in range(BLOCKS)]
    times = [statistics.fmean(sample.at_s for sample in block) for block in blocks]
    sizes = [statistics.fmean(sample.rss_bytes for sample in block) for block in blocks]
    line = statistics.linear_regression(times, sizes)
    left = [y - line.slope * x - line.intercept for x, y in zip(times, sizes, strict=True)]
    middle = statistics.fmean(times)
    error = math.sqrt(sum(r * r for r in left) / (BLOCKS - 2) / sum((x - middle) ** 2 for x in times))
    percent = 100 * 3600 / statistics.fmean(sizes)
    return line.slope * percent, T_95 * error * percent


if __name__ == "__main__":
    main()
