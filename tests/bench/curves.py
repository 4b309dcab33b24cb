"""Curves of the full audit in memory: cost against the number of rooms and the size of events. Each point runs in a
process of its own. Points of the curve against partitions need a real Kafka: `throughput.by_partitions` measures them.

    python -m tests.bench.curves rooms 10000      one point in memory, one line of JSON
"""

import gc
import json
import resource
import sys
import time
from collections.abc import Iterator

from tests.bench.core import Record
from tests.bench.corpus import corpus, steady
from tests.bench.systems import TOPIC, freeze
from worker.audit.snapshot import encode
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.judge import Judge
from worker.tools.policyfiles import read_policies

EVENTS_PER_ROOM_SECOND = 0.2
EVENTS_PER_ROOM = 30  # before measuring, and while: rooms of every curve are equally old
MEASURED_MIN, MEASURED_MAX, WARM_MAX = 30_000, 300_000, 3_000_000
BATCH = 2_000
PADDINGS = (0, 700, 3_700, 15_700)
PARTITIONS, PARTITION_EVENTS = (1, 4, 16, 64), 300_000


def _processor() -> PartitionProcessor:
    return PartitionProcessor(topic=TOPIC, partition=0, rooms=MemoryRooms(), judge=Judge(read_policies()))


def _rss_mb() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def _batches(events: int, rooms: int, padding: int = 0) -> Iterator[list[Record]]:
    batch: list[Record] = []
    clock_ms = steady(max(20, int(rooms * EVENTS_PER_ROOM_SECOND)))
    for offset, (timestamp, key, value) in enumerate(corpus(events, rooms, clock_ms=clock_ms)):
        padded = b'%s,"pad":"%s"}' % (value[:-1], b"x" * padding) if padding else value
        batch.append(Record(offset, key, padded, timestamp))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


class _Pauses:
    """Garbage collector's pauses."""

    def __init__(self) -> None:
        self.worst_ms = 0.0
        self._begun = 0.0
        gc.callbacks.append(self._see)

    def _see(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._begun = time.perf_counter()
        else:
            self.worst_ms = max(self.worst_ms, (time.perf_counter() - self._begun) * 1000)


def point(rooms: int, padding: int) -> dict[str, float]:
    """CPU per event once rooms are warm, bytes a room, worst pause of the collector, bytes of a snapshot."""
    warm = min(WARM_MAX, rooms * EVENTS_PER_ROOM)
    measured = max(MEASURED_MIN, min(MEASURED_MAX, rooms * EVENTS_PER_ROOM))
    processor = _processor()
    freeze()
    before_mb, seen, cpu_s, wall_s, size = _rss_mb(), 0, 0.0, 0.0, 0
    pauses = _Pauses()
    for batch in _batches(warm + measured, rooms, padding):
        cpu, wall = time.process_time(), time.perf_counter()
        processor.process(batch)
        if seen >= warm:
            cpu_s += time.process_time() - cpu
            wall_s += time.perf_counter() - wall
            size += sum(len(record.value) for record in batch)
        seen += len(batch)
    live = processor.rooms.live
    sample = [len(encode(room)) for room in list(live.values())[:1_000]]
    done = seen - warm
    return {
        "rooms": len(live), "padding": padding, "event_bytes": size / done, "events_per_s": done / wall_s,
        "cpu_us_per_event": cpu_s / done * 1e6, "kb_per_room": (_rss_mb() - before_mb) * 1024 / len(live),
        "gc_pause_ms": pauses.worst_ms, "snapshot_bytes": sum(sample) / len(sample), "warm_events": warm,
    }  # fmt: skip


def main() -> None:
    """One point."""
    kind, number = sys.argv[1], int(sys.argv[2])
    result = point(number, 0) if kind == "rooms" else point(1_000, number)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
