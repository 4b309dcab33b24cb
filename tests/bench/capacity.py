"""docs/CAPACITY.md: what a number of rooms takes, from measured figures by plain formulas.

python -m tests.bench.capacity            # reads docs/BENCHMARKS.md; --rate and others replace what it says
"""

import math
import re
import statistics
from dataclasses import dataclass
from pathlib import Path
from string import Template

import click
import yaml
from cramjam import lz4

from tests.support.changelog_fixture import changelog_of, log_of
from worker.audit import snapshot

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
TEMPLATE = Path(__file__).with_name("capacity.template.md")
STATEFULSET = REPOSITORY / "deploy" / "k8s" / "base" / "kustomization.yaml"
EVENTS = REPOSITORY / "schemas" / "live.room.events" / "topic.yaml"
FIXTURE = REPOSITORY / "tests" / "data" / "changelog" / str(snapshot.VERSION)
ROOMS = (10_000, 100_000, 1_000_000)
ROOM_EVENTS_S = 2.0
FULL = 0.5
WORKERS_MIN = 2
PARTITIONS_PER_WORKER = 4
INTERVALS_S = (1, 10)
VIEWERS, EVENTS_PER_VIEWER = 20_000_000, 60
HOUR_S = 3_600


@dataclass(frozen=True)
class Measured:
    """Of one worker on one core. rate: events a second, full audit; room_kb: resident KB a speaking room; event_bytes
    and snapshot_bytes: on the wire, uncompressed."""

    rate: float
    room_kb: float
    event_bytes: float
    snapshot_bytes: float


@dataclass(frozen=True)
class Limits:
    """What manifests and schemas say."""

    rooms_per_worker: int
    partitions: int
    replicas: int
    retention_s: float


@dataclass(frozen=True)
class Plan:
    """What a number of rooms takes."""

    rooms: int
    events_s: float
    by_rate: int
    by_rooms: int
    workers: int
    partitions: int
    memory_gb: float
    log_mb_s: float
    changelog_mb_s: tuple[float, ...]
    log_tb: float


def plan(rooms: int, measured: Measured, limits: Limits) -> Plan:
    """The formulas, as the document states them."""
    events_s = rooms * ROOM_EVENTS_S
    by_rate = math.ceil(events_s / (FULL * measured.rate))
    by_rooms = math.ceil(rooms / limits.rooms_per_worker)
    workers = max(by_rate, by_rooms, WORKERS_MIN)
    wanted = 2 ** math.ceil(math.log2(workers * PARTITIONS_PER_WORKER))
    return Plan(
        rooms=rooms,
        events_s=events_s,
        by_rate=by_rate,
        by_rooms=by_rooms,
        workers=workers,
        partitions=max(limits.partitions, wanted),
        memory_gb=rooms * measured.room_kb / 1e6,
        log_mb_s=events_s * measured.event_bytes / 1e6,
        changelog_mb_s=tuple(min(rooms, events_s * s) * measured.snapshot_bytes / s / 1e6 for s in INTERVALS_S),
        log_tb=events_s * measured.event_bytes * limits.retention_s * limits.replicas / 1e12,
    )


def read_measured(benchmarks: str) -> dict[str, float]:
    """Figures that docs/BENCHMARKS.md holds, by field of `Measured`; those not found are left out."""
    patterns = {
        "rate": r"^\| \**full audit\** \|[^|]*\| ([\d,.]+)",
        "room_kb": r"speaking for half an hour ([\d.]+)",
        "event_bytes": r"([\d.]+) bytes on average",
    }
    found = {name: re.search(pattern, benchmarks, re.M) for name, pattern in patterns.items()}
    return {name: float(match[1].replace(",", "")) for name, match in found.items() if match}


def snapshot_bytes() -> float:
    """Mean size of a room's changelog record, key and value, in the recorded changelog of the tests."""
    return statistics.mean(len(w.key) + len(w.value or b"") for w in changelog_of(FIXTURE) if b"#" not in w.key)


def read_limits() -> Limits:
    """From the manifest and the schema of the room log."""
    topic = yaml.safe_load(EVENTS.read_text(encoding="utf-8"))
    (rooms,) = re.findall(r"STREAM_AUDIT_ROOMS_MAX=(\d+)", STATEFULSET.read_text(encoding="utf-8"))
    return Limits(int(rooms), topic["partitions"], topic["replication_factor"], topic["retention_ms"] / 1000)


def document(measured: Measured, limits: Limits) -> str:
    """docs/CAPACITY.md."""
    rows = [
        f"| {p.rooms:,} | {p.events_s:,.0f} | {p.by_rate} | {p.by_rooms} | **{p.workers}** | {p.partitions} "
        f"| {p.memory_gb:,.1f} | {p.log_mb_s:,.1f} | {' / '.join(f'{mb:,.0f}' for mb in p.changelog_mb_s)} "
        f"| {p.log_tb:,.1f} |"
        for p in (plan(rooms, measured, limits) for rooms in ROOMS)
    ]
    large_s, bearable_s = VIEWERS * EVENTS_PER_VIEWER / HOUR_S, FULL * measured.rate
    log_ratio, changelog_ratio = ratios()
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        rate=f"{measured.rate:,.0f}",
        room_kb=f"{measured.room_kb:.1f}",
        event_bytes=f"{measured.event_bytes:.0f}",
        snapshot_bytes=f"{measured.snapshot_bytes:,.0f}",
        log_ratio=f"{log_ratio:.2f}",
        changelog_ratio=f"{changelog_ratio:.2f}",
        rooms_per_worker=f"{limits.rooms_per_worker:,}",
        room_events=f"{ROOM_EVENTS_S:g}",
        full=f"{FULL:g}",
        workers_min=WORKERS_MIN,
        partitions=limits.partitions,
        per_worker=PARTITIONS_PER_WORKER,
        retention=f"{limits.retention_s / 86_400:g}",
        replicas=limits.replicas,
        intervals=" / ".join(f"{seconds} s" for seconds in INTERVALS_S),
        rows="\n".join(rows),
        viewers=f"{VIEWERS / 1e6:g}",
        per_viewer=EVENTS_PER_VIEWER,
        large=f"{large_s:,.0f}",
        bearable=f"{bearable_s:,.0f}",
        reduction=math.ceil(large_s / bearable_s),
    )


def ratios() -> tuple[float, float]:
    """Compressed ÷ raw by lz4: of the recorded room log, and of its changelog."""
    log = b"".join(record.value or b"" for record in log_of(FIXTURE))
    changelog = b"".join(write.value or b"" for write in changelog_of(FIXTURE))
    return len(lz4.compress(log)) / len(log), len(lz4.compress(changelog)) / len(changelog)


@click.command(epilog="Example: python -m tests.bench.capacity --rate 50000")
@click.option("--rate", type=float, help="Events a second and worker; default: docs/BENCHMARKS.md.")
@click.option("--room-kb", type=float, help="Resident KB a speaking room; default: docs/BENCHMARKS.md.")
@click.option("--event-bytes", type=float, help="Bytes an event; default: docs/BENCHMARKS.md.")
@click.option("--out", type=click.Path(path_type=Path), default=DOCS / "CAPACITY.md", show_default=True)
def main(rate: float | None, room_kb: float | None, event_bytes: float | None, out: Path) -> None:
    """Write docs/CAPACITY.md from measured figures."""
    given = {"rate": rate, "room_kb": room_kb, "event_bytes": event_bytes}
    figures = read_measured((DOCS / "BENCHMARKS.md").read_text(encoding="utf-8"))
    figures |= {name: value for name, value in given.items() if value is not None}
    missing = [f"--{name.replace('_', '-')}" for name in given if name not in figures]
    if missing:
        raise click.ClickException(f"docs/BENCHMARKS.md does not say it: give {', '.join(missing)}")
    out.write_text(document(Measured(**figures, snapshot_bytes=snapshot_bytes()), read_limits()), encoding="utf-8")
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
