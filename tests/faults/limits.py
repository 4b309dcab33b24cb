"""Memory that cannot be had, and disks that are full."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.faults.brokers import catch_up
from tests.faults.records import append, newest_states
from tests.faults.scenario import World
from tests.support.engine import Worker, room_log
from tests.support.kafka import KafkaCluster, wait_until
from worker.engine.process import MemoryGuard

ENDS_WITHIN_S = 60
DISK_BYTES = 128 << 20
MIB = 1 << 20


def memory(world: World) -> None:
    """The worker is given a little more memory than it has and ever more rooms: it ends, and the next one goes on.

    A limit of a cgroup, as Kubernetes sets it, is SIGKILL: the row of kills. This one makes allocations fail.
    """
    log, rng = world.log, world.rng
    records = list(room_log(world.seed, rooms=2_000, steps=6_000))
    kind, name = rng.choice(((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")))
    log.produce(records[:500])
    with world.worker(INSTANCE_ID="pod-0") as worker:
        log.wait_committed(workers=[worker])
        more = rng.randrange(MemoryGuard.RESERVE_BYTES - 4 * MIB, MemoryGuard.RESERVE_BYTES + 12 * MIB)
        limit = _status_bytes(worker, name) + more
        resource.prlimit(worker.process.pid, kind, (limit, limit))
        log.produce(records[500:])
        code = worker.wait(ENDS_WITHIN_S)
        assert code != 0, worker.log()
        world.seen[f"ended with {code}"] += 1
    with world.worker(INSTANCE_ID="pod-0") as worker:
        world.finish(worker)
    world.check(repeats_max=50)


def _status_bytes(worker: Worker, name: str) -> int:
    lines = Path(f"/proc/{worker.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


def disk(world: World) -> None:
    """The broker's disk is full, or the one that takes the worker's output."""
    how = world.rng.choice(("the broker's", "the broker's, by a limit", "its output's"))
    world.seen[how] += 1
    if how == "its output's":
        _output_disk(world)
        return
    directory = Path(tempfile.mkdtemp(prefix="stream-audit-disk-", dir=world.directory))
    with _tmpfs(directory) as mounted, KafkaCluster(root=directory / "kafka") as kafka:
        by_limit = how.endswith("limit") or not mounted
        _broker_disk(replace(world, kafka=kafka), directory, by_limit)


def _broker_disk(world: World, directory: Path, by_limit: bool) -> None:
    """There was room for the input, but soon there is none for what the worker writes: the broker ends."""
    log, rng = world.log, world.rng
    log.produce(room_log(world.seed, rooms=200, steps=6_000))
    left, filler = rng.randrange(16 << 10, 256 << 10), directory / "filler"
    if by_limit:  # no file grows beyond, as none does on a full disk
        resource.prlimit(log.kafka.pid(), resource.RLIMIT_FSIZE, (left, left))
    else:
        _fill(filler, left)
    worker = world.worker(INSTANCE_ID="pod-0", BATCH_RECORDS="100", COMMIT_INTERVAL_S="0.1")
    wait_until(lambda: not log.kafka.runs(), timeout_s=ENDS_WITHIN_S, what=lambda: f"a full disk\n{worker.log()}")
    log.kafka.kill9()
    filler.unlink(missing_ok=True)
    log.kafka.restart()
    catch_up(world, worker, time.monotonic())


def _fill(path: Path, left: int) -> None:
    """Takes all of the file system that `path` is on, but so many bytes."""
    free = os.statvfs(path.parent)
    path.write_bytes(bytes(free.f_bavail * free.f_frsize - left))


@contextmanager
def _tmpfs(directory: Path) -> Iterator[bool]:
    """A small file system at `directory`; False where we may not mount one."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "stream-audit-disk", str(directory)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(directory)], check=True)


def _output_disk(world: World) -> None:
    """Nothing that the worker says can be written: it judges all the same, and ends as it must, with code 1."""
    log = world.log
    records = list(room_log(world.seed, rooms=10, steps=1_200))
    log.produce(records[:400])
    with world.worker() as worker:
        log.wait_committed(workers=[worker])
        size = worker.path.stat().st_size
        resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (size, size))
        old = world.rng.choice(newest_states(log.read(log.changelog)))
        log.produce(records[400:800])
        log.wait_committed(workers=[worker])
        append(world, log.changelog, old, old.value)
        log.produce(records[800:])
        assert worker.wait(ENDS_WITHIN_S) == 1
        assert worker.path.stat().st_size == size
    with world.worker() as worker:
        world.finish(worker)
    world.check(repeats_max=5)
