"""Quix Streams: the job in `apply`, or a hopping window of its own. BOOTSTRAP EVENTS plain|hopping"""

import os
import sys
import tempfile
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows import Count

from tests.bench.job import Job
from tests.bench.peers.meter import Meter

bootstrap, events, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
job, meter = Job(), Meter(events)
app = Application(
    broker_address=bootstrap,
    consumer_group=f"quix-{os.getpid()}",
    auto_offset_reset="earliest",
    auto_create_topics=mode != "plain",
    state_dir=tempfile.mkdtemp(prefix="quix-"),
    loglevel="ERROR",
)
source = app.topic("live.room.events", value_deserializer="json", key_deserializer="bytes")
out = app.topic("bench.out", value_serializer="bytes")


def update(event: dict[str, Any]) -> bytes | None:
    made = job.update(event["room_id"], event["type"], event["at_ms"], meter.seen)
    if made is not None:
        meter.emitted(made)
    if meter.at(meter.seen + 1):
        meter.finish()
    return made


def count(event: dict[str, Any]) -> dict[str, Any]:
    if meter.at(meter.seen + 1):
        meter.finish()
    return event


frame = app.dataframe(source)
if mode == "plain":
    frame = frame.apply(update).filter(lambda made: made is not None).to_topic(out)
else:
    frame = frame.apply(count).filter(lambda event: event["type"] == "viewer.comment")
    window = frame.hopping_window(60_000, 5_000, grace_ms=1_000).agg(n=Count()).current()
    window.filter(lambda row: row["n"] >= 1_000_000)
app.run()
