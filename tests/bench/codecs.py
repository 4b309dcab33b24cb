"""What a flush costs by codec: snapshots of busy rooms in batches as the producer makes them, in memory.

`python -m tests.bench.codecs` judges eight minutes of the corpus, then takes what a flush each second writes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import click
from aiokafka import codec
from rich.console import Console
from rich.table import Table

from tests.bench.core import Record
from tests.bench.corpus import corpus
from tests.bench.live import STRETCH_S, Load
from worker.partition.rooms import PartitionProcessor
from worker.policy.judge import Judge
from worker.state.rooms import RoomStore
from worker.tools.policyfiles import read_policies
from worker.topics import EVENTS_TOPIC
from worker.transport.compression import LEVEL
from worker.transport.settings import TransportSettings

STEP = 2_000
REPEATS = 5


def flushes(load: Load, count: int) -> Iterator[bytes]:
    """What the flush of each of `count` seconds writes, once the rooms are warm."""
    store = RoomStore(EVENTS_TOPIC, 0)
    processor = PartitionProcessor(topic=EVENTS_TOPIC, partition=0, rooms=store, judge=Judge(read_policies()))
    warm = int(load.rate * STRETCH_S)
    batch: list[Record] = []
    events = corpus(warm + load.rate * count, load.rooms, clock_ms=load.at_ms)
    for offset, (timestamp, key, value) in enumerate(events, start=1):
        batch.append(Record(offset, key, value, timestamp))
        if len(batch) == STEP:
            processor.process(batch)
            batch.clear()
        if offset % load.rate == 0:
            processor.process(batch)
            batch.clear()
            writes = store.capture(offset, 0, offset, 0)
            if offset > warm:
                yield b"".join((write.key or b"") + (write.value or b"") for write in writes)


def median_s(encode: Callable[[bytes], bytes], batches: list[bytes]) -> tuple[float, int]:
    """Seconds for all batches, the median of five runs, and what is left of their bytes."""
    times = []
    for _ in range(REPEATS):
        began_s = time.perf_counter()
        size = sum(len(encode(batch)) for batch in batches)
        times.append(time.perf_counter() - began_s)
    return statistics.median(times), size


@click.command()
@click.option("--rate", default=20_000, show_default=True, help="Events a second, over a thousand rooms.")
@click.option("--seconds", default=2, show_default=True, help="Flushes to measure.")
def main(rate: int, seconds: int) -> None:
    """Measure what compressing a flush costs.

    \b
    Example:
      python -m tests.bench.codecs --rate 20000
    """
    size = TransportSettings().producer_batch_bytes
    batches = [
        written[at : at + size]
        for written in flushes(Load(rate, seconds), seconds)
        for at in range(0, len(written), size)
    ]
    codecs: dict[str, Callable[[bytes], bytes]] = {
        "lz4, level 9 (aiokafka's)": codec.lz4_encode,
        f"lz4, level {LEVEL} (ours)": lambda data: codec.lz4_encode(data, LEVEL),
        "snappy": codec.snappy_encode,
        "zstd, level 3 (aiokafka's)": codec.zstd_encode,
    }
    total = sum(map(len, batches))
    table = Table("codec", "ms a flush", "MB/s", "of the bytes", title=f"{total / seconds / 1e6:.1f} MB a flush")
    for name, encode in codecs.items():
        took_s, left = median_s(encode, batches)
        table.add_row(name, f"{took_s / seconds * 1e3:.0f}", f"{total / took_s / 1e6:.0f}", f"{left / total:.0%}")
    Console().print(table)


if __name__ == "__main__":
    main()
