"""Scenes with the running worker: latency at several rates, one hot room, a worker that is killed.

The load, the broker and the reader share one core, the worker has the other; with two workers nothing is pinned.
"""

import json
import os
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.live import LEAD_S, Load, Violations, drive
from tests.bench.throughput import FULL
from tests.support.engine import Log, Worker
from tests.support.kafka import KafkaCluster, wait_until
from tests.support.oracle import oracle
from worker.topics import EVENTS_TOPIC, VIOLATIONS_TOPIC

COMMIT_INTERVAL_S = "1"
GOAL_RATE = 20_000
SHARES = (0.25, 0.5, 0.75, 0.9)
"""Of the sustainable rate: what the full audit reads of a backlog, on the same core."""
UNKNOWN = (5_000, 10_000)
"""Rates beside the goal's where nobody has measured what is sustainable."""
CAUGHT_UP_S = 1.5
"""Of load that may not be committed yet: an interval of commits and a fetch."""


def _pin_worker(worker: Worker) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        for task in os.listdir(f"/proc/{worker.process.pid}/task"):
            os.sched_setaffinity(int(task), {cores[1]})


def under_load(kafka: KafkaCluster, name: str, load: Load, console: Console) -> dict[str, Any]:
    """One worker under one load; quantiles of event→violation in ms."""
    console.print(f"[dim]{name}: making {load.rate * load.total_s:,.0f} events[/dim]")
    load.prepare(name)
    log = Log(kafka, f"{name}.", partitions=4).create()
    violations = Violations(log)
    with tempfile.TemporaryDirectory() as directory, Worker(log, Path(directory), COMMIT_INTERVAL_S="1") as worker:
        worker.wait_ready()
        _pin_worker(worker)
        measured = drive(log, load, violations)
        code = worker.term()
    violations.close()
    found = {
        "rate": load.rate, "rooms": load.rooms, "hot": load.hot, "zipf": load.zipf, "sent": measured.sent,
        "missing": measured.expected - len(measured.seen), "behind_ms": measured.behind_ms, "exit": code,
        **measured.quantiles_ms(),
    }  # fmt: skip
    console.print(_line(name, found))
    return found


def _line(name: str, found: dict[str, Any]) -> str:
    return (
        f"{name:24} {found['rate']:>8,} events/s  p50 {found['p50']:8.1f}  p99 {found['p99']:8.1f}  "
        f"p99.9 {found['p99.9']:8.1f} ms  of {found['violations']:,.0f}; missing {found['missing']}, "
        f"sender behind {found['behind_ms']:.0f} ms"
    )


def sustainable(results: Path) -> float | None:
    """Events/s of the full audit in the median of rounds, where throughput was measured."""
    path = results / "throughput.json"
    rows = json.loads(path.read_text())["results"]["systems"].get(FULL) if path.exists() else None
    return statistics.median(row["events_per_s"] for row in rows) if rows else None


def rates_of(most: float | None) -> list[int]:
    """The goal's rate and shares of what is sustainable, in hundreds."""
    others = [round(share * most, -2) for share in SHARES] if most else UNKNOWN
    return sorted({GOAL_RATE, *map(int, others)})


def latency(
    kafka: KafkaCluster, rates: list[int], seconds: float, most: float | None, console: Console
) -> list[dict[str, Any]]:
    """Latency at each rate; `most` is the sustainable one, if known."""
    return [{"sustainable": most, **under_load(kafka, f"rate{rate}", Load(rate, seconds), console)} for rate in rates]


def skew(kafka: KafkaCluster, rate: int, seconds: float, console: Console) -> list[dict[str, Any]]:
    """The same rate spread evenly, by Zipf, and with four fifths of it in one room: what do other rooms notice?"""
    shapes = {
        "even": Load(rate, seconds),
        "zipf1.0": Load(rate, seconds, zipf=1.0),
        "zipf1.2": Load(rate, seconds, zipf=1.2),
        "hot80": Load(rate, seconds, hot=0.8),
    }
    return [{"shape": name, **under_load(kafka, f"skew-{name}", load, console)} for name, load in shapes.items()]


def recovery(kafka: KafkaCluster, rooms: int, rate: int, seconds: float, console: Console) -> dict[str, Any]:
    """Two workers under load, one is killed: how long until its partitions move again and are caught up; what is
    lost (nothing may be) and what is repeated, against the single-threaded core."""
    load = Load(rate, seconds, rooms=rooms).prepare(f"kill{rooms}")
    name = f"kill{rooms}"
    log = Log(kafka, f"{name}.", partitions=4).create()
    settings = {"COMMIT_INTERVAL_S": COMMIT_INTERVAL_S, "SESSION_TIMEOUT_S": "10", "HEARTBEAT_INTERVAL_S": "1"}
    violations = Violations(log)
    timeline: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as directory,
        Worker(log, Path(directory), **settings) as kept,
        Worker(log, Path(directory), **settings) as killed,
    ):
        kept.wait_ready()
        killed.wait_ready()
        watcher = _Watcher(log, killed, at_s=LEAD_S + seconds * 0.4, allowed=rate * CAUGHT_UP_S, timeline=timeline)
        measured = drive(log, load, violations, settle_s=120, each_second=watcher.look)
        wait_until(watcher.caught_up, timeout_s=180, what="caught up")
        log.wait_quiet(kept)
        code = kept.term(60)
    violations.close()
    expected = Counter(dict(v.headers)["ce_id"] for v in oracle(log).violations)
    got = Counter(dict(v.headers)["ce_id"] for v in log.read(VIOLATIONS_TOPIC))
    found = {
        "rooms": rooms, "rate": rate, "exit": code,
        "resumed_s": timeline["resumed"] - timeline["killed"],
        "caught_up_s": timeline["caught_up"] - timeline["killed"],
        "violations": sum(expected.values()), "lost": len(expected - got), "wrong": len(set(got) - set(expected)),
        "repeats": sum((got - expected).values()), **measured.quantiles_ms(),
    }  # fmt: skip
    console.print(
        f"{rooms:,} rooms, {rate:,} events/s: its partitions moved again after {found['resumed_s']:.1f} s, caught up "
        f"after {found['caught_up_s']:.1f} s; lost {found['lost']}, wrong {found['wrong']}, repeats {found['repeats']}"
    )
    return found


class _Watcher:
    """Kills a worker when its time has come, then watches the committed offsets of the partitions that stood still."""

    def __init__(self, log: Log, killed: Worker, *, at_s: float, allowed: float, timeline: dict[str, float]) -> None:
        self._log, self._killed, self._at_s, self._allowed, self._timeline = log, killed, at_s, allowed, timeline
        self._begin_s = time.perf_counter()
        self._stood: dict[int, int] = {}

    def look(self) -> None:
        """Called about once a second while the load runs."""
        now_s = time.perf_counter()
        if "killed" not in self._timeline:
            if now_s - self._begin_s >= self._at_s:
                self._killed.kill9()
                self._timeline["killed"] = now_s
                self._stood = self._log.committed()
            return
        committed = self._log.committed()
        if "resumed" not in self._timeline and all(committed[p] > at for p, at in self._stood.items()):
            self._timeline["resumed"] = now_s
        self.caught_up()

    def caught_up(self) -> bool:
        """Whether commits are no further behind than they are while nothing is wrong."""
        if "resumed" not in self._timeline:
            committed = self._log.committed()
            if all(committed[p] > at for p, at in self._stood.items()):
                self._timeline["resumed"] = time.perf_counter()
            return False
        if "caught_up" in self._timeline:
            return True
        ends, committed = self._log.ends(EVENTS_TOPIC), self._log.committed()
        if sum(ends.values()) - sum(committed.values()) <= self._allowed:
            self._timeline["caught_up"] = time.perf_counter()
            return True
        return False
