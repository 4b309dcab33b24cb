"""The systems under test, each in a process of its own: `python -m tests.bench.systems NAME BOOTSTRAP EVENTS`.

Prints one line of JSON: events/s and CPU-seconds per million events between the 5 % and the 95 % mark, so that
start-up and tail stay out; and how many records came out.
"""

import argparse
import asyncio
import gc
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from tests.bench.corpus import corpus
from tests.bench.job import OFFSET, Job
from tests.bench.peers.meter import Meter
from worker.topics import VIOLATIONS_TOPIC

TOPIC, OUT, PARTITIONS = "live.room.events", "bench.out", 4


class Head(msgspec.Struct, gc=False):
    """What the job needs of an event."""

    type: str
    room_id: str
    at_ms: int


decode_head = msgspec.json.Decoder(Head).decode


def freeze() -> None:
    """What the worker does after its start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


# --- peers -----------------------------------------------------------------------------------------------------------


def stock_faust(bootstrap: str, events: int) -> None:
    """Faust as it comes: one event at a time through its agent."""
    import faust

    job, meter = Job(), Meter(events)
    app = faust.App(
        f"stock-{uuid.uuid4().hex[:8]}", broker=f"kafka://{bootstrap}", topic_allow_declare=False,
        topic_disable_leader=True, web_enabled=False, store="memory://", datadir="/tmp",
        topic_partitions=PARTITIONS, consumer_auto_offset_reset="earliest",
    )  # fmt: skip
    source = app.topic(TOPIC, value_serializer="json", key_serializer="raw")
    out = app.topic(OUT, value_serializer="raw")

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            value = event.value
            record = job.update(value["room_id"], value["type"], value["at_ms"], event.message.offset)
            if record is not None:
                await out.send(value=record)
                meter.emitted(record)
            if meter.at(meter.seen + 1):
                meter.finish()

    app.agent(source)(agent)
    _run_app(app)


def raw_aiokafka(bootstrap: str, events: int) -> None:
    """aiokafka's `getmany` and orjson in a loop: no framework, no state on disk, no commits."""
    import uvloop
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

    async def main() -> None:
        job, meter = Job(), Meter(events)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False,
            max_partition_fetch_bytes=1 << 20,
        )  # fmt: skip
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
        await consumer.start()
        await producer.start()
        partitions = [TopicPartition(TOPIC, p) for p in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        freeze()
        while True:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=500)).values():
                for record in records:
                    event = orjson.loads(record.value)
                    made = job.update(event["room_id"], event["type"], event["at_ms"], record.offset)
                    if made is not None:
                        await producer.send(OUT, made)
                        meter.emitted(made)
                meter.seen += len(records)
            if meter.at(meter.seen):
                meter.finish()

    uvloop.run(main())


# --- ours ------------------------------------------------------------------------------------------------------------


class JobHooks:
    """The peers' job on our engine: outputs and snapshots of changed rooms are durable before offsets are committed."""

    def __init__(self, app: Any, changelog: str, meter: Meter) -> None:
        self.app, self.changelog, self.meter = app, changelog, meter
        self.batched_topics, self.changelog_topics = frozenset({TOPIC}), frozenset({changelog})
        self.job = Job()
        self.dirty: dict[int, set[str]] = {p: set() for p in range(PARTITIONS)}
        self.pending: dict[int, list[Any]] = {p: [] for p in range(PARTITIONS)}

    async def process(self, batch: Any) -> None:
        """Judges a fetch, letting the loop run about every 5 ms."""
        update, started = self.job.update, time.monotonic()
        for part in batch.parts:
            partition = part.tp.partition
            mark, emit = self.dirty[partition].add, self.pending[partition].append
            for first in range(0, len(part.records), 1000):
                for record in part.records[first : first + 1000]:
                    head = decode_head(record.value)
                    made = update(head.room_id, head.type, head.at_ms, record.offset)
                    mark(head.room_id)
                    if made is not None:
                        emit(made)
                        self.meter.emitted(made)
                if time.monotonic() - started > 0.005:
                    await asyncio.sleep(0)
                    started = time.monotonic()
        if self.meter.at(self.meter.seen + batch.count):
            self.meter.finish()

    async def before_commit(self, offsets: Mapping[Any, int]) -> None:
        """Outputs first, then snapshots; the driver commits when this returns."""
        from worker.records import OutRecord

        rooms, encode = self.job.rooms, msgspec.msgpack.encode
        for partition in [tp.partition for tp in offsets]:
            dirty, made = self.dirty[partition], self.pending[partition]
            outputs = [OutRecord(OUT, None, value) for value in made]
            states = [OutRecord(OUT, room.encode(), encode(rooms[room])) for room in dirty]
            made.clear()
            dirty.clear()
            await self.app.producer.send_batch(OUT, partition, outputs)
            await self.app.producer.send_batch(self.changelog, partition, states)

    def apply_changelog(self, tp: Any, records: Sequence[Any]) -> None:
        """Restores rooms; the newer offset wins."""
        for record in records:
            state = msgspec.msgpack.decode(record.value, type=list[int])
            room = record.key.decode()
            if room not in self.job.rooms or self.job.rooms[room][OFFSET] < state[OFFSET]:
                self.job.rooms[room] = state

    def on_assigned(self, tps: Any) -> None:
        """Nothing to prepare."""

    def admit(self, tp: Any, records: Any) -> Any:
        return records, False

    def on_revoked(self, tps: Any) -> None:
        """Nothing to give back."""

    def fatal(self, exc: BaseException) -> None:
        """A benchmark that fails must not look fast."""
        raise SystemExit(f"engine failed: {exc!r}")


def engine(bootstrap: str, events: int) -> None:
    """Our transport driver with durable state, on the peers' job."""
    import faust
    import uvloop

    from worker.transport import BatchSchema, TransportSettings, attach

    uvloop.install()
    settings = TransportSettings()
    name = f"engine-{uuid.uuid4().hex[:8]}"
    create_topic(bootstrap, f"{name}-rooms-changelog")
    app = faust.App(
        name, broker=f"streamaudit://{bootstrap}", topic_allow_declare=False, topic_disable_leader=True,
        web_enabled=False, store="memory://", datadir="/tmp", topic_partitions=PARTITIONS,
        table_standby_replicas=0, stream_recovery_delay=0.0,
        **{**settings.faust(), "producer_compression_type": "lz4"},
    )  # fmt: skip
    meter = Meter(events)
    hooks = JobHooks(app, f"{name}-rooms-changelog", meter)
    attach(app, hooks, clock=time.monotonic, settings=settings)
    app.Table("rooms", key_type=bytes, value_type=bytes, partitions=PARTITIONS)
    source = app.topic(TOPIC, schema=BatchSchema(key_type=bytes, value_type=bytes))

    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            await hooks.process(event.value)
            event.ack()

    app.agent(source)(agent)
    freeze()
    _run_app(app)


def full_audit(bootstrap: str, events: int, partitions: int = PARTITIONS) -> None:
    """The worker itself: every signal, marker and shipped rule, durable state, violations, room records."""
    import uvloop

    from worker.cli.run import _judge
    from worker.engine.app import build_app
    from worker.engine.startup import Partitions
    from worker.lacks import Lack
    from worker.settings import load_settings

    uvloop.install()
    name = f"audit-{uuid.uuid4().hex[:8]}"
    for table in ("rooms", "identities"):
        create_topic(bootstrap, f"{name}-{table}-changelog", partitions)
    # The corpus has event time as timestamps.
    settings = load_settings({
        "STREAM_AUDIT_BROKERS": bootstrap, "STREAM_AUDIT_APP_ID": name, "STREAM_AUDIT_BROKER_LACKS": Lack.APPEND_TIME,
    })  # fmt: skip
    worker = build_app(settings, partitions=Partitions(partitions, partitions), judge=_judge(settings.policies_dir))
    meter = Meter(events)
    process = worker.rooms.process

    async def metered(batch: Any) -> None:
        await process(batch)
        meter.out = worker.rooms.counts.violations
        if meter.at(worker.rooms.counts.read):
            meter.finish()

    worker.rooms.process = metered  # type: ignore[method-assign]
    _run_app(worker.app)


# --- no broker -------------------------------------------------------------------------------------------------------


def _record_batches(events: int) -> list[bytes]:
    """The corpus as a broker would hand it out: lz4 record batches of 256 KB."""
    from aiokafka.record.default_records import DefaultRecordBatchBuilder

    def builder() -> Any:
        return DefaultRecordBatchBuilder(
            magic=2, compression_type=3, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
            batch_size=256 * 1024,
        )  # fmt: skip

    batches, current, offset = [], builder(), 0
    for timestamp, key, value in corpus(events):
        if current.append(offset, timestamp, key, value, []) is None:
            batches.append(bytes(current.build()))
            current, offset = builder(), 0
            current.append(offset, timestamp, key, value, [])
        offset += 1
    batches.append(bytes(current.build()))
    return batches


def _in_memory(events: int, consume: Callable[[list[Any], int], int]) -> None:
    from aiokafka.record import MemoryRecords

    batches = _record_batches(min(events, 500_000))
    events = min(events, 500_000)
    meter, seen = Meter(events), 0
    freeze()
    for data in batches:
        records = MemoryRecords(data)
        while records.has_next():
            got = list(records.next_batch())
            meter.out += consume(got, seen)
            seen += len(got)
            meter.at(seen)
    meter.finish()


def memory_loop(bootstrap: str, events: int) -> None:
    """The limit of the approach: unpack, decode, update, all in memory; no broker, no commits, no framework."""
    update = Job().update

    def consume(records: list[Any], first: int) -> int:
        made = 0
        for offset, record in enumerate(records, first):
            head = decode_head(record.value)
            made += update(head.room_id, head.type, head.at_ms, offset) is not None
        return made

    _in_memory(events, consume)


def memory_audit(bootstrap: str, events: int) -> None:
    """The full audit in memory: what `replay` reaches."""
    from worker.cli.run import _judge
    from worker.partition.rooms import MemoryRooms, PartitionProcessor
    from worker.settings import load_settings

    judge = _judge(load_settings({"STREAM_AUDIT_BROKERS": "127.0.0.1:1"}).policies_dir)
    processor = PartitionProcessor(topic=TOPIC, partition=0, rooms=MemoryRooms(), judge=judge)

    class Shifted:
        """A record whose offset counts over all batches."""

        __slots__ = ("headers", "key", "offset", "timestamp", "value")

        def __init__(self, record: Any, offset: int) -> None:
            self.key, self.value, self.headers = record.key, record.value, ()
            self.timestamp, self.offset = record.timestamp, offset

    def consume(records: list[Any], first: int) -> int:
        return len(processor.process([Shifted(r, o) for o, r in enumerate(records, first)]).of(VIOLATIONS_TOPIC))

    _in_memory(events, consume)


SYSTEMS: dict[str, Callable[[str, int], None]] = {
    "stock Faust agent": stock_faust,
    "aiokafka getmany + orjson": raw_aiokafka,
    "engine, peers' job": engine,
    "full audit": full_audit,
    "in-memory loop": memory_loop,
    "in-memory audit": memory_audit,
}


def create_topic(bootstrap: str, name: str, partitions: int = PARTITIONS) -> None:
    """A compacted topic with the log's partitions."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    config = {"cleanup.policy": "compact"}
    admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(20)


def _run_app(app: Any) -> None:
    import faust

    app.finalize()
    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False, quiet=True).execute_from_commandline()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("bootstrap")
    parser.add_argument("events", type=int)
    parser.add_argument(
        "--partitions", type=int, help="Of the log, where it has not the usual number: full audit only."
    )
    options = parser.parse_args()
    if options.partitions:
        full_audit(options.bootstrap, options.events, options.partitions)
    else:
        SYSTEMS[options.system](options.bootstrap, options.events)
