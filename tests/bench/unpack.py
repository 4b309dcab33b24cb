"""Direct iteration of record batches against aiokafka's public fetch, through the real driver on a real Kafka.

`python -m tests.bench.unpack --rounds 5 --events 1000000` starts a broker, fills a topic (4 partitions, lz4, about
314 bytes of JSON an event), then lets a fresh process per run read all of it: decode five fields with msgspec,
update a dict per room, commit each second. Modes alternate inside a round; ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import statistics
import subprocess
import sys
import time
import uuid
from typing import Any

import msgspec
from confluent_kafka import Producer

from tests.support.kafka import KafkaCluster
from tests.support.transport_app import TransportApp, until
from worker.transport import TransportSettings

TOPIC = "bench"
PARTITIONS = 4
ROOMS = 1000
MODES = ("direct", "public")
WORDS = ["主播", "今天", "价格", "便宜", "质量", "怎么样", "尺码", "发货", "优惠券", "链接", "还有吗", "多少钱", "包邮"]


class Comment(msgspec.Struct, gc=False):
    """The fields that the benchmark's state needs."""

    type: str
    id: str
    room_id: str
    at_ms: int
    text: str


def event(i: int, rng: random.Random) -> tuple[int, bytes]:
    """Room number and JSON of event `i`."""
    room = rng.randrange(ROOMS)
    fields = {
        "type": "viewer.comment",
        "id": f"e{i:012d}",
        "room_id": f"wechat:room:{room:06d}",
        "at_ms": 1_700_000_000_000 + i,
        "session_id": f"wechat:room:{room:06d}:1",
        "comment_id": f"c{i:012d}",
        "viewer_id": f"{rng.getrandbits(96):024x}",
        "text": "".join(rng.choices(WORDS, k=rng.randint(6, 18))),
        "question": bool(i & 1),
    }
    return room, json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def fill(bootstrap: str, events: int) -> float:
    """Writes the corpus (seed 7) and returns the mean size of a value in bytes."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": "lz4",
            "linger.ms": 50,
            "batch.size": 262_144,
            "queue.buffering.max.messages": 200_000,
        }
    )
    rng = random.Random(7)
    total = 0
    for i in range(events):
        room, value = event(i, rng)
        total += len(value)
        while True:
            try:
                producer.produce(TOPIC, value, key=f"{room:06d}".encode(), partition=room % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
    return total / events


async def read(bootstrap: str, mode: str, events: int) -> dict[str, float]:
    """Reads `events` in this process; rates exclude the start-up, up to the end of the first batch."""
    settings = TransportSettings(direct=mode == "direct")
    app = TransportApp(bootstrap, TOPIC, f"bench-{uuid.uuid4().hex[:8]}", settings=settings, keep=False)
    decode = msgspec.json.Decoder(Comment).decode
    rooms: dict[str, list[int]] = {}
    done = 0
    started: tuple[int, float, float] | None = None
    ended = (0.0, 0.0)

    async def work(batch: Any) -> None:
        nonlocal done, started, ended
        for part in batch.parts:
            for record in part.records:
                comment = decode(record.value)
                room = rooms.get(comment.room_id)
                if room is None:
                    room = rooms[comment.room_id] = [0, 0, 0]
                room[0] += 1
                room[1] = comment.at_ms
                room[2] = record.offset
        done += batch.count
        ended = (time.perf_counter(), time.process_time())
        if started is None:
            started = (done, *ended)

    app.work = work
    gc.freeze()  # as the worker does after its start
    gc.set_threshold(50_000, 50, 100)
    async with app.running():
        await until(lambda: done >= events, timeout_s=300)
    assert started is not None
    assert sum(room[0] for room in rooms.values()) == events, "an event was lost or read twice"
    measured = events - started[0]
    return {"wall": measured / (ended[0] - started[1]), "cpu": measured / (ended[1] - started[2])}


def run(bootstrap: str, mode: str, events: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.unpack", "--read", bootstrap, "--mode", mode, "--events", str(events)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{mode} failed:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Medians, ranges and the ratio of each round."""
    lines = [f"{'mode':8} {'events/s wall':>32} {'events per CPU-second':>32}"]
    for mode, runs in results.items():
        cells = []
        for unit in ("wall", "cpu"):
            values = [r[unit] for r in runs]
            cells.append(f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})")
        lines.append(f"{mode:8} {cells[0]:>32} {cells[1]:>32}")
    for unit in ("wall", "cpu"):
        ratios = [d[unit] / p[unit] for d, p in zip(results["direct"], results["public"], strict=True)]
        lines.append(
            f"direct / public, {unit}: {', '.join(f'{r:.2f}' for r in ratios)}; median {statistics.median(ratios):.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--read", metavar="BOOTSTRAP", help="read only, once, and print JSON")
    parser.add_argument("--mode", choices=MODES)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(asyncio.run(read(options.read, options.mode, options.events))))
        return
    results: dict[str, list[dict[str, float]]] = {mode: [] for mode in MODES}
    with KafkaCluster(heap="1g") as kafka:
        kafka.create_topic(TOPIC, PARTITIONS)
        size = fill(kafka.bootstrap, options.events)
        print(f"{options.events:,} events of {size:.0f} bytes, lz4, {PARTITIONS} partitions", flush=True)
        for number in range(options.rounds):
            for mode in MODES if number % 2 == 0 else reversed(MODES):
                results[mode].append(run(kafka.bootstrap, mode, options.events))
            rates = {mode: round(runs[-1]["wall"]) for mode, runs in results.items()}
            print(f"round {number + 1}: {rates}", flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
