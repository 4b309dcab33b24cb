"""`stream-audit replay` as a user runs it: a process of its own on a compressed room log of the corpus.

    python -m tests.bench.replay FILE      one run, one line of JSON

Each run is started by a small process of its own, since the peak memory that the system reports of a process is at
least that of the one which started it.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.corpus import corpus
from tests.support.kafka import REPOSITORY
from worker.tools.roomlog import LogRecord, Writer


def once(file: Path) -> dict[str, float]:
    """Replays a file; start and end of the process count.

    Raises:
        RuntimeError: it could not be replayed.
    """
    command = [sys.executable, "-m", "worker", "replay", "--json", str(file)]
    began_s = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    took_s, used = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1) or not done.stdout:  # 1: a rule is violated, which is fine
        raise RuntimeError(f"replay failed ({done.returncode}):\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    if found["problem"]:
        raise RuntimeError(f"replay stopped: {found['problem']}")
    read = found["accounting"]["read"]
    return {
        "read": read, "events_per_s": read / took_s, "rss_mb": used.ru_maxrss / 1024,
        "cpu_s_per_million": (used.ru_utime + used.ru_stime) / read * 1e6,
    }  # fmt: skip


def measure(events: int, rounds: int, console: Console) -> dict[str, Any]:
    """Every round on the same file."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        file = Path(directory) / "corpus.jsonl.zst"
        with Writer(file) as out:
            for offset, (timestamp, key, value) in enumerate(corpus(events)):
                out.record(LogRecord(0, offset, timestamp, key, value))
        found: list[dict[str, float]] = []
        for number in range(rounds):
            command = [sys.executable, "-m", "tests.bench.replay", str(file)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=REPOSITORY)
            found.append(json.loads(done.stdout))
            if found[-1]["read"] != events:
                raise RuntimeError(f"replay read {found[-1]['read']:,.0f} of {events:,} events")
            rate, rss = found[-1]["events_per_s"], found[-1]["rss_mb"]
            console.print(f"round {number + 1}  replay of {events:,} events {rate:12,.0f} events/s {rss:9,.0f} MB")
        return {"events": events, "file_mb": file.stat().st_size / 1e6, "rounds": found}


if __name__ == "__main__":
    print(json.dumps(once(Path(sys.argv[1]))), flush=True)
