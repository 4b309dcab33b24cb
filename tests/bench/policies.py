"""What policies cost: full audit with 0, 25, 100 and 200 live rules; `policy backtest` beside the audit in memory.

    python -m tests.bench.policies [--events 300000] [--rooms 200] [--rounds 3] [--json FILE]

One run, interleaved: each round measures every row once, in an order of its own, in this process, by CPU time. Ratios
are taken within a round; the table shows their median and range. Rules are those that ship, under other names, so a
room has as many as a row says (a policy file may bring 64 at most into one room; here several are put together).
Rooms send two events a second each, so a block closes, and every rule looks, about every 600 events.

`backtest` reads a file of the same events, old and new policies being those that ship: decoding, applying, both judged.
Two cores judge two files against one core judging both, by wall time, with the start of the processes; more events make
that share smaller.
"""

import argparse
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import orjson
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from tests.bench.corpus import T0_MS, corpus
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.book import PolicyBook
from worker.policy.judge import Judge
from worker.policy.model import Rollout
from worker.tools.backtest import Source, judge_source, run
from worker.tools.policyfiles import read_policies, read_texts
from worker.tools.roomlog import LogRecord, Writer

CORPUS_ROOMS = 1_000  # for which the corpus has its pace; fewer take longer for as many events
BATCH = 2_000
RULES = (0, 25, 100, 200)
LOSS_BAR, BACKTEST_BAR, CORES_BAR = 0.15, 0.40, 1.7  # a backtest is two audits, and reads a file


def records_of(events: int, rooms: int) -> list[LogRecord]:
    """The corpus at the pace of real rooms."""
    found, stretch = [], CORPUS_ROOMS // rooms
    for offset, (timestamp, key, value) in enumerate(corpus(events, rooms=rooms)):
        event = orjson.loads(value)
        event["at_ms"] = T0_MS + (event["at_ms"] - T0_MS) * stretch
        at_ms = T0_MS + (timestamp - T0_MS) * stretch
        found.append(LogRecord(0, offset, at_ms, key, orjson.dumps(event)))
    return found


def book_of(count: int) -> PolicyBook:
    """`count` live rules for rooms of WeChat Channels: those that ship for them, again and again."""
    shipped = {policy.ref.id: policy for policy in read_policies().policies}
    rules = [*shipped["wechat_channels"].rules, *shipped["common_cn"].rules]
    live = Rollout("live", 100)
    chosen = (rules[n % len(rules)] for n in range(count))
    many = tuple(replace(rule, id=f"{rule.id}-{n}", rollout=live) for n, rule in enumerate(chosen))
    return PolicyBook([replace(shipped["wechat_channels"], rules=many, inherits=())])


def audit(judge: Judge, records: list[LogRecord]) -> None:
    """The full audit, in memory."""
    processor = PartitionProcessor(topic="t", partition=0, rooms=MemoryRooms(), judge=judge)
    for first in range(0, len(records), BATCH):
        processor.process(records[first : first + BATCH])


def cpu_s(job: Callable[[], object]) -> float:
    """CPU time of a job."""
    gc.collect()
    before_s = time.process_time()
    job()
    return time.process_time() - before_s


def measure(events: int, rooms: int, rounds: int, folder: Path) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of CPU by row and round, and the gain of two cores by round."""
    records, shipped = records_of(events, rooms), read_texts()
    files = [folder / f"{n}.jsonl" for n in range(2)]
    for file in files:
        with Writer(file) as out:
            for record in records:
                out.record(record)
    sources = [Source(path=str(file), partition=n) for n, file in enumerate(files)]
    judges = {**{f"{n} rules": Judge(book_of(n)) for n in RULES}, "as shipped": Judge(read_policies())}
    rows: dict[str, Callable[[], object]] = {name: partial(audit, judge, records) for name, judge in judges.items()}
    rows["backtest"] = partial(judge_source, sources[0], shipped, shipped)
    rows["backtest"]()  # compiles, once a process
    rng, spent, gains = random.Random(1), {name: [] for name in rows}, []  # type: ignore[var-annotated]
    for _ in range(rounds):
        for name in rng.sample(sorted(rows), len(rows)):
            spent[name].append(cpu_s(rows[name]))
        walls = []
        for processes in (1, 2):
            before_s = time.perf_counter()
            list(run(sources, shipped, shipped, processes))
            walls.append(time.perf_counter() - before_s)
        gains.append(walls[0] / walls[1])
    return spent, gains


def main() -> int:
    """Measure and print; exit 1 when a bar is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, default=300_000)
    options.add_argument("--rooms", type=int, default=200)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--json", type=Path, help="Write the figures there too.")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spent, gains = measure(chosen.events, chosen.rooms, chosen.rounds, Path(folder))
    lost = {n: [1 - a / b for a, b in zip(spent["0 rules"], spent[f"{n} rules"], strict=True)] for n in RULES[1:]}
    share = [a / b for a, b in zip(spent["as shipped"], spent["backtest"], strict=True)]
    table = Table("row", "CPU-s / M events", "ratio, median (range)", "bar")
    rates = {name: statistics.median(times) / chosen.events * 1e6 for name, times in spent.items()}
    for name, rate in rates.items():
        ratio, bar = "", ""
        if name != "0 rules" and name.endswith("rules"):
            n = int(name.split()[0])
            ratio, bar = f"throughput lost {_range(lost[n])}", f"≤ {LOSS_BAR:.0%}" if n == 25 else ""
        elif name == "backtest":
            ratio, bar = f"of the audit in memory {_range(share)}", f"≥ {BACKTEST_BAR:.0%}"
        table.add_row(name, f"{rate:.2f}", ratio, bar)
    table.add_row("backtest on two cores", "", f"× one core {_range(gains, '.2f')}", f"≥ {CORES_BAR}")
    Console(width=120).print(table)
    if chosen.json:
        figures = {"cpu_s_per_million": rates, "lost": lost, "backtest_share": share, "two_cores": gains}
        chosen.json.write_text(json.dumps(figures, indent=1))
    good = (statistics.median(lost[25]) <= LOSS_BAR, statistics.median(share) >= BACKTEST_BAR,
            statistics.median(gains) >= CORES_BAR)  # fmt: skip
    return 0 if all(good) else 1


def _range(values: list[float], form: str = ".0%") -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} – {max(values):{form}})"


if __name__ == "__main__":
    sys.exit(main())
