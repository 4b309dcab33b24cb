"""Offset bookkeeping against a naive oracle: a list of all deliveries, scanned from the front."""

from __future__ import annotations

from dataclasses import dataclass

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from worker.transport.offsets import COMMIT_TURNS, OffsetTracker, share_of


@dataclass(eq=False)
class Work:
    acked: bool = False


#: (what to do, which partition, a number): a hole before the delivery, or which of the known deliveries to act on.
steps = st.lists(
    st.tuples(st.sampled_from(["deliver", "ack", "seek"]), st.integers(0, 2), st.integers(0, 40)), max_size=80
)


def oracle(deliveries: list[tuple[int, Work]]) -> int | None:
    """Next offset after the longest acknowledged run from the front."""
    found = None
    for next_offset, work in deliveries:
        if not work.acked:
            break
        found = next_offset
    return found


@given(steps)
def test_the_committable_offset_is_the_end_of_the_acknowledged_front(steps: list[tuple[str, int, int]]) -> None:
    tracker: OffsetTracker[int, Work] = OffsetTracker()
    log: dict[int, list[tuple[int, Work]]] = {0: [], 1: [], 2: []}
    position = {0: 0, 1: 0, 2: 0}
    every: list[Work] = []
    for action, partition, number in steps:
        if action == "deliver":
            position[partition] += number + 1  # holes of compaction make any step possible
            work = Work()
            every.append(work)
            log[partition].append((position[partition], work))
            tracker.track(partition, position[partition], work)
        elif action == "ack" and every:
            every[number % len(every)].acked = True  # out of order, and from before a seek
        elif action == "seek":
            tracker.drop([partition])
            log[partition] = []
            position[partition] = number
        for each, deliveries in log.items():
            assert tracker.committable(each) == oracle(deliveries)
        assert tracker.unacked() == sum(not work.acked for ds in log.values() for _, work in ds)


def test_an_offset_stays_committable_until_the_commit_succeeded() -> None:
    tracker: OffsetTracker[str, Work] = OffsetTracker()
    tracker.track("p", 10, Work(acked=True))
    assert [tracker.committable("p"), tracker.committable("p")] == [10, 10]


def test_one_delivery_over_two_partitions_is_acknowledged_in_both() -> None:
    tracker: OffsetTracker[str, Work] = OffsetTracker()
    both = Work()
    tracker.track("a", 5, both)
    tracker.track("b", 7, both)
    assert tracker.committable("a") is tracker.committable("b") is None
    both.acked = True
    assert (tracker.committable("a"), tracker.committable("b")) == (5, 7)


def test_what_never_started_does_not_hold_up_what_ran() -> None:
    tracker: OffsetTracker[str, Work] = OffsetTracker()
    ran, queued, acked_later = Work(acked=True), Work(), Work(acked=True)
    for next_offset, work in ((5, ran), (9, queued), (12, acked_later)):
        tracker.track("p", next_offset, work)
    tracker.keep(lambda work: work.acked)
    assert (tracker.committable("p"), tracker.unacked()) == (5, 0)


@given(st.sets(st.integers(0, 63)), st.sampled_from(["rooms", "rooms and registry"]))
def test_every_partition_has_one_turn_in_a_round_and_turns_are_as_even_as_can_be(numbers: set[int], which: str) -> None:
    tps = {TP(topic, number) for topic in which.split(" and ") for number in numbers}
    turns = [share_of(tps, turn) for turn in range(COMMIT_TURNS)]
    assert sorted(tp for turn in turns for tp in turn) == sorted(tps)
    sizes = [len({tp.partition for tp in turn}) for turn in turns]
    assert max(sizes) - min(sizes) <= 1 and sum(sizes) == len(numbers)


def test_partitions_of_one_remainder_which_is_what_a_worker_of_four_gets_are_spread() -> None:
    assert [share_of({TP("rooms", number) for number in (1, 5, 9, 13)}, turn) for turn in range(COMMIT_TURNS)] == [
        {TP("rooms", 1)}, {TP("rooms", 5)}, {TP("rooms", 9)}, {TP("rooms", 13)}
    ]  # fmt: skip
