"""Pathway: windows of its own. BOOTSTRAP EVENTS tumbling|sliding"""

import os
import sys
from typing import Any

import pathway as pw

from tests.bench.peers.meter import Meter

bootstrap, events, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
meter = Meter(events)


class Event(pw.Schema):
    room_id: str
    type: str
    at_ms: int


settings = {"bootstrap.servers": bootstrap, "group.id": f"pathway-{os.getpid()}", "auto.offset.reset": "earliest"}
table = pw.io.kafka.read(settings, topic="live.room.events", format="json", schema=Event, autocommit_duration_ms=200)


def progress(key: object, row: dict[str, Any], time: int, is_addition: bool) -> None:
    if is_addition and meter.at(row["n"]):
        meter.finish()


pw.io.subscribe(table.reduce(n=pw.reducers.count()), progress)
window = pw.temporal.sliding(hop=5_000, duration=60_000) if mode == "sliding" else pw.temporal.tumbling(duration=5_000)
behavior = pw.temporal.common_behavior(cutoff=1_000, keep_results=False)
counted = table.windowby(table.at_ms, window=window, instance=table.room_id, behavior=behavior).reduce(
    room=pw.this._pw_instance, n=pw.reducers.count()
)
pw.io.null.write(counted.filter(pw.this.n > 1_000_000))
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
