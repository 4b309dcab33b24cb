"""docs/BENCHMARKS.md and its plots, from results alone; hand-written remarks stand in `docs/BENCHMARKS.remarks.md`."""

import json
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl

from tests.bench.gates import unmeasured, verdicts
from tests.bench.peers import PEERS
from tests.bench.throughput import ENGINE, FULL

mpl.use("svg")
mpl.rcParams.update(
    {"svg.hashsalt": "stream-audit", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
OURS, THEIRS = "#0b6e4f", "#9aa5b1"
LATENCY_GOAL_MS, SENDER_LATE_MS, SKEW_MAX, ROOMS_COST_MAX = 100, 100, 2.0, 2.0


def write(results: Path, out: Path) -> str:
    """Writes the document and its plots beside it; returns what was written, in a line."""
    parts = {path.stem: json.loads(path.read_text()) for path in sorted(results.glob("*.json"))}
    if not parts:
        return f"nothing was measured yet: no results in {results}"
    sections: list[tuple[str, Callable[[Any, Path], list[str]]]] = [
        ("throughput", _throughput), ("latency", _latency), ("skew", _skew), ("recovery", _recovery),
        ("curves", _curves), ("replay", _replay),
    ]  # fmt: skip
    beside = out.with_suffix(".remarks.md")
    remarks = beside.read_text().strip() if beside.exists() else ""
    lines = ["# Benchmarks", "", *_about(next(iter(parts.values()))["machine"], remarks)]
    for name, section in sections:
        if name in parts:
            part = parts[name]
            lines += [
                "",
                f"<!-- made by: {part['command']} -->",
                "",
                *section(part["results"], out.parent),
                "",
                f"Made by `{part['command']}`, {part['machine']['on']}.",
                "",
                "<!-- end -->",
            ]
    if remarks:
        lines += ["", remarks]
    out.write_text("\n".join(lines) + "\n")
    return f"wrote {out} from {', '.join(parts)}"


def _about(machine: dict[str, Any], remarks: str) -> list[str]:
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    return [
        "All corpora are **synthetic**: seeded events of six types, 315 bytes on average, Chinese text.",
        f"They ran on Apache Kafka {machine['kafka']}, one node, with {machine['cores']} virtual cores",
        f"({machine['cpu']}).",
        f"Versions: Python {machine['python']}, {libraries}.",
        "The machine is shared and noisy, so trust ratios within a round more than figures.",
        "",
        "`make bench` measures the sections that end with *Made by* and writes this file.",
        *_remarked(remarks),
    ]


def _remarked(remarks: str) -> list[str]:
    names = [line[3:] for line in remarks.splitlines() if line.startswith("## ")]
    if not names:
        return []
    return [
        f"The others are remarks, written by hand ({', '.join(f'*{name}*' for name in names)}).",
        "Their figures come from the commands that they name, which `make bench` does not run.",
    ]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _spread(values: list[float], form: str) -> str:
    middle = format(statistics.median(values), form)
    return middle if len(values) == 1 else f"{middle} [{format(min(values), form)}–{format(max(values), form)}]"


def _throughput(found: dict[str, Any], directory: Path) -> list[str]:
    systems: dict[str, list[dict[str, float]]] = {name: rows for name, rows in found["systems"].items() if rows}
    windows = {peer.name for peer in PEERS if peer.own_windows}
    order = sorted(systems, key=lambda name: statistics.median(r["cpu_s_per_million"] for r in systems[name]))
    rows = [
        (
            f"**{name}**" if name in (ENGINE, FULL) else name + (" ¹" if name in windows else ""),
            str(len(systems[name])),
            _spread([r["events_per_s"] for r in systems[name]], ",.0f"),
            _spread([r["cpu_s_per_million"] for r in systems[name]], ",.2f"),
            f"{statistics.median(r['rss_mb'] for r in systems[name]):,.0f}",
        )
        for name in order
    ]
    lines = [
        "## Throughput beside the peers", "",
        f"Each system reads {found['events']:,} events of 1,000 rooms in 4 partitions, with lz4.",
        "Slow systems read the first part.",
        "The broker is pinned to one core, the system to the other.",
        "Each system runs once a round, in rotating order.",
        "It is timed between the 5 % and the 95 % mark.",
        "On the JVM it is timed from 50 % on, so that start-up and compilation stay out.",
        "",
        "The peers' job keeps a window of 60 s per room (12 × 5 s by kind) and emits a record when comments flood it.",
        "Before timing, what each system emitted on a small log was compared with a naive oracle.",
        "*Engine* does that job on our driver with durable state.",
        "*Full audit* is the worker itself with every signal and rule.",
        "*In-memory* rows have no broker.", "",
        *_table(("system", "rounds", "events/s", "CPU-s per million", "RSS MB"), rows), "",
        "¹ counts with windows of its own instead, and emits nothing.",
    ]  # fmt: skip
    lines += [f"Not measured: {name} ({why.splitlines()[0][:160]})." for name, why in found["missing"].items()]
    table = [
        (
            v.gate.name, f"{v.median:.2f}", ", ".join(f"{r:.2f}" for r in v.ratios),
            f"{'goal ' if v.gate.goal else ''}{v.gate.bar:g}", "yes" if v.met else "**no**",
        )
        for v in verdicts(systems)
    ]  # fmt: skip
    table += [(gate.name, "–", "–", f"{gate.bar:g}", "**not measured**") for gate in unmeasured(systems)]
    lines += ["", *_table(("events per CPU-second, within a round", "median", "rounds", "bar", "met"), table)]
    _bars(systems, order, directory / "bench-throughput.svg")
    return [*lines, "", "![CPU-seconds per million events, by system](bench-throughput.svg)"]


def _bars(systems: dict[str, list[dict[str, float]]], order: list[str], path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 0.32 * len(order) + 1))
    values = [statistics.median(r["cpu_s_per_million"] for r in systems[name]) for name in order]
    axes.barh(order, values, color=[OURS if name in (ENGINE, FULL) else THEIRS for name in order])
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.set_xlabel("CPU-seconds per million events (logarithmic; less is better)")
    for i, value in enumerate(values):
        axes.text(value * 1.05, i, f"{value:,.1f}", va="center")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


_QUANTILES = ("p50", "p99", "p99.9", "max")


def _share(row: dict[str, Any]) -> str:
    most = row.get("sustainable")
    return f"{row['rate'] / most:.0%}" if most else "–"


def _latency(rows: list[dict[str, Any]], directory: Path) -> list[str]:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3))
    for quantile in _QUANTILES[:3]:
        axes.plot([r["rate"] for r in rows], [r[quantile] for r in rows], marker="o", label=quantile)
    axes.axhline(LATENCY_GOAL_MS, color=THEIRS, linestyle="--")
    axes.set_xlabel("events/s")
    axes.set_ylabel("event → violation, ms")
    axes.set_yscale("log")
    axes.legend()
    _save(figure, directory / "bench-latency.svg")
    table = [
        (f"{r['rate']:,}" + (" ²" if r["behind_ms"] > SENDER_LATE_MS else ""), _share(r),
         *(f"{r[q]:,.1f}" for q in _QUANTILES), f"{r['violations']:,.0f}", str(r["missing"]), f"{r['behind_ms']:,.0f}")
        for r in rows
    ]  # fmt: skip
    head = ("events/s", "of sustainable", *(f"{q} ms" for q in _QUANTILES), "violations", "missing",
            "sender late, at most ms")  # fmt: skip
    late = any(r["behind_ms"] > SENDER_LATE_MS for r in rows)
    return [
        "## Event → violation", "",
        "The loop is open: latency counts from when an event was due, so a late sender hides nothing.",
        "It ends when the violation is read back from its topic.",
        "There are 1,000 rooms, and event time runs with the clock.",
        "A lead of 25 s is not timed.",
        "In it brokers warm up and rooms grow seven minutes old, so that panes and blocks close as in live rooms.",
        "One worker has one core, while the broker, the sender and the reader share the other.",
        f"The bar is p99 ≤ {LATENCY_GOAL_MS} ms at 20,000 events/s.",
        "Sustainable is what the full audit reads of a backlog a second (throughput, above).", "",
        *_table(head, table), "",
        *([f"² The sender fell behind by more than {SENDER_LATE_MS} ms: part of the latency is its own.", ""]
          if late else []),
        "![Latency by rate](bench-latency.svg)",
    ]  # fmt: skip


def _skew(rows: list[dict[str, Any]], directory: Path) -> list[str]:
    even = next(r["p99"] for r in rows if r["shape"] == "even")
    table = [
        (r["shape"], f"{r['p50']:,.1f}", f"{r['p99']:,.1f}", f"{r['p99'] / even:.2f}", str(r["missing"])) for r in rows
    ]
    return [
        "## One room floods", "",
        f"{rows[0]['rate']:,} events/s are spread evenly, by Zipf, and with four fifths in one room.",
        "The table shows the latency of *other* rooms' violations.",
        f"The bar is a p99 of at most {SKEW_MAX:g} × the even one.", "",
        *_table(("shape", "p50 ms", "p99 ms", "× even", "missing"), table),
    ]  # fmt: skip


def _recovery(rows: list[dict[str, Any]], directory: Path) -> list[str]:
    table = [
        (
            f"{r['rooms']:,}", f"{r['rate']:,}", f"{r['resumed_s']:.1f}", f"{r['caught_up_s']:.1f}",
            f"{r['violations']:,}", str(r["lost"]), str(r["wrong"]), str(r["repeats"]),
        )
        for r in rows
    ]  # fmt: skip
    return [
        "## A worker is killed", "",
        "One of two workers is killed by `kill -9` under load, with a session timeout of 10 s.",
        "*Moving* is the time until its partitions are committed again: detection and restore.",
        "*Caught up* is the time until nothing is left to read.",
        "Violations are compared with the single-threaded core over the same log.", "",
        *_table(("rooms", "events/s", "moving, s", "caught up, s", "violations", "lost", "wrong", "repeats"), table),
    ]  # fmt: skip


def _curves(rows: list[dict[str, Any]], directory: Path) -> list[str]:
    from matplotlib import pyplot as plt

    def median(kind: str, number: int, field: str) -> float:
        return float(statistics.median(r[field] for r in rows if r["kind"] == kind and r["number"] == number))

    numbers = {kind: sorted({r["number"] for r in rows if r["kind"] == kind}) for kind in ("rooms", "size")}
    figure, axes = plt.subplots(figsize=(6, 3))
    axes.plot(
        numbers["rooms"], [median("rooms", n, "cpu_us_per_event") for n in numbers["rooms"]], marker="o", color=OURS
    )
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("rooms")
    axes.set_ylabel("CPU per event, µs")
    _save(figure, directory / "bench-rooms.svg")
    fields = (("cpu_us_per_event", ".1f"), ("gc_pause_ms", ".0f"), ("snapshot_bytes", ",.0f"))
    rooms = [
        (f"{n:,}", *(format(median("rooms", n, field), form) for field, form in fields),
         f"{median('rooms', n, 'kb_per_room'):.1f}" if n >= 10_000 else "–",
         f"{median('rooms', n, 'warm_events') / n:.0f}")
        for n in numbers["rooms"]
    ]  # fmt: skip
    lines = [
        "## Number of rooms, size of events, partitions", "",
        "The full audit runs in memory, without a broker.",
        "Each room gets one event every five seconds of event time.", "",
        *_table(("rooms", "CPU µs an event", "GC pause ms", "snapshot bytes", "KB a room", "warm-up"), rooms),
    ]  # fmt: skip
    if {1_000, 100_000} <= set(numbers["rooms"]):
        ratio = median("rooms", 100_000, "cpu_us_per_event") / median("rooms", 1_000, "cpu_us_per_event")
        met = "met" if ratio <= ROOMS_COST_MAX else "**missed**"
        lines += ["", f"From 10³ to 10⁵ rooms an event costs {ratio:.2f} × as much (bar {ROOMS_COST_MAX:g}: {met})."]
    sizes = [
        (f"{median('size', n, 'event_bytes'):,.0f}", f"{median('size', n, 'cpu_us_per_event'):.1f}")
        for n in numbers["size"]
    ]
    lines += ["", *_table(("bytes an event", "CPU µs an event"), sizes)] if sizes else []
    lines += ["", "![Cost of an event by number of rooms](bench-rooms.svg)"]
    return [*lines, *_partitions([r for r in rows if r["kind"] == "partitions"])]


def _partitions(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    fields = (("events_per_s", ",.0f"), ("cpu_us_per_event", ".1f"), ("rss_mb", ",.0f"))
    table = [
        (f"{n:,}", *(_spread([r[field] for r in rows if r["number"] == n], form) for field, form in fields))
        for n in sorted({r["number"] for r in rows})
    ]
    return [
        "", "The full audit runs on a real Kafka, in one process, pinned as above.",
        "The same events are in so many partitions, of the room log and of what the worker writes.", "",
        *_table(("partitions", "events/s", "CPU µs an event", "RSS MB"), table),
    ]  # fmt: skip


def _replay(found: dict[str, Any], directory: Path) -> list[str]:
    rounds = found["rounds"]
    row = (
        f"{found['events']:,}", f"{found['file_mb']:,.0f}", str(len(rounds)),
        _spread([r["events_per_s"] for r in rounds], ",.0f"),
        _spread([r["cpu_s_per_million"] for r in rounds], ",.2f"),
        f"{statistics.median(r['rss_mb'] for r in rounds):,.0f}",
    )  # fmt: skip
    return [
        "## Replay of a file", "",
        "`stream-audit replay` reads the corpus as one room log (JSONL, zstd), with every signal and rule.",
        "The start of the process counts, and nothing is pinned.", "",
        *_table(("events", "MB", "rounds", "events/s", "CPU-s per million", "peak RSS MB"), [row]),
    ]  # fmt: skip
