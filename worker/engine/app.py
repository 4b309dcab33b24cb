"""`build_app`: the only maker of app, topics, tables, agents and timers; `startup.check_topics` comes before it.

    fetch → room agent → outbox and rooms → (commit interval) → flush → offsets

    fetch → identity agent ↗

`hooks.Hooks.before_commit` is the flush: capture state, await outputs, write changelogs, then let the driver commit.
Whatever goes wrong outside a single event ends the process: the log is read again from the last commit.
"""

import asyncio
import gc
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import faust
from faust.types import TP

from worker import clock
from worker.engine import readings
from worker.engine.flush import Hooks
from worker.engine.health import Health, Vitals
from worker.engine.identities import IdentityAgent, partition_of
from worker.engine.process import or_fatal
from worker.engine.rooms import RoomAgent
from worker.engine.startup import IDENTITIES_TABLE, TABLE, Partitions, changelog_topic
from worker.lacks import Lack
from worker.metrics import DELAY_BOUNDS, Histogram, Readings
from worker.policy.feed import PolicyFeed
from worker.policy.judge import Judge
from worker.records import OutRecord, Record
from worker.settings import Settings
from worker.state.history import ReadHistory, read_history
from worker.state.outbox import Outbox, Send
from worker.state.outputs import Identity, read_tails
from worker.state.registry import read_registry
from worker.state.stores import Stores
from worker.topics import EVENTS_TOPIC, HISTORY_TOPIC, REGISTRY_TOPIC, VIOLATIONS_TOPIC
from worker.transport import BatchSchema, TransportSettings, attach
from worker.transport.baseline import find_baseline
from worker.transport.lone import lone_consumer
from worker.transport.policies import PolicyTopic
from worker.transport.protocols import RunningApp, Stream
from worker.transport.reach import any_broker_answers
from worker.transport.security import credentials

log = logging.getLogger(__name__)

TICK_S = 1.0
LOG_END_EVERY_S = 10.0
LOG_END_TIMEOUT_S = 5.0
GC_THRESHOLDS = (50_000, 20, 50)


def transport_settings(settings: Settings) -> TransportSettings:
    """The driver's share of the settings."""
    return TransportSettings(
        direct=settings.fetch_direct,
        batch_records=settings.batch_records,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
        fetch_max_bytes=settings.fetch_max_bytes,
        commit_interval_s=settings.commit_interval_s,
        session_timeout_s=settings.session_timeout_s,
        heartbeat_interval_s=settings.heartbeat_interval_s,
        request_timeout_s=settings.request_timeout_s,
        rebalance_timeout_s=settings.rebalance_timeout_s,
        commit_timeout_s=settings.commit_timeout_s,
        producer_timeout_s=settings.producer_timeout_s,
        flush_timeout_s=settings.flush_timeout_s,
        shutdown_timeout_s=settings.shutdown_timeout_s,
        group_instance_id=settings.instance_id or None,
    )


@dataclass(frozen=True)
class Worker:
    """What `build_app` made. `app` is started by Faust's worker; the rest is for whoever serves health and metrics."""

    app: RunningApp
    rooms: RoomAgent
    identities: IdentityAgent
    hooks: Hooks
    health: Health
    loop_lag: Histogram
    violation_delay: Histogram
    policies: PolicyTopic | None

    def vitals(self) -> Vitals:
        """What health needs to know, from the event loop's side."""
        app, counts = self.app, self.app.consumer.counts
        if app.rebalancing or self.hooks.rebalances == 0:
            busy = "rebalancing"
        else:
            busy = "" if app.tables.actives_ready else "recovering"
        source = self.rooms.topic
        partitions = {
            (str(tp.partition) if tp.topic == source else f"{tp.topic}-{tp.partition}"): (
                counts.position.get(tp, 0),
                end,
            )
            for tp, end in counts.highwater.items()
            if tp in self.hooks.assigned
        }
        waiting = frozenset(map(str, self.rooms.gates.waiting))
        return Vitals(bool(self.hooks.partitions), busy, partitions, waiting)

    def readings(self) -> Readings:
        """Every metric that this worker has, read from its counters. Called from the scraping thread."""
        feed = self.policies.feed if self.policies else None
        published = {"policy_rejected_total": feed.rejected, "policy_unsigned_total": feed.unsigned} if feed else {}
        return {
            **readings.of_rooms(self.rooms),
            **readings.of_identities(self.identities),
            **readings.of_positions(self.health, self.rooms.processors),
            **readings.of_transport(self.hooks.counts, self.hooks.recovery),
            "partitions_assigned": len(self.hooks.partitions),
            "loop_lag_seconds": self.loop_lag,
            "violation_delay_seconds": self.violation_delay,
            "flush_seconds": self.hooks.flush_seconds,
            "rebalances_total": self.hooks.rebalances,
            "rebalance_seconds_total": self.hooks.rebalance_seconds,
            **published,
        }


def build_app(
    settings: Settings, *, partitions: Partitions, judge: Judge, policies: PolicyTopic | None = None
) -> Worker:
    """The worker for topics of so many partitions. Nothing starts yet, no broker is asked.

    `policies`, read to their end, are followed while the worker runs.

    Raises ssl.SSLError or OSError when a certificate or key cannot be used.
    """
    driver = transport_settings(settings)
    compression = None if settings.compression == "none" else settings.compression
    app = faust.App(
        settings.app_id,
        **{
            **driver.faust(),
            "broker": [f"streamaudit://{address}" for address in settings.brokers.split(",")],
            "broker_credentials": credentials(settings),
            "producer_compression_type": compression,
            "topic_allow_declare": False,
            "topic_disable_leader": True,
            "topic_partitions": partitions.rooms,
            "table_standby_replicas": 0,
            "stream_recovery_delay": 0.0,
            "store": "memory://",
            "datadir": "/tmp",
            "web_enabled": False,
            "web_tables_enabled": False,
        },
    )
    violation_delay = Histogram(DELAY_BOUNDS)

    def fatal(problem: BaseException) -> None:
        hooks.fatal(problem)

    outbox = Outbox(_send(app, settings, violation_delay), fatal)
    feed = policies.feed if policies is not None else None
    rooms = _room_agent(app, settings, judge, outbox, partitions.identities, feed)
    identities = _identity_agent(app, settings, outbox, partitions)
    hooks = Hooks(app, rooms, settings, identities)
    attach(app, hooks, clock=clock.monotonic_s, settings=driver, answers=lambda: any_broker_answers(settings))
    # Tables make Faust assign changelogs with their source and run recoveries; state lives in the stores.
    app.Table(TABLE, key_type=bytes, value_type=bytes, partitions=partitions.rooms)
    app.Table(IDENTITIES_TABLE, key_type=bytes, value_type=bytes, partitions=partitions.identities)
    source = app.topic(settings.topic(EVENTS_TOPIC), schema=BatchSchema(key_type=bytes, value_type=bytes))
    told = app.topic(*identities.topics, schema=BatchSchema(key_type=bytes, value_type=bytes))
    health = Health(clock.monotonic_s, stopping=lambda: bool(app.should_stop))
    worker = Worker(app, rooms, identities, hooks, health, Histogram(), violation_delay, policies)

    async def judge_rooms(stream: Stream) -> None:
        await or_fatal(rooms.run(stream.noack().events()), hooks.fatal)

    async def match_identities(stream: Stream) -> None:
        await or_fatal(identities.run(stream.noack().events()), hooks.fatal)

    app.agent(source, name="worker.rooms", concurrency=1)(judge_rooms)
    app.agent(told, name="worker.identities", concurrency=1)(match_identities)
    app.task(lambda: _tick(worker))
    app.task(lambda: _watch_log_end(worker))
    app.task(lambda: or_fatal(_search_baselines(worker, settings), hooks.fatal))
    if policies is not None:
        # Without the newest policies this worker would disagree with the others.
        app.task(lambda: or_fatal(policies.follow(lambda: bool(app.should_stop)), hooks.fatal))
        app.task(lambda: or_fatal(rooms.gates.read_policies(policies.end, lambda: bool(app.should_stop)), hooks.fatal))
    app.finalize()
    return worker


def _history_reader(settings: Settings) -> ReadHistory:
    async def history(partitions: Collection[int]) -> dict[int, list[Record]]:
        return await read_history(lambda: lone_consumer(settings), settings.topic(HISTORY_TOPIC), partitions)

    return history


def _identity_agent(app: RunningApp, settings: Settings, outbox: Outbox, partitions: Partitions) -> IdentityAgent:
    async def registry(starts: Mapping[int, int]) -> dict[int, list[Record]]:
        return await read_registry(lambda: lone_consumer(settings), settings.topic(REGISTRY_TOPIC), starts)

    return IdentityAgent(
        changelog=changelog_topic(settings, IDENTITIES_TABLE),
        rooms_partitions=partitions.rooms,
        name_topic=settings.topic,
        outbox=outbox,
        committed=lambda topic, p: app.consumer.committed_offset(TP(settings.topic(topic), p)),
        read_registry=registry,
        read_history=_history_reader(settings),
        partitions=partitions.identities,
        now_s=clock.monotonic_s,
    )


def _send(app: RunningApp, settings: Settings, violation_delay: Histogram) -> Send:

    async def send(topic: str, partition: int, records: Sequence[OutRecord]) -> int:
        end = await app.producer.send_batch(settings.topic(topic), partition, records)
        assert end is not None, "the outbox sends no empty batch"
        if topic == VIOLATIONS_TOPIC:
            now_ms = clock.now_ms()
            for record in records:
                violation_delay.observe(max(0, now_ms - record.caused_ms) / 1000)
        return int(end)

    return send


def _room_agent(
    app: RunningApp,
    settings: Settings,
    judge: Judge,
    outbox: Outbox,
    identity_partitions: int,
    feed: PolicyFeed | None,
) -> RoomAgent:
    source, violations = settings.topic(EVENTS_TOPIC), settings.topic(VIOLATIONS_TOPIC)

    async def tails(starts: Mapping[int, int]) -> dict[int, set[Identity]]:
        return await read_tails(lambda: lone_consumer(settings), violations, starts)

    return RoomAgent(
        topic=source,
        stores=Stores(changelog_topic(settings), settings.rooms_max),
        outbox=outbox,
        judge=judge,
        read_tails=tails,
        read_history=_history_reader(settings),
        committed=lambda partition: app.consumer.committed_offset(TP(source, partition)),
        now_s=clock.monotonic_s,
        requests=settings.requests,
        feed=feed,
        append_time=not settings.lacks(Lack.APPEND_TIME),
        place_identity=lambda key: partition_of(key, identity_partitions),
    )


# ---- timers


async def _tick(worker: Worker) -> None:
    """Once a second: the heartbeat for health, the loop's lag, and what must be done once after a recovery."""
    app, hooks = worker.app, worker.hooks
    hooks.counts, hooks.recovery = app.consumer.counts, app.tables.recovery
    frozen = False
    while not app.should_stop:
        due_s = clock.monotonic_s() + TICK_S
        await asyncio.sleep(TICK_S)
        worker.loop_lag.observe(max(0.0, clock.monotonic_s() - due_s))
        vitals = worker.vitals()
        worker.health.beat(vitals)
        if vitals.busy:
            frozen = False
            continue
        if hooks.rebalance_since_s is not None:
            hooks.rebalance_seconds += clock.monotonic_s() - hooks.rebalance_since_s
            hooks.rebalance_since_s = None
        if not frozen:
            # Code and recovered rooms stay: the collector need not walk them again and again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
            frozen = True


async def _search_baselines(worker: Worker, settings: Settings) -> None:
    """For logs that begin with records of their producers' time."""

    async def find(partition: int) -> int | None:
        return await find_baseline(lambda: lone_consumer(settings), worker.rooms.topic, partition)

    await worker.rooms.gates.search(find, lambda: bool(worker.app.should_stop))


async def _watch_log_end(worker: Worker) -> None:
    """Asks for the log's end now and then: a fetch that hangs cannot report how far behind it is."""
    app = worker.app
    while not app.should_stop:
        await asyncio.sleep(LOG_END_EVERY_S)
        wanted = list(worker.hooks.assigned)
        if wanted and not app.rebalancing:
            counts = app.consumer.counts
            rebalances = counts.rebalances
            try:
                async with asyncio.timeout(LOG_END_TIMEOUT_S):
                    ends: Mapping[TP, int] = await app.consumer.highwaters(*wanted)
                    starts: Mapping[TP, int] = await app.consumer.earliest_offsets(*wanted)
            except Exception as problem:  # the broker is away or a rebalance began: the next time will do
                log.info("the log's end is not known now: %s", type(problem).__name__)
                continue
            if app.rebalancing or counts.rebalances != rebalances:
                continue  # the answer is about partitions of before
            for known, answers in ((counts.position, starts), (counts.highwater, ends)):
                for tp, offset in answers.items():  # what was never read, or has aged out since, lies not ahead
                    known[TP(*tp)] = max(offset, known.get(TP(*tp), 0))
