"""Rebalances, seeks, failures and recovery on a real Kafka."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from faust.types import TP

from tests.kafka.test_transport_delivery import committed, transaction, write
from tests.support.kafka import KafkaCluster
from tests.support.transport_app import QUICK, TransportApp, until

Names = Callable[[str], str]


def test_a_rebalance_hands_over_without_loss_or_repetition(kafka: KafkaCluster, topic_name: Names) -> None:
    topic, group = kafka.create_topic(topic_name("events"), 4), topic_name("group")
    write(kafka, topic, [b"%d" % i for i in range(2000)], 4)

    async def body() -> None:
        # Commits of a minute apart: only the commit on revocation can have told the second member where to start.
        settings = replace(QUICK, commit_interval_s=60.0)
        first = TransportApp(kafka.bootstrap, topic, group, settings=settings)
        second = TransportApp(kafka.bootstrap, topic, group, settings=settings)
        async with first.running():
            await until(lambda: len(first.received) == 2000)
            async with second.running():
                await until(lambda: len(second.hooks.assigned) > 0 and len(first.hooks.assigned) > 1)
                write(kafka, topic, [b"%d" % i for i in range(2000)], 4)
                await until(lambda: len(first.received) + len(second.received) >= 4000)
                assert len(second.received) > 0
        assert first.hooks.problems == second.hooks.problems == []
        seen = Counter((p, o) for p, o, _ in first.received + second.received)
        assert len(seen) == 4000, "every offset arrives"
        assert max(seen.values()) == 1, f"{sum(n - 1 for n in seen.values())} records came twice"
        assert first.counts.commit_failures == second.counts.commit_failures == 0

    asyncio.run(body())
    assert sum(committed(kafka, group, topic, p) for p in range(4)) == 4000


def test_a_fetch_that_a_stopped_flow_cannot_deliver_is_fetched_again(kafka: KafkaCluster, topic_name: Names) -> None:
    topic, group = kafka.create_topic(topic_name("events"), 4), topic_name("group")
    write(kafka, topic, [b"x" * 200] * 20_000, 4)

    async def body() -> None:
        app = TransportApp(
            kafka.bootstrap, topic, group, settings=replace(QUICK, batch_records=500, buffered_batches=1)
        )
        gate = asyncio.Event()

        async def wait(_: object) -> None:
            await gate.wait()

        app.work = wait
        async with app.running():
            consumer = app.app.consumer
            # One batch runs, one fills the buffer, the third finds no room.
            await until(lambda: app.counts.fetches >= 3)
            taken = sum(consumer.thread._expected.values())
            consumer.stop_flow()
            await until(lambda: sum(consumer.thread._expected.values()) < taken, what="the fetch put back")
            consumer.resume_flow()
            gate.set()
            await until(lambda: sum(app.counts.committed.values()) == 20_000, what="all committed")
        assert app.hooks.problems == []
        for partition in range(4):
            assert app.offsets(partition) == list(range(5_000))
        assert app.counts.lost_records == 0

    asyncio.run(body())


def test_a_seek_during_fetches_repeats_from_the_commit_and_loses_nothing(
    kafka: KafkaCluster, topic_name: Names
) -> None:
    topic, group = kafka.create_topic(topic_name("events"), 2), topic_name("group")
    write(kafka, topic, [b"x" * 200] * 20_000, 2)

    async def body() -> None:
        app = TransportApp(kafka.bootstrap, topic, group, settings=replace(QUICK, batch_records=500))
        async with app.running():
            for _ in range(5):
                seen = app.batches
                await until(lambda seen=seen: app.batches > seen + 3 or len(app.received) >= 20_000)  # type: ignore[misc]
                await app.app.consumer.perform_seek()
            await until(lambda: sum(app.counts.committed.values()) == 20_000, what="all committed")
        assert app.hooks.problems == []
        assert set(app.offsets(0)) == set(app.offsets(1)) == set(range(10_000))
        assert app.counts.lost_records == 0, "our own seek is no data loss"

    asyncio.run(body())


def test_recovery_ends_behind_a_tail_of_control_records(kafka: KafkaCluster, topic_name: Names) -> None:
    topic, group = kafka.create_topic(topic_name("events"), 1), topic_name("group")
    write(kafka, topic, [b"x"] * 10)
    app = TransportApp(kafka.bootstrap, topic, group, table=True)
    changelog = kafka.create_topic(app.changelog_topic, 1, cleanup_policy="compact")
    transaction(kafka, changelog, topic_name("a"), [b"room %d" % i for i in range(500)], commit=True)
    transaction(kafka, changelog, topic_name("b"), [b"never"], commit=False)

    async def body() -> None:
        async with app.running():
            await until(lambda: len(app.received) == 10, what="recovery over, agents running")
        assert app.hooks.problems == []
        restored = app.hooks.changelog[TP(changelog, 0)]
        assert [offset for offset, _, _ in restored] == list(range(500))

    asyncio.run(body())


def test_a_recovery_soon_after_another_reads_its_changelog_to_the_end(kafka: KafkaCluster, topic_name: Names) -> None:
    """A member that has just recovered one partition takes over a second: Faust's signal is still that of the first."""
    topic, group = kafka.create_topic(topic_name("events"), 2), topic_name("group")
    small = replace(QUICK, batch_records=100)  # many fetches
    heir = TransportApp(kafka.bootstrap, topic, group, settings=small, table=True, partitions=2)
    first = TransportApp(kafka.bootstrap, topic, group, settings=small, table=True, partitions=2)
    changelog = kafka.create_topic(heir.changelog_topic, 2, cleanup_policy="compact")
    write(kafka, changelog, [b"room"] * 20_000, 2)
    known: dict[int, int] = {}

    async def note(batch: Any) -> None:
        for part in batch.parts:
            read = heir.hooks.changelog[TP(changelog, part.tp.partition)]
            known.setdefault(part.tp.partition, len({offset for offset, _, _ in read}))

    async def body() -> None:
        heir.work = note
        await first.start()
        await until(lambda: len(first.hooks.assigned) > 0, what="the first member has all")
        async with heir.running():
            await until(lambda: sum(map(len, heir.hooks.changelog.values())) == 10_000, what="one partition recovered")
            write(kafka, topic, [b"x"] * 2, 2)
            await until(lambda: bool(known), what="a record of the first partition")
            before = len(heir.hooks.assigned)

            def taken_over() -> bool:
                """Until then the last recovery's signal stands; Faust clears it at any moment within five seconds."""
                if len(heir.hooks.assigned) == before:
                    heir.app.tables.recovery.signal_recovery_end.set()
                return len(heir.hooks.assigned) > before

            await asyncio.gather(first.stop(), until(taken_over, what="the second partition assigned"))
            write(kafka, topic, [b"x"] * 2, 2)
            await until(lambda: len(known) == 2, what="a record of the second partition")
        assert heir.hooks.problems == []

    asyncio.run(body())
    assert known == {0: 10_000, 1: 10_000}, "state known before the first record was processed"


def test_a_broker_that_is_killed_and_comes_back_costs_nothing(mortal: KafkaCluster, topic_name: Names) -> None:
    topic, group = mortal.create_topic(topic_name("events"), 2), topic_name("group")
    write(mortal, topic, [b"x"] * 1000, 2)

    async def body() -> None:
        app = TransportApp(mortal.bootstrap, topic, group)
        async with app.running():
            await until(lambda: sum(app.counts.committed.values()) == 1000)
            mortal.kill9(0)
            await asyncio.to_thread(mortal.restart, 0)
            await asyncio.to_thread(write, mortal, topic, [b"y"] * 1000, 2)
            await until(lambda: len(set(app.received)) == 2000, timeout_s=60)
            await until(lambda: sum(app.counts.committed.values()) == 2000, timeout_s=60, what="all committed")
        assert app.hooks.problems == []
        assert app.counts.lost_records == 0

    asyncio.run(body())
