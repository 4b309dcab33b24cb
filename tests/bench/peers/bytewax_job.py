"""Bytewax: the job over whole batches, in `stateful_map`, or a sliding window of its own.

Run by `python -m bytewax.run bytewax_job` with BENCH_BOOTSTRAP, BENCH_EVENTS and BENCH_MODE set.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSource, operators
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.testing import TestingSink

from tests.bench.job import KIND, Job
from tests.bench.peers.meter import Meter

bootstrap, events, mode = os.environ["BENCH_BOOTSTRAP"], int(os.environ["BENCH_EVENTS"]), os.environ["BENCH_MODE"]
job, meter = Job(), Meter(events)
flow = Dataflow("job")
source = op.input("in", flow, KafkaSource([bootstrap], ["live.room.events"], tail=True, batch_size=1000))


def update_batch(messages: list[Any]) -> list[Any]:
    made = []
    for message in messages:
        event = orjson.loads(message.value)
        record = job.update(event["room_id"], event["type"], event["at_ms"], meter.seen)
        meter.seen += 1
        if record is not None:
            meter.emitted(record)
            made.append(KafkaSinkMessage(None, record))
    if meter.at(meter.seen):
        meter.finish()
    return made


def decode(message: Any) -> tuple[str, dict[str, Any]]:
    event = orjson.loads(message.value)
    return event["room_id"], event


def update_one(state: Job | None, event: dict[str, Any]) -> tuple[Job, bytes | None]:
    state = state or Job()
    record = state.update(event["room_id"], event["type"], event["at_ms"], meter.seen)
    if record is not None:
        meter.emitted(record)
    if meter.at(meter.seen + 1):
        meter.finish()
    return state, record


def count(pair: tuple[Any, ...]) -> tuple[Any, ...]:
    if meter.at(meter.seen + 1):
        meter.finish()
    return pair


def add(cells: list[int], event: dict[str, Any]) -> list[int]:
    cells[KIND[event["type"]]] += 1
    return cells


if mode == "batch":
    made = op.flat_map_batch("job", source, update_batch)
    operators.output("out", made, brokers=[bootstrap], topic="bench.out")
elif mode == "stateful":
    updated = op.stateful_map("job", op.map("decode", source, decode), update_one)
    made = op.filter_map("made", updated, lambda pair: pair[1] and KafkaSinkMessage(None, pair[1]))
    operators.output("out", made, brokers=[bootstrap], topic="bench.out")
else:
    keyed = op.map("count", op.map("decode", source, decode), count)
    clock = windowing.EventClock(
        ts_getter=lambda event: datetime.fromtimestamp(event["at_ms"] / 1000, UTC),
        wait_for_system_duration=timedelta(seconds=1),
    )
    windower = windowing.SlidingWindower(
        length=timedelta(seconds=60), offset=timedelta(seconds=5), align_to=datetime(2026, 1, 1, tzinfo=UTC)
    )
    folded = windowing.fold_window(
        "window", keyed, clock, windower, lambda: [0] * 6, add, lambda a, b: [x + y for x, y in zip(a, b, strict=True)]
    )
    flooded = op.filter_map("flooded", folded.down, lambda pair: pair if pair[1][1][1] >= 1_000_000 else None)
    op.output("out", flooded, TestingSink([]))
