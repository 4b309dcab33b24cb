"""Faust's `Table.hopping(60, 5)`, counting comments only. BOOTSTRAP EVENTS hopping"""

import sys
import tempfile
import uuid
from typing import Any

import faust
import uvloop

from tests.bench.peers.meter import Meter

bootstrap, events = sys.argv[1], int(sys.argv[2])
sys.argv = sys.argv[:1]
uvloop.install()
meter = Meter(events)
app = faust.App(
    f"hopping-{uuid.uuid4().hex[:8]}", broker=f"kafka://{bootstrap}", topic_disable_leader=True, web_enabled=False,
    store="memory://", datadir=tempfile.mkdtemp(prefix="faust-"), topic_partitions=4,
    consumer_auto_offset_reset="earliest", producer_linger_ms=5, topic_replication_factor=1,
)  # fmt: skip
source = app.topic("live.room.events", value_serializer="json", key_serializer="raw")
table = app.Table("hopping", default=int, partitions=4).hopping(60, 5, expires=120).relative_to_stream()


@app.agent(source)
async def count(stream: Any) -> None:
    async for event in stream:
        if event["type"] == "viewer.comment":
            table[event["room_id"]] += 1
        if meter.at(meter.seen + 1):
            meter.finish()


app.finalize()
faust.Worker(app, loglevel="ERROR", redirect_stdouts=False, quiet=True).execute_from_commandline()
