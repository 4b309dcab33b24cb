"""FastStream on aiokafka: the job in a subscriber of batches. BOOTSTRAP EVENTS batch"""

import os
import sys
from typing import Any

import uvloop
from faststream import FastStream
from faststream.kafka import KafkaBroker

from tests.bench.job import Job
from tests.bench.peers.meter import Meter

bootstrap, events = sys.argv[1], int(sys.argv[2])
job, meter = Job(), Meter(events)
broker = KafkaBroker(bootstrap, logger=None)
out = broker.publisher("bench.out")


@broker.subscriber(
    "live.room.events", batch=True, max_records=500, group_id=f"faststream-{os.getpid()}", auto_offset_reset="earliest"
)
async def handle(batch: list[dict[str, Any]]) -> None:
    for event in batch:
        made = job.update(event["room_id"], event["type"], event["at_ms"], meter.seen)
        meter.seen += 1
        if made is not None:
            meter.emitted(made)
            await out.publish(made)
    if meter.at(meter.seen):
        meter.finish()


uvloop.run(FastStream(broker, logger=None).run())
