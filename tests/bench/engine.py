"""The engine beside its peers, in one run on a real Kafka: `python -m tests.bench.engine` (`make bench`).

Starts a broker (one node, pinned to one core where there are two), fills a topic (4 partitions, lz4, the corpus), then
every system reads it in a process of its own, pinned to the other core, once a round in rotating order. Ratios are
taken within a round. The stock agent reads only the first `--stock-events`, the in-memory rows 500,000.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from confluent_kafka import Producer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.bench.corpus import corpus
from tests.bench.systems import OUT, PARTITIONS, SYSTEMS, TOPIC
from tests.support.kafka import KafkaCluster

ENGINE, FULL, STOCK, LOOP = "engine, peers' job", "full audit", "stock Faust agent", "in-memory loop"
GATES = (
    ("engine ≥ 25 × stock Faust agent", ENGINE, STOCK, 25.0),
    ("engine ≥ 70 % of the in-memory loop", ENGINE, LOOP, 0.70),
    ("full audit ≥ 40 % of the engine", FULL, ENGINE, 0.40),
)
RUN_TIMEOUT_S = 600
console = Console()


def fill(bootstrap: str, events: int) -> float:
    """Writes the corpus; a room stays on one partition. Returns the mean size of a value in bytes."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap, "compression.type": "lz4", "linger.ms": 50, "batch.size": 262_144,
            "queue.buffering.max.messages": 500_000,
        }
    )  # fmt: skip
    total = 0
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("filling the topic", total=events)
        for i, (timestamp, key, value) in enumerate(corpus(events)):
            total += len(value)
            while True:
                try:
                    producer.produce(TOPIC, value, key=key, partition=int(key[-8:]) % PARTITIONS, timestamp=timestamp)
                    break
                except BufferError:
                    producer.poll(0.1)
            if i % 20_000 == 0:
                producer.poll(0)
                progress.update(task, completed=i)
    producer.flush()
    return total / events


def run(system: str, bootstrap: str, events: int, core: int | None) -> dict[str, float]:
    """One system in a process of its own."""

    def pin() -> None:
        if core is not None:
            os.sched_setaffinity(0, {core})

    command = [sys.executable, "-m", "tests.bench.systems", system, bootstrap, str(events)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_TIMEOUT_S, preexec_fn=pin)
    lines = [line[line.index("{") :] for line in done.stdout.splitlines() if "{" in line]
    if done.returncode or not lines:
        raise RuntimeError(f"{system} failed ({done.returncode}):\n{done.stderr[-3000:]}{done.stdout[-1000:]}")
    result: dict[str, float] = json.loads(lines[-1])
    return result


def show(results: dict[str, list[dict[str, float]]]) -> list[str]:
    """Tables of medians and ranges and of the gates; returns the gates that were missed."""
    table = Table("system", "rounds", "events/s", "CPU-s / million events", "RSS MB", "records out", title="Throughput")
    for system, rounds in results.items():
        cells = [f"{len(rounds)}"]
        for field, form in (("events_per_s", ",.0f"), ("cpu_s_per_million", ".2f"), ("rss_mb", ".0f")):
            values = [r[field] for r in rounds]
            spread = f" [{format(min(values), form)}–{format(max(values), form)}]"
            cells.append(format(statistics.median(values), form) + (spread if field != "rss_mb" else ""))
        table.add_row(system, *cells, f"{rounds[-1]['out']:,}")
    console.print(table)
    gates = Table("gate", "by CPU: median [per round]", "by wall clock: median [per round]", "met", title="Gates")
    missed = []
    for name, ours, theirs, bar in GATES:
        if not (results.get(ours) and results.get(theirs)):
            continue
        pairs = list(zip(results[ours], results[theirs], strict=False))
        by_cpu = [b["cpu_s_per_million"] / a["cpu_s_per_million"] for a, b in pairs]
        by_wall = [a["events_per_s"] / b["events_per_s"] for a, b in pairs]
        met = statistics.median(by_cpu) >= bar
        cells = [f"{statistics.median(x):.2f} [{', '.join(f'{v:.2f}' for v in x)}]" for x in (by_cpu, by_wall)]
        gates.add_row(name, *cells, "yes" if met else "[red]no[/red]")
        if not met:
            missed.append(name)
    console.print(gates)
    return missed


def main() -> int:
    """Fills, runs, prints; exit code 1 when a gate is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--stock-events", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--systems", nargs="*", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--json", type=Path, help="write all results to this file")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    broker_core, worker_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    results: dict[str, list[dict[str, float]]] = {system: [] for system in options.systems}
    if broker_core is not None:
        os.sched_setaffinity(0, {broker_core})  # the broker and this process; systems are pinned to the other core
    with KafkaCluster(heap="1g") as kafka:
        kafka.create_topic(TOPIC, PARTITIONS, **{"retention.ms": -1})
        kafka.create_topic(OUT, PARTITIONS, **{"retention.ms": -1})
        for name in ("live.audit.violations", "live.audit.requests", "live.audit.deadletter", "live.audit.identities"):
            kafka.create_topic(name, PARTITIONS, **{"retention.ms": -1})
        for name in ("live.audit.rooms", "live.host.registry"):
            kafka.create_topic(name, PARTITIONS, **{"cleanup.policy": "compact"})
        size = fill(kafka.bootstrap, options.events)
        console.print(f"{options.events:,} events of {size:.0f} bytes, 1,000 rooms, lz4, {PARTITIONS} partitions")
        for number in range(options.rounds):
            order = options.systems[number % len(options.systems) :] + options.systems[: number % len(options.systems)]
            for system in order:
                events = options.stock_events if system == STOCK else options.events
                result = run(system, kafka.bootstrap, events, worker_core)
                results[system].append(result)
                rate, cpu = result["events_per_s"], result["cpu_s_per_million"]
                if options.json:
                    options.json.write_text(json.dumps(results, indent=1))
                console.print(f"round {number + 1}  {system:26} {rate:12,.0f} events/s {cpu:8.2f} CPU-s/M")
    return 1 if show(results) else 0


if __name__ == "__main__":
    sys.exit(main())
