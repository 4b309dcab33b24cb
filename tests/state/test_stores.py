"""All partitions of a worker: kept through a rebalance, capped in rooms, flushed together."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.state.conftest import HOUR_MS, keep, room_at
from worker.state.codec import ChangelogError, Write
from worker.state.stores import Progress, Stores


def progress(applied: int, committed: int) -> Progress:
    return Progress(applied, HOUR_MS, committed, -1)


def test_stores_are_kept_for_partitions_that_stay() -> None:
    stores = Stores("changelog", 100)
    assert stores.assign({0, 1}) == ({0, 1}, set())
    kept = stores.by_partition[1]
    assert stores.assign({1, 2}) == ({2}, {0})
    assert stores.by_partition[1] is kept
    assert set(stores.by_partition) == {1, 2}


def test_beyond_the_cap_the_longest_idle_rooms_of_all_partitions_go_first() -> None:
    stores = Stores("changelog", 4)
    stores.assign({0, 1})
    for i in range(8):
        keep(stores.by_partition[i % 2], room_at(i, room_id=f"room{i}", max_at_ms=i * HOUR_MS))
    stores.capture({0: progress(8, 8), 1: progress(8, 8)})
    writes = stores.capture({0: progress(8, 8), 1: progress(8, 8)})
    left = {room_id for store in stores.by_partition.values() for room_id in store}
    assert left == {"room4", "room5", "room6", "room7"}
    assert stores.shed == 4
    assert {w.key for w in writes[0] if w.value is None} == {b"room0", b"room2"}


def test_a_flush_of_one_partition_sheds_what_is_oldest_of_all_and_leaves_the_rest_to_the_others() -> None:
    """Partitions flush in turns: whose turn comes first must not lose its active rooms for the idle ones of another."""
    stores = Stores("changelog", 4)
    stores.assign({0, 1})
    for i in range(8):
        keep(stores.by_partition[i in (0, 1, 2, 7)], room_at(i, room_id=f"room{i}", max_at_ms=i * HOUR_MS))
    stores.capture({0: progress(8, 0), 1: progress(8, 0)})  # nothing is committed yet: all stay
    stores.capture({0: progress(8, 8)})
    assert set(stores.by_partition[0]) == {"room4", "room5", "room6"}
    stores.capture({1: progress(8, 8)})
    assert set(stores.by_partition[1]) == {"room7"}
    assert (stores.rooms(), stores.shed) == (4, 4)


def test_rooms_that_are_not_committed_are_never_shed() -> None:
    stores = Stores("changelog", 1)
    stores.assign({0})
    for i in range(5):
        keep(stores.by_partition[0], room_at(i, room_id=f"room{i}"))
    stores.capture({0: progress(5, 0)})
    stores.capture({0: progress(5, 3)})
    assert set(stores.by_partition[0]) == {"room3", "room4"}


def test_counts_survive_a_dropped_partition() -> None:
    stores = Stores("changelog", 1)
    stores.assign({0})
    for i in range(3):
        keep(stores.by_partition[0], room_at(i, room_id=f"room{i}"))
    stores.capture({0: progress(3, 3)})
    stores.capture({0: progress(3, 3)})
    stores.assign({1})
    assert (stores.shed, stores.rooms()) == (2, 0)


def test_what_another_worker_has_written_meanwhile_is_an_error() -> None:
    """A zombie's records may be the newest of their keys: whoever owns the partition must read them."""
    stores = Stores("changelog", 10)
    stores.assign({0})
    end = -1

    async def send(partition: int, writes: Sequence[Write]) -> int:
        nonlocal end
        end += len(writes)
        return end

    def flush() -> None:
        asyncio.run(stores.write(stores.capture({0: progress(1, 0)}), send))

    flush()
    flush()
    end += 3
    with pytest.raises(ChangelogError, match=r"changelog\[0\]: another worker wrote offsets 2 to 4"):
        flush()


def test_a_failed_write_raises_and_counts_nothing() -> None:
    stores = Stores("changelog", 10)
    stores.assign({0, 1})

    async def send(partition: int, writes: Sequence[Write]) -> int:
        if partition == 1:
            raise OSError("no broker")
        return len(writes) - 1

    writes = stores.capture({0: progress(1, 0), 1: progress(1, 0)})
    with pytest.raises(OSError, match="no broker"):
        asyncio.run(stores.write(writes, send))
    assert stores.written_records == 0
    assert asyncio.run(stores.write({0: writes[0]}, send)) == {0: 0}
    assert stores.written_records == 1
