"""`python -m tests.bench`: measures on a real Kafka, keeps results, writes docs/BENCHMARKS.md from them.

What docs/BENCHMARKS.remarks.md says comes from commands of their own, `tests.bench.core`, `memory`, `policies` and
others.
"""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tests.bench.gates import BAR_SYSTEMS, unmeasured, verdicts
from tests.bench.throughput import by_partitions, measure, names
from tests.support.kafka import KAFKA_VERSION, REPOSITORY, KafkaCluster

RESULTS = REPOSITORY / "build" / "bench" / "results"
LIBRARIES = ("faust-streaming", "aiokafka", "msgspec", "orjson", "uvloop")
console = Console()


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    with open("/proc/cpuinfo") as info:
        cpu = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "unknown")
    return {
        "cpu": cpu, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version(), "kafka": KAFKA_VERSION,
        "libraries": {name: version(name) for name in LIBRARIES}, "on": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip


def save(part: str, results: Any) -> None:
    """Keeps a part's results, with the command that made them."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    command = "python -m tests.bench " + " ".join(f'"{a}"' if " " in a else a for a in sys.argv[1:])
    found = {"machine": machine(), "command": command, "results": results}
    (RESULTS / f"{part}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure the worker beside its peers; each part can run alone.

    \b
    Example:
      python -m tests.bench throughput --rounds 5
      python -m tests.bench report
    """


@main.command()
@click.option("--events", default=2_000_000, show_default=True, help="Events in the log.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--system", "systems", multiple=True, type=click.Choice(names()), help="Only these (repeatable).")
def throughput(events: int, rounds: int, systems: tuple[str, ...]) -> None:
    """Every system on the same work, once a round in rotating order."""
    chosen = list(systems) or names()
    found = measure(chosen, events=events, rounds=rounds, console=console, save=lambda r: save("throughput", r))
    save("throughput", found)
    show(found["systems"])


@main.command()
@click.option("--events", default=400_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def gate(events: int, rounds: int) -> None:
    """Every bar, on the systems that bars name and fewer events; takes less than ten minutes on two idle cores.

    Exit code 1: a bar is missed or has no figure, or a system failed.
    """
    found = measure(list(BAR_SYSTEMS), events=events, rounds=rounds, console=console, save=lambda _: None)
    missed = show(found["systems"])
    for name, why in found["missing"].items():
        console.print(f"[red]{name} is without a figure[/red] in at least one round: {why.splitlines()[0]}")
    if missed:
        console.print(f"[red]not held:[/red] {'; '.join(missed)}")
    if missed or found["missing"]:
        sys.exit(1)


def show(systems: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Prints the gates; returns the bars that are missed or have no figure."""
    table = Table("events per CPU-second", "median", "rounds", "bar", "met", title="Gates")
    missed = []
    for verdict in verdicts(systems):
        rounds = ", ".join(f"{ratio:.2f}" for ratio in verdict.ratios)
        kind = "goal" if verdict.gate.goal else "bar"
        met = "yes" if verdict.met else "[red]no[/red]"
        table.add_row(verdict.gate.name, f"{verdict.median:.2f}", rounds, f"{kind} {verdict.gate.bar:g}", met)
        if not verdict.met and not verdict.gate.goal:
            missed.append(verdict.gate.name)
    for gate in unmeasured(systems):
        table.add_row(gate.name, "–", "–", f"bar {gate.bar:g}", "[red]not measured[/red]")
        missed.append(f"{gate.name} (not measured)")
    console.print(table)
    return missed


@main.command()
@click.option("--rate", "rates", multiple=True, type=int, help="Events/s (repeatable).")
@click.option("--seconds", default=30.0, show_default=True)
def latency(rates: tuple[int, ...], seconds: float) -> None:
    """Event→violation under an open load.

    Without --rate: at 20,000 events/s, and at 25, 50, 75 and 90 % of what the full audit read a second when throughput
    was measured last (5,000 and 10,000 where it was not).
    """
    from tests.bench import scenes

    most = scenes.sustainable(RESULTS)
    with KafkaCluster(heap="1g") as kafka:
        save("latency", scenes.latency(kafka, list(rates) or scenes.rates_of(most), seconds, most, console))


@main.command()
@click.option("--rate", default=8_000, show_default=True)
@click.option("--seconds", default=30.0, show_default=True)
def skew(rate: int, seconds: float) -> None:
    """The same load spread evenly, by Zipf, and mostly in one room."""
    from tests.bench import scenes

    with KafkaCluster(heap="1g") as kafka:
        save("skew", scenes.skew(kafka, rate, seconds, console))


@main.command()
@click.option("--rooms", "sizes", multiple=True, type=int, help="Rooms (repeatable).  [default: 1,000 100,000]")
@click.option("--rate", default=8_000, show_default=True)
@click.option("--seconds", default=60.0, show_default=True)
def recovery(sizes: tuple[int, ...], rate: int, seconds: float) -> None:
    """Kill -9 one of two workers under load."""
    from tests.bench import scenes

    with KafkaCluster(heap="1g") as kafka:
        found = [scenes.recovery(kafka, rooms, rate, seconds, console) for rooms in sizes or (1_000, 100_000)]
    save("recovery", found)


@main.command()
@click.option("--rooms", "sizes", multiple=True, type=int, help="Rooms (repeatable).  [default: 100 … 1,000,000]")
@click.option("--rounds", default=3, show_default=True, help="Of each point up to 10,000 rooms; one above.")
def curves(sizes: tuple[int, ...], rounds: int) -> None:
    """Cost of an event against rooms and the size of events, in memory; against partitions, on a real Kafka.

    With --rooms only these.
    """
    from tests.bench.curves import PADDINGS, PARTITION_EVENTS, PARTITIONS

    found = []
    points = [("rooms", n) for n in sizes or (100, 1_000, 10_000, 100_000, 1_000_000)]
    points += [] if sizes else [("size", n) for n in PADDINGS]
    for kind, number in points:
        for _ in range(rounds if number <= 10_000 else 1):
            command = [sys.executable, "-m", "tests.bench.curves", kind, str(number)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append({"kind": kind, "number": number, **json.loads(done.stdout)})
            console.print(f"{kind:10}{number:>10,} {found[-1]['cpu_us_per_event']:8.1f} µs CPU an event")
    save("curves", found)
    for number in () if sizes else PARTITIONS:
        for run in by_partitions(number, events=PARTITION_EVENTS, rounds=rounds, console=console):
            found.append({"kind": "partitions", "number": number, "cpu_us_per_event": run["cpu_s_per_million"], **run})
            console.print(f"{'partitions':10}{number:>10,} {run['cpu_s_per_million']:8.1f} µs CPU an event")
        save("curves", found)


@main.command()
@click.option("--events", default=1_000_000, show_default=True, help="Events in the file.")
@click.option("--rounds", default=3, show_default=True)
def replay(events: int, rounds: int) -> None:
    """`stream-audit replay` of a compressed room log, as a user runs it."""
    from tests.bench import replay as part

    save("replay", part.measure(events, rounds, console))


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=REPOSITORY / "docs" / "BENCHMARKS.md")
def report(out: Path) -> None:
    """Write docs/BENCHMARKS.md and its plots from what was measured last."""
    from tests.bench.report import write

    console.print(write(RESULTS, out))


@main.command("all")
@click.pass_context
def everything(context: click.Context) -> None:
    """All parts of this command, then the report; about an hour."""
    for command in (throughput, latency, skew, recovery, curves, replay, report):
        context.invoke(command)


if __name__ == "__main__":
    main()
