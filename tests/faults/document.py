"""Writes docs/RELIABILITY.md from what has been measured: `build/{faults.jsonl,simulation.json,soak.json}`.

Each figure stands beside the commit that it was measured with, so what is old is seen to be.
"""

from __future__ import annotations

import json
import platform
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from tests.faults import results
from tests.faults.results import Result
from tests.faults.table import FAULTS
from tests.support.kafka import KAFKA_VERSION, REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "RELIABILITY.md"
SIMULATION = REPOSITORY / "build" / "simulation.json"
SOAK = REPOSITORY / "build" / "soak.json"
COLUMNS = ("records", "violations", "told", "answers", "lost", "wrong", "repeats", "suppressed", "kills", "rebalances")
HEAD = """\
# Reliability

This page says what was done to the worker, and what became of it.
Rooms are *synthetic*.
`make faults` writes the page, and runs what has not passed with the present code.
Each row names the commit that it was measured with.

<!-- made by: make faults -->

| Fault | Passes when | Seeds | Passed | Commit | Slowest, s |
|---|---|---|---|---|---|
"""
COUNTS = """
The oracle is the pure core over the same log, single-threaded.
The counts are over all seeds of a row.

| Fault | Records | Violations | Told | Answers | Lost | Wrong | Repeats | Suppressed | Kills | Rebalances | And |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""
TAIL = """
<!-- end -->

- *Lost* are violations of the oracle that are not in the topic.
- *Wrong* are violations in the topic that the oracle does not know, or not with these bytes.
- *Repeats* were sent more than once, with the same id and bytes.
- *Suppressed* is what a worker that took over would have repeated, had it not read what was sent.
- *Rebalances* are told by workers that were not killed.
- *Told* is what rooms tell of their identities, *answers* what the identity agent writes into their logs.
  Both are compared to the byte, as dead letters, requests and room records are.
  Seeds of commits before d17137c compared neither.

The rows of a poisoned changelog and of more rooms than may be kept have no oracle.
The controls take a promise away: the flush before a commit, and the guard against judging again.
They pass when that is noticed.
A limit of memory makes allocations fail, while a limit of a cgroup is SIGKILL, hence the first row.
Delays of the row of 80 % run from when an event was due to when its violation was read.
No other seed runs at that time.

It ran on Kafka {kafka} (KRaft, one broker, or three where one of three is lost).
The versions were Python {python}, faust-streaming {faust} and aiokafka {aiokafka}, on {machine}.
The load of the machine was {load} in the median of seeds, {load_max} at most.
Seeds take {minutes:,.0f} minutes one after the other, and run side by side.{failures}
"""


def write(path: Path = DOCUMENT) -> None:
    """The document, from what is there."""
    found = results.newest()
    path.write_text(_faults(found) + _simulation() + _soak(), encoding="utf-8")


def _faults(found: Sequence[Result]) -> str:
    rows, counts = [], []
    for fault in FAULTS:
        mine = [result for result in found if result.fault == fault.run.__name__]
        passed, slowest_s = sum(r.passed for r in mine), max((r.seconds for r in mine), default=0)
        rows.append(_row(fault.name, fault.passes_when, len(mine), passed, _commits(mine), f"{slowest_s:.0f}"))
        seen = _total(mine)
        others = ", ".join(f"{name} {count:,}" for name, count in sorted(seen.items()) if name not in COLUMNS)
        counts.append(_row(fault.name, *(f"{seen[name]:,}" for name in COLUMNS), others))
    if not found:
        return HEAD + "".join(rows) + "\n<!-- end -->\n\nNothing has been measured.\n"
    return HEAD + "".join(rows) + COUNTS + "".join(counts) + TAIL.format(
        kafka=KAFKA_VERSION, python=platform.python_version(), faust=version("faust-streaming"),
        aiokafka=version("aiokafka"), machine=", ".join(sorted({result.machine for result in found})),
        load=statistics.median(result.load for result in found), load_max=max(result.load for result in found),
        minutes=sum(result.seconds for result in found) / 60, failures=_failures(found),
    )  # fmt: skip


def _total(mine: Iterable[Result]) -> Counter[str]:
    """Sums, but the greatest of what is named the most of something."""
    total: Counter[str] = Counter()
    for result in mine:
        for name, count in result.seen.items():
            total[name] = max(total[name], count) if name.startswith("most ") else total[name] + count
    return total


def _commits(mine: Iterable[Result]) -> str:
    commits = Counter(result.commit for result in mine)
    if len(commits) == 1:
        return next(iter(commits))
    return ", ".join(f"{commit} ({count})" for commit, count in sorted(commits.items())) or "not run"


def _failures(found: Iterable[Result]) -> str:
    names = {fault.run.__name__: fault.name for fault in FAULTS}
    failed = [
        f"- {names[r.fault]}, seed {r.seed}, commit {r.commit}: {r.failure.splitlines()[0][:200]}"
        for r in found
        if not r.passed and r.fault in names
    ]
    return "\n\nSeeds that did not pass:\n\n" + "\n".join(failed) if failed else ""


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |\n"


def _simulation() -> str:
    said = """
## Without a broker

`python -m tests.simulation --seeds 5000` drives the same engine, stores, outbox and flush through seeded schedules.
The log, the group and the changelog are in memory, and every third log has an identity agent, too.
Workers are killed, frozen and woken at any wait, and put out of the group.
Writes arrive in part, answers are lost, and compaction runs in between.
Where no identity agent runs, rooms are silent for hours.
A failing seed is printed with its schedule, and `python -m tests.simulation --seed N` runs it again.
"""
    if not SIMULATION.exists():
        return said + "\nNot run since `make clean`.\n"
    run = json.loads(SIMULATION.read_text())
    seen = "".join(f"\n- {what} {count:,}" for what, count in sorted(run["seen"].items()))
    return said + (
        f"\nLast run: {run['seeds']:,} seeds, {run['failed']:,} failed, {run['per_minute']:,.0f} a minute on "
        f"{run['jobs']} cores, commit {run['commit']}.\n"
        f"The schedules held:\n{seen}\n"
    )


def _soak() -> str:
    said = """
## Soak

`make soak` sends at a steady rate for hours and tells how fast the worker's memory grows.
With `--rate` it begins after a backlog that fills what is bounded, since commit 08b431e.
Before that commit the slope came from the remembered texts of comments, which take an hour to fill at 250/s.
"""
    if not SOAK.exists():
        return said + "\nNot run since `make clean`.\n"
    run = json.loads(SOAK.read_text())
    return said + f"\nLast run, commit {run['commit']}:\n{run['said']}\n"
