"""Brokers that are killed, come back, or lose the lead."""

from __future__ import annotations

import time

from confluent_kafka import KafkaError, KafkaException

from tests.faults.scenario import World
from tests.support.engine import Worker, room_log
from tests.support.kafka import wait_until
from worker.topics import EVENTS_TOPIC

RECOVERED_WITHIN_S = 60
LOADING = (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR)


def broker_killed(world: World) -> None:
    """The only broker is killed and started again: the worker waits for it, or ends and is started again."""
    log, records = world.log, list(room_log(world.seed, rooms=40, steps=4_000))
    log.produce(records[:2_000])
    worker = world.worker(INSTANCE_ID="pod-0").wait_ready()
    wanted = world.rng.randrange(200, 2_000)
    wait_until(lambda: worker.metric("read_total") >= wanted, timeout_s=60, what=worker.log)
    log.kafka.kill9()
    world.seen["brokers killed"] += 1
    time.sleep(world.rng.random() * 4)  # how long it is away
    log.kafka.restart()
    back_s = time.monotonic()
    log.produce(records[2_000:])
    catch_up(world, worker, back_s)


def leader_lost(world: World) -> None:
    """One of three brokers, the leader of a partition, is killed and stays away until all is read."""
    log, records = world.log, list(room_log(world.seed, rooms=40, steps=4_000))
    log.produce(records[:2_000])
    worker = world.worker(INSTANCE_ID="pod-0").wait_ready()
    partition = world.rng.randrange(log.partitions)
    topic = world.rng.choice((log.topic(EVENTS_TOPIC), log.changelog))
    leader = log.kafka.leader(topic, partition)
    log.kafka.kill9(leader)
    world.seen["brokers killed"] += 1
    back_s = time.monotonic()
    try:
        log.produce(records[2_000:])
        catch_up(world, worker, back_s)
    finally:
        log.kafka.restart(leader)


def catch_up(world: World, worker: Worker, back_s: float) -> None:
    """Kubernetes' part: a worker that ended non-zero is started again."""
    log = world.log

    def caught_up() -> bool:
        nonlocal worker
        if worker.process.poll() is not None:
            assert worker.process.returncode == 1, worker.log()
            world.seen["restarts"] += 1
            worker = world.worker(INSTANCE_ID="pod-0")
        try:
            return log.committed() == log.ends()
        except KafkaException as away:  # the group's coordinator has moved, and still loads
            if away.args[0].code() not in LOADING:
                raise
            return False

    try:
        wait_until(caught_up, timeout_s=2 * RECOVERED_WITHIN_S, what=lambda: worker.log())  # noqa: PLW0108
        took_s = time.monotonic() - back_s
        assert took_s < RECOVERED_WITHIN_S, f"recovered only after {took_s:.0f} s"
        world.seen["most seconds to recover"] = max(world.seen["most seconds to recover"], round(took_s))
        world.finish(worker)
    finally:
        worker.__exit__()
    world.check(repeats_max=50)
