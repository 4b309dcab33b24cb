"""Throughput of every system on the same work: rounds in rotating order on a real Kafka.

A broker (one node, pinned to one core where there are two) holds the corpus (4 partitions, lz4). Every system reads it
in a process of its own, pinned to the other core, once a round. Ratios are taken within a round. Before anything is
timed, each system that does the common job runs on a small log to its end, and what it emitted is compared with the
naive oracle's.
"""

import json
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from rich.console import Console
from rich.progress import Progress

from tests.bench.corpus import ROOMS, corpus
from tests.bench.job import Oracle
from tests.bench.peers import PEERS, Peer
from tests.bench.peers.environments import Missing, command, prepare, variables
from tests.bench.systems import OUT, PARTITIONS, SYSTEMS, TOPIC
from tests.support.kafka import KafkaCluster

ENGINE, FULL, STOCK, LOOP = "engine, peers' job", "full audit", "stock Faust agent", "in-memory loop"
OWN_EVENTS = {STOCK: 40_000}
CHECKED = (STOCK, "aiokafka getmany + orjson", ENGINE)
CHECK_EVENTS, CHECK_ROOMS = 40_000, 50
RUN_TIMEOUT_S, CHECK_TIMEOUT_S = 600, 120
Result = dict[str, float]


def cores() -> tuple[int | None, int | None]:
    """(broker's core, worker's core), or nothing to pin to."""
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[1]) if len(mine) > 1 else (None, None)


@contextmanager
def broker(console: Console, events: int, rooms: int = ROOMS, partitions: int = PARTITIONS) -> Iterator[KafkaCluster]:
    """A pinned broker whose event topic holds the corpus."""
    core, _ = cores()
    everything = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})  # the broker and this process; systems are pinned to the other core
    try:
        with KafkaCluster(heap="1g") as kafka:
            for name in (TOPIC, OUT, "live.audit.violations", "live.audit.deadletter"):
                kafka.create_topic(name, partitions, **{"retention.ms": -1})
            for name in ("live.audit.requests", "live.audit.reviews", "live.audit.identities"):
                kafka.create_topic(name, partitions)
            for name in ("live.audit.rooms", "live.host.registry"):
                kafka.create_topic(name, partitions, **{"cleanup.policy": "compact"})
            fill(kafka.bootstrap, events, rooms, partitions, console)
            yield kafka
    finally:
        os.sched_setaffinity(0, everything)


def fill(bootstrap: str, events: int, rooms: int, partitions: int, console: Console) -> None:
    """Writes the corpus; a room stays on one partition."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap, "compression.type": "lz4", "linger.ms": 50, "batch.size": 262_144,
            "queue.buffering.max.messages": 500_000,
        }
    )  # fmt: skip
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("filling the topic", total=events)
        for i, (timestamp, key, value) in enumerate(corpus(events, rooms)):
            while True:
                try:
                    producer.produce(TOPIC, value, key=key, partition=int(key[-8:]) % partitions, timestamp=timestamp)
                    break
                except BufferError:
                    producer.poll(0.1)
            if i % 20_000 == 0:
                producer.poll(0)
                progress.update(task, completed=i)
    producer.flush()


def names() -> list[str]:
    """Every system that can be chosen."""
    return [*SYSTEMS, *(peer.name for peer in PEERS)]


def _peer(name: str) -> Peer | None:
    return next((peer for peer in PEERS if peer.name == name), None)


def events_of(name: str, events: int) -> int:
    """How many events a system reads: slow ones fewer."""
    peer = _peer(name)
    return min(events, (peer.events if peer else OWN_EVENTS.get(name, 0)) or events)


def run(name: str, bootstrap: str, events: int, *, check: bool = False, partitions: int | None = None) -> Result:
    """One system in a process of its own, pinned; `partitions` only for the full audit, on a log that has so many.

    Raises:
        RuntimeError: it failed, or took too long.
    """
    core = cores()[1] if len(os.sched_getaffinity(0)) > 1 else _other_core()
    pin: Callable[[], None] | None = None if core is None else lambda: os.sched_setaffinity(0, {core})
    peer, timeout_s = _peer(name), CHECK_TIMEOUT_S if check else RUN_TIMEOUT_S
    with tempfile.TemporaryDirectory(prefix="bench-") as state:
        if peer is None:
            argv, env = [sys.executable, "-m", "tests.bench.systems", name, bootstrap, str(events)], dict(os.environ)
            argv += ["--partitions", str(partitions)] if partitions else []
        else:
            argv, env = command(peer, bootstrap, TOPIC, OUT, events, Path(state)), variables(peer, bootstrap, events)
        if check:
            env["BENCH_CHECK"] = "1"
            argv = [arg.replace("-Dcheck=false", "-Dcheck=true") for arg in argv]
        try:
            done = subprocess.run(
                argv, capture_output=True, text=True, check=False, timeout=timeout_s, preexec_fn=pin, env=env
            )
        except subprocess.TimeoutExpired as late:
            raise RuntimeError(f"{name}: no result within {timeout_s} s") from late
    lines = [line[line.index("{") :] for line in done.stdout.splitlines() if "{" in line and "rss_mb" in line]
    if done.returncode or not lines:
        raise RuntimeError(f"{name} failed ({done.returncode}):\n{done.stderr[-2000:]}{done.stdout[-1000:]}")
    result: Result = json.loads(lines[-1])
    return result


def _other_core() -> int | None:
    """This process is pinned to the broker's core already; the worker's is another."""
    mine = os.sched_getaffinity(0)
    return next((core for core in range(os.cpu_count() or 1) if core not in mine), None)


def oracle_digest() -> tuple[int, int]:
    """(records, digest) that the common job must emit on the small log."""
    oracle, out, digest = Oracle(), 0, 0
    for _, _, value in corpus(CHECK_EVENTS, CHECK_ROOMS):
        event = json.loads(value)
        made = oracle.update(event["room_id"], event["type"], event["at_ms"])
        if made is not None:
            out += 1
            digest += zlib.crc32(made)
    return out, digest


def check(systems: list[str], console: Console) -> dict[str, str]:
    """Runs every system of the common job against the oracle; returns what is wrong, or missing, by name."""
    problems: dict[str, str] = {}
    for name in systems:
        peer = _peer(name)
        if peer is not None:
            console.print(f"preparing {name}", style="dim")
            try:
                prepare(peer.environment)
            except Missing as why:
                problems[name] = f"missing: {why}"
    checked = [n for n in systems if n not in problems and (n in CHECKED or ((p := _peer(n)) and not p.own_windows))]
    if not checked:
        return problems
    out, digest = oracle_digest()
    with broker(console, CHECK_EVENTS, CHECK_ROOMS) as kafka:
        for name in checked:
            try:
                result = run(name, kafka.bootstrap, CHECK_EVENTS, check=True)
            except RuntimeError as why:
                problems[name] = str(why)
                continue
            if (result["out"], result["digest"]) != (out, digest):
                problems[name] = f"wrong output: {result['out']:.0f} records, the oracle has {out}"
            console.print(f"checked  {name:34} {'[red]wrong[/red]' if name in problems else 'as the oracle says'}")
    return problems


def measure(systems: list[str], *, events: int, rounds: int, console: Console, save: Callable[[Any], None]) -> Any:
    """All rounds; `save` gets what there is after every run."""
    problems = check(systems, console)
    for name, why in problems.items():
        console.print(f"[red]{name}[/red]: {why}")
    systems = [name for name in systems if name not in problems]
    results: dict[str, list[Result]] = {name: [] for name in systems}
    found = {"events": events, "rounds": rounds, "systems": results, "missing": problems}
    with broker(console, events) as kafka:
        for number in range(rounds):
            shift = number % len(systems) if systems else 0
            for name in systems[shift:] + systems[:shift]:
                try:
                    result = run(name, kafka.bootstrap, events_of(name, events))
                except RuntimeError as why:
                    problems[name] = str(why)
                    console.print(f"[red]{why}[/red]")
                    continue
                results[name].append({**result, "round": number})
                save(found)
                rate, cpu = result["events_per_s"], result["cpu_s_per_million"]
                console.print(f"round {number + 1}  {name:34} {rate:12,.0f} events/s {cpu:9.2f} CPU-s/M")
    return found


def by_partitions(partitions: int, *, events: int, rounds: int, console: Console) -> list[Result]:
    """The full audit on logs of the same corpus in so many partitions; every round reads it anew."""
    with broker(console, events, partitions=partitions) as kafka:
        return [run(FULL, kafka.bootstrap, events, partitions=partitions) for _ in range(rounds)]
