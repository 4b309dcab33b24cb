"""The judging core alone: no broker, no socket, one process a run.

    python -m tests.bench.core [--events 400000] [--rounds 5] [--against DIR]
    python -m tests.bench.core --profile build/profile.txt

Judges the corpus in batches as a broker would hand them out and prints CPU-seconds per million events. With `--against`
a second tree of this repository (a `git worktree` of an older commit, say) judges the same bytes in turn with this one;
the ratio is taken within a round, and a digest of everything that came out, states included, says whether both judged
alike. `--profile` writes where the time goes, by function; profiling itself costs, so read shares, not seconds.
"""

import argparse
import cProfile
import gc
import hashlib
import io
import json
import os
import pickle
import pstats
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from worker.topics import DEAD_LETTERS_TOPIC, ROOMS_TOPIC, VIOLATIONS_TOPIC

REPO = Path(__file__).parents[2]
PARTITIONS = 4
SLICE = 4_000  # records of one partition in one fetch of a backlog
STEP = 2_000
WARM_UP = 0.2  # of the events: blocks have closed, rings and memories have something in them


class Record(NamedTuple):
    """A record as the processor reads it."""

    offset: int
    key: bytes
    value: bytes
    timestamp: int
    headers: tuple[()] = ()


def write_corpus(path: Path, events: int) -> None:
    """Slices of partitions as a backlog is fetched, one pickle each, so that every tree is given the same bytes."""
    from tests.bench.corpus import corpus

    path.parent.mkdir(parents=True, exist_ok=True)
    slices: list[list[tuple[int, bytes, bytes, int]]] = [[] for _ in range(PARTITIONS)]
    with path.open("wb") as out:
        for offset, (timestamp, key, value) in enumerate(corpus(events)):
            partition = int(key[-8:]) % PARTITIONS
            slices[partition].append((offset, key, value, timestamp))
            if len(slices[partition]) == SLICE:
                pickle.dump((partition, slices[partition]), out, protocol=5)
                slices[partition] = []
        for partition, rest in enumerate(slices):
            pickle.dump((partition, rest), out, protocol=5)


def judge_corpus(path: Path, events: int, step: int, profile: Path | None) -> dict[str, Any]:
    """In this process: CPU-seconds per million events after the warm-up, and digests of what came out and of states."""
    from worker.audit import snapshot
    from worker.partition.rooms import MemoryRooms, PartitionProcessor
    from worker.policy.judge import Judge
    from worker.settings import load_settings
    from worker.tools.policyfiles import read_policies

    judge = Judge(read_policies(load_settings({"STREAM_AUDIT_BROKERS": "127.0.0.1:1"}).policies_dir))
    processors = [
        PartitionProcessor(topic="live.room.events", partition=partition, rooms=MemoryRooms(), judge=judge)
        for partition in range(PARTITIONS)
    ]
    outputs, states = hashlib.sha256(), hashlib.sha256()
    profiler = cProfile.Profile()
    spent_s, seen, measured = 0.0, 0, 0
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    with path.open("rb") as slices:
        while seen < events:
            partition, fields = pickle.load(slices)
            records = [Record(*record) for record in fields]
            process = processors[partition].process
            seen += len(records)
            warm = seen > events * WARM_UP
            if profile and warm:
                profiler.enable()
            started_s = time.process_time()
            led_to = [process(records[first : first + step]) for first in range(0, len(records), step)]
            taken_s = time.process_time() - started_s
            profiler.disable()
            if warm:
                spent_s += taken_s
                measured += len(records)
            for out in led_to:
                for record in (*out.of(VIOLATIONS_TOPIC), *out.of(ROOMS_TOPIC), *out.of(DEAD_LETTERS_TOPIC)):
                    outputs.update(record.value)
    for processor in processors:
        for _, room in sorted(processor.rooms.live.items()):
            states.update(snapshot.encode(room))
            for _, chunk in sorted(snapshot.take_changed_chunks(room).items()):
                states.update(chunk)
    if profile:
        text = io.StringIO()
        pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(45)
        profile.write_text(text.getvalue())
    return {
        "cpu_s_per_million": spent_s / measured * 1e6,
        "outputs": outputs.hexdigest()[:16],
        "states": states.hexdigest()[:16],
    }


def judged_by(tree: Path, path: Path, events: int, extra: list[str]) -> dict[str, Any]:
    """The same in a process of its own, with the worker of `tree` and its own copy of this file."""
    command = [
        sys.executable,
        str(tree / Path(__file__).relative_to(REPO)),
        "--events",
        str(events),
        "--child",
        str(path),
        *extra,
    ]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tree, env=environment)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> int:
    """Measure and print; exit code 1 when two trees judged differently."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--step", type=int, default=STEP, help="records that are judged in one go")
    parser.add_argument("--against", type=Path, action="append", default=[], help="another tree of this repository")
    parser.add_argument("--profile", type=Path, help="write the functions that cost most to this file")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(judge_corpus(options.child, options.events, options.step, options.profile)))
        return 0
    path = REPO / "build" / "bench" / f"slices-{options.events}.pickle"
    if not path.exists():
        write_corpus(path, options.events)
    step = ["--step", str(options.step)]
    if options.profile:
        judged_by(REPO, path, options.events, [*step, "--profile", str(options.profile.resolve())])
        print(options.profile.read_text())
        return 0
    trees = [REPO, *(tree.resolve() for tree in options.against)]
    rounds: list[list[dict[str, Any]]] = []
    for number in range(options.rounds):
        turn = number % len(trees)
        results = {tree: judged_by(tree, path, options.events, step) for tree in trees[turn:] + trees[:turn]}
        rounds.append([results[tree] for tree in trees])
        print(f"round {number + 1}: " + "  ".join(f"{r['cpu_s_per_million']:.2f}" for r in rounds[-1]), flush=True)
    alike = True
    for i, tree in enumerate(trees):
        costs = [r[i]["cpu_s_per_million"] for r in rounds]
        ratios = [r[i]["cpu_s_per_million"] / r[0]["cpu_s_per_million"] for r in rounds]
        same = {what: all(r[i][what] == r[0][what] for r in rounds) for what in ("outputs", "states")}
        alike &= all(same.values())
        print(
            f"{tree}: {statistics.median(costs):.2f} [{min(costs):.2f}–{max(costs):.2f}] CPU-s per million events, "
            f"{statistics.median(ratios):.2f} × this tree; "
            + ", ".join(f"{what} {'alike' if equal else 'DIFFER'}" for what, equal in same.items())
        )
    return 0 if alike else 1


if __name__ == "__main__":
    sys.exit(main())
