"""Append times of a partition: what bounds a producer's clock, and what waits for a broker's."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import pytest

from worker.engine.gates import Gates
from worker.partition.append_time import (
    AHEAD_MS,
    APPENDED,
    BEHIND_MS,
    BEHIND_WAIT_MS,
    CREATED,
    AppendTimes,
    BaselineSearch,
    Wait,
)
from worker.records import Record
from worker.state.rooms import RoomStore

NOW = 1_790_000_000_000
MINUTE = 60_000


class Fetched(NamedTuple):
    offset: int
    timestamp: int
    timestamp_type: int = APPENDED
    key: bytes | None = b"r"
    value: bytes | None = b"{}"
    headers: Sequence[tuple[str, bytes | None]] = ()


def times(records: Sequence[Record]) -> list[int]:
    return [record.timestamp for record in records]


def test_the_first_batch_with_the_brokers_time_bounds_what_producers_wrote() -> None:
    known = AppendTimes(baseline_ms=NOW)
    fetched = [Fetched(0, NOW - MINUTE, CREATED), Fetched(1, NOW + 99 * MINUTE, CREATED), Fetched(2, NOW)]
    admitted, wait = known.admit(fetched, NOW)
    assert (times(admitted), wait) == ([NOW - MINUTE, NOW, NOW], None)
    assert [(r.offset, r.key, r.value) for r in admitted] == [(n, b"r", b"{}") for n in range(3)]
    assert (known.latest_ms, known.next_offset) == (NOW, 3)


def test_a_producers_time_waits_until_a_bound_is_known() -> None:
    known = AppendTimes()
    first, then = [Fetched(0, NOW - MINUTE, CREATED)], [Fetched(1, NOW)]
    assert known.admit(first + then, NOW) == ([], Wait.BASELINE)
    known.baseline_ms = NOW
    assert times(known.admit(first + then, NOW)[0]) == [NOW - MINUTE, NOW]


def test_a_log_that_begins_with_the_brokers_time_knows_its_bound_at_once() -> None:
    known = AppendTimes()
    known.admit([Fetched(0, NOW), Fetched(1, NOW + MINUTE)], NOW)
    assert known.baseline_ms == NOW
    admitted, wait = known.admit([Fetched(2, NOW + 9 * MINUTE, CREATED)], NOW + 9 * MINUTE)
    assert (times(admitted), wait) == ([NOW], None)


def test_a_log_that_is_read_from_its_middle_does_not_take_what_comes_first_for_the_bound() -> None:
    known = AppendTimes(latest_ms=NOW, next_offset=5, from_start=False)
    known.admit([Fetched(5, NOW)], NOW)
    assert known.baseline_ms is None
    assert known.admit([Fetched(6, NOW, CREATED)], NOW) == ([], Wait.BASELINE)


def test_a_record_ahead_of_the_workers_clock_waits_until_it_is_not() -> None:
    known = AppendTimes()
    fetched = [Fetched(0, NOW), Fetched(1, NOW + AHEAD_MS + 1), Fetched(2, NOW + 1)]
    assert known.admit(fetched, NOW) == (fetched[:1], Wait.AHEAD)
    assert known.admit(fetched[1:], NOW) == ([], Wait.AHEAD)
    assert known.admit(fetched[1:], NOW + 1) == (fetched[1:], None), "the third is not behind by five minutes"
    assert known.latest_ms == NOW + AHEAD_MS + 1


@pytest.mark.parametrize(("slow_ms", "waits_ms"), [(10 * MINUTE, 10 * MINUTE), (9_999 * MINUTE, BEHIND_WAIT_MS)])
def test_a_record_behind_the_partition_waits_until_a_slow_clock_has_caught_up(slow_ms: int, waits_ms: int) -> None:
    known = AppendTimes()
    known.admit([Fetched(0, NOW)], NOW)
    slow = [Fetched(1, NOW - slow_ms)]
    assert known.admit(slow, NOW + waits_ms - 1) == ([], Wait.BEHIND)
    assert known.admit(slow, NOW + waits_ms) == (slow, None)
    assert known.latest_ms == NOW, "partition time never goes back"


def test_a_record_five_minutes_behind_does_not_wait() -> None:
    known = AppendTimes()
    fetched = [Fetched(0, NOW), Fetched(1, NOW - BEHIND_MS)]
    assert known.admit(fetched, NOW) == (fetched, None)


def test_what_comes_again_after_a_rebalance_is_not_held_back_again() -> None:
    known = AppendTimes()
    fetched = [Fetched(n, NOW + n * 2 * MINUTE) for n in range(10)]
    assert known.admit(fetched, NOW + 20 * MINUTE)[1] is None
    assert known.admit(fetched, NOW + 20 * MINUTE) == (fetched, None)


def test_waiting_changes_no_time() -> None:
    """Whatever the own clock says, and wherever fetches end, what is let in at last is the same."""
    for seed in range(200):
        rng = Random(seed)
        fetched = [
            Fetched(n, NOW + rng.randrange(-40, 40) * MINUTE, rng.choice((CREATED, APPENDED, APPENDED)))
            for n in range(rng.randrange(1, 30))
        ]
        free, _ = AppendTimes(baseline_ms=NOW).admit(fetched, NOW + 999 * MINUTE)
        known, now_ms, found = AppendTimes(baseline_ms=NOW), NOW, list[Record]()
        while len(found) < len(fetched):
            size = rng.randrange(1, 9)
            found += known.admit(fetched[len(found) : len(found) + size], now_ms)[0]
            now_ms += rng.randrange(5) * MINUTE
        assert times(found) == times(free), seed


def test_the_search_finds_the_first_batch_with_the_brokers_time_in_few_looks() -> None:
    rng = Random(3)
    for _ in range(300):
        first, created, appended = rng.randrange(9), rng.randrange(2_000), rng.randrange(3)
        offsets = sorted(rng.sample(range(first, first + 9_000), created + appended))  # compaction leaves holes
        log = [(at, at, CREATED if n < created else APPENDED) for n, at in enumerate(offsets)]
        search, looks = BaselineSearch(first, offsets[-1] + 1 + rng.randrange(3) if offsets else first), 0
        while (offset := search.offset()) is not None:
            looks += 1
            search.tell(next((record for record in log if record[0] >= offset), None))
        assert search.baseline_ms == next((at for at, _, kind in log if kind == APPENDED), None)
        assert looks <= 16


# ---- the gates of a worker


def gates(now_ms: list[int], *, open_wide: bool = False) -> Gates:
    store = RoomStore("changelog", 0)
    return Gates({0: store, 1: store}, lambda: now_ms[0], open_wide=open_wide)


def test_a_partition_that_waits_is_counted_once_and_others_go_on() -> None:
    now_ms = [NOW]
    both = gates(now_ms)
    ahead = [Fetched(0, NOW + 10 * MINUTE)]
    for _ in range(3):
        assert both.admit(0, ahead) == ([], Wait.AHEAD)
    assert both.admit(1, [Fetched(0, NOW)])[1] is None
    assert (both.waiting, both.waits) == ({0: Wait.AHEAD}, {Wait.AHEAD: 1})
    now_ms[0] += 5 * MINUTE
    assert both.admit(0, ahead) == (ahead, None)
    assert both.waiting == {}


def test_state_keeps_the_bound_and_the_partitions_time() -> None:
    store = RoomStore("changelog", 0)
    store.capture(7, NOW, 0, -1, NOW - MINUTE)
    one = Gates({0: store}, lambda: NOW)
    assert times(one.admit(0, [Fetched(7, NOW + MINUTE, CREATED)])[0]) == [NOW - MINUTE]
    assert one.baseline_ms(0) == NOW - MINUTE
    assert one.admit(0, [Fetched(8, NOW - 6 * MINUTE)])[1] is Wait.BEHIND


def test_without_append_time_nothing_waits_and_nothing_is_bounded() -> None:
    wide = gates([NOW], open_wide=True)
    fetched = [Fetched(0, NOW + 999 * MINUTE, CREATED), Fetched(1, 5, CREATED)]
    assert wide.admit(0, fetched) == (fetched, None)
