"""Writes docs/RELIABILITY.md from the results of a run (`build/faults.json`)."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from typing import Any

from tests.support.kafka import KAFKA_VERSION, REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "RELIABILITY.md"
HEAD = """\
# Reliability

What was done to the worker, and what became of it. Written by `make faults SEEDS={seeds}`; rooms are *synthetic*.
The oracle of each row is the pure core over the same log, single-threaded: violations must be the same set, byte for
byte.

| Fault | Passes when | Seeds | Passed | Slowest, s | Seen, over all seeds |
|---|---|---|---|---|---|
"""
TAIL = """
*Repeats* are violations that were sent more than once, always with the same id and bytes: {repeats} beside
{violations} in all of the above. The control takes a promise away (the flush before a commit) and passes
when that is noticed. The row of 80 % compares delays, from when an event was due to when its violation was read.

Ran on: Kafka {kafka} (KRaft; one broker, three where one of three is lost), Python {python},
faust-streaming {faust}, aiokafka {aiokafka}, {cores} cores {processor}, commit {commit}.{failures}

## Without a broker

`python -m tests.simulation --seeds 5000` drives the same engine, stores, outbox and flush through seeded schedules over
an in-memory log, group and changelog: workers killed, frozen and woken at any wait, put out of the group, writes that
arrive in part, answers that are lost, compaction in between. A failing seed is printed with its schedule;
`python -m tests.simulation --seed N` runs it again.

## Soak

`make soak HOURS=2` finds the rate that the worker sustains, runs at 70 % of it and prints how fast its memory grows.
"""


def write(results: list[dict[str, Any]]) -> None:
    """The document, from what `tests.faults` has measured."""
    rows, seeds, repeats, violations = [], 0, 0, 0
    for result in results:
        ran = result["passed"] + len(result["failures"])
        seeds = max(seeds, ran)
        repeats += result["seen"].get("repeats", 0)
        violations += result["seen"].get("violations", 0)
        seen = ", ".join(f"{name} {count:,}" for name, count in result["seen"].items())
        cells = (result["name"], result["passes_when"], ran, result["passed"], f"{result['slowest_s']:.0f}", seen)
        rows.append("| " + " | ".join(map(str, cells)) + " |\n")
    failures = [f"- {r['name']}, {f.splitlines()[0]}" for r in results for f in r["failures"]]
    DOCUMENT.write_text(
        HEAD.format(seeds=seeds)
        + "".join(rows)
        + TAIL.format(
            repeats=f"{repeats:,}", violations=f"{violations:,}", kafka=KAFKA_VERSION, cores=os.cpu_count(),
            python=platform.python_version(), faust=version("faust-streaming"), aiokafka=version("aiokafka"),
            processor=platform.machine(), commit=_commit(),
            failures="\n\nSeeds that did not pass:\n\n" + "\n".join(failures) if failures else "",
        ),
        encoding="utf-8",
    )  # fmt: skip


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout.strip()
