"""A partition waits before a switch to policies that the worker has not read, and for no longer."""

import asyncio

import pytest

from tests.policy.build import T0, a_policy
from tests.policy.chained import ROOTS, Row, Topic
from worker.engine.gates import Gates
from worker.partition.append_time import Wait
from worker.policy.feed import PolicyFeed
from worker.policy.load import load_policies
from worker.policy.switch import SWITCH_KEY, Switch, write_switch
from worker.state.rooms import RoomStore
from worker.topics import POLICIES_TOPIC


def scene() -> tuple[Topic, PolicyFeed, Gates]:
    topic = Topic()
    topic.baseline()
    topic.policy(a_policy(version=2))
    feed = PolicyFeed(load_policies({"p.yaml": a_policy()}), ROOTS)
    feed.take(topic.rows[0], topic=POLICIES_TOPIC)
    return topic, feed, Gates({0: RoomStore("changelog", 0)}, lambda: T0, open_wide=True, feed=feed)


def log_with(switch: Switch) -> list[Row]:
    value, headers = write_switch(switch, None)
    return [Row(0, T0, b"room", b""), Row(1, T0, SWITCH_KEY, value, headers), Row(2, T0, b"room", b"")]


def test_a_partition_goes_on_once_what_its_switch_names_is_read() -> None:
    topic, feed, gates = scene()
    rows = log_with(Switch(offset=1, chain=topic.head, partition=0))
    admitted, wait = gates.admit(0, rows)  # type: ignore[arg-type]
    assert (list(admitted), wait, gates.waiting) == (rows[:1], Wait.POLICIES, {0: Wait.POLICIES})
    feed.take(topic.rows[1], topic=POLICIES_TOPIC)
    assert gates.admit(0, rows[1:]) == (rows[1:], None)  # type: ignore[arg-type]
    assert (gates.waiting, gates.waits[Wait.POLICIES]) == ({}, 1)


def test_a_switch_to_what_is_read_or_that_names_nothing_does_not_wait() -> None:
    topic, _, gates = scene()
    rows = log_with(Switch(offset=0, chain=topic.head, partition=0))
    assert gates.admit(0, rows) == (rows, None)  # type: ignore[arg-type]
    rows[1] = rows[1]._replace(value=b"rubbish")
    assert gates.admit(0, rows) == (rows, None)  # type: ignore[arg-type]


@pytest.mark.timeout(30)
def test_a_forged_switch_waits_only_until_the_topic_is_read_to_where_it_ended_afterwards() -> None:
    topic, feed, gates = scene()
    rows = log_with(Switch(offset=99, chain=topic.head, partition=0))
    asked = []

    async def end() -> int:
        asked.append(gates.admit(0, rows)[1])  # type: ignore[arg-type]
        return 2

    def let_in() -> bool:
        if asked and feed.next_offset < 2:
            assert gates.admit(0, rows)[1] is Wait.POLICIES, "not before it is read"  # type: ignore[arg-type]
            feed.take(topic.rows[1], topic=POLICIES_TOPIC)
        return gates.admit(0, rows)[1] is None  # type: ignore[arg-type]

    assert not let_in()
    asyncio.run(gates.read_policies(end, let_in))
    assert asked == [Wait.POLICIES]
    later = [row._replace(offset=row.offset + 3) for row in rows]
    assert gates.admit(0, later)[1] is Wait.POLICIES, "what was fetched later waits for itself"  # type: ignore[arg-type]


def test_a_rebalance_asks_again() -> None:
    topic, _, gates = scene()
    rows = log_with(Switch(offset=99, chain=topic.head, partition=0))
    gates.admit(0, rows)  # type: ignore[arg-type]
    gates.reset()
    assert gates.waiting == {}
    assert gates.admit(0, rows)[1] is Wait.POLICIES  # type: ignore[arg-type]
