"""Record batches, straight from bytes: what aiokafka's own iterator sees is the oracle for what ours delivers."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from faust.types import TP

from worker.transport.unpack import _take, drain

HERE = TopicPartition("events", 0)
ABORT, COMMIT = 0, 1
CODECS = {
    "none": DefaultRecordBatch.CODEC_NONE,
    "gzip": DefaultRecordBatch.CODEC_GZIP,
    "snappy": DefaultRecordBatch.CODEC_SNAPPY,
    "lz4": DefaultRecordBatch.CODEC_LZ4,
    "zstd": DefaultRecordBatch.CODEC_ZSTD,
}


def record_batch(
    offsets: list[int], *, codec: int = 0, producer: int = -1, transactional: bool = False, control: int | None = None
) -> bytes:
    """One record batch whose first offset is `offsets[0]`; holes inside as compaction leaves them."""
    builder = DefaultRecordBatchBuilder(2, codec, int(transactional), producer, 0, 0, 1 << 20)
    base = offsets[0]
    for offset in offsets:
        key = None if control is None else b"\x00\x00" + control.to_bytes(2, "big")
        value = f"v{offset}".encode() * 20 if control is None else b"\x00" * 6
        assert builder.append(offset - base, 1_000 + offset, key, value, [("h", b"1")]) is not None
    data = builder.build()
    data[0:8] = base.to_bytes(8, "big")
    if control is not None:  # attribute bit 5; the checksum covers it
        data[22] |= 0x20
        from aiokafka.record.util import calc_crc32c_py as crc

        data[17:21] = crc(bytes(data[21:])).to_bytes(4, "big")
    return bytes(data)


def held(data: bytes, start: int = 0, aborted: list[tuple[int, int]] | None = None, level: int = READ_COMMITTED) -> Any:
    return PartitionRecords(HERE, MemoryRecords(data), aborted, start, None, None, True, level)


class State:
    """Position of one partition, as aiokafka's assignment keeps it."""

    paused = False

    def __init__(self, position: int) -> None:
        self.position = position

    def consumed_to(self, position: int) -> None:
        self.position = position


class Assignment:
    active = True

    def __init__(self, state: State) -> None:
        self.state = state

    def state_value(self, _: TopicPartition) -> State:
        return self.state


def result_of(records: Any) -> tuple[FetchResult, State]:
    state = State(records.next_fetch_offset)
    return FetchResult(HERE, assignment=Assignment(state), partition_records=records, backoff=0), state


def assert_as_aiokafka(
    data: bytes, start: int = 0, aborted: list[tuple[int, int]] | None = None, level: int = 1
) -> list[int]:
    """Compares a whole drain with aiokafka's iterator; returns the offsets."""
    oracle = held(data, start, aborted, level)
    expected = [(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in oracle]
    result, state = result_of(held(data, start, aborted, level))
    part = _take(TP(*HERE), result, 1 << 30)
    assert part is not None
    assert [(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in part.records] == expected
    assert part.next_offset == state.position == oracle.next_fetch_offset
    assert part.base_offset == start
    assert not result.has_more()
    return [r.offset for r in part.records]


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_gives_every_record(codec: str) -> None:
    data = record_batch(list(range(50)), codec=CODECS[codec]) + record_batch([50, 51], codec=CODECS[codec])
    assert assert_as_aiokafka(data) == list(range(52))


def test_a_fetch_from_the_middle_of_a_batch_skips_its_head() -> None:
    assert assert_as_aiokafka(record_batch([0, 1, 2, 3, 4]), start=3) == [3, 4]


def test_holes_of_compaction_keep_their_offsets() -> None:
    assert assert_as_aiokafka(record_batch([0, 2, 7]) + record_batch([20, 23])) == [0, 2, 7, 20, 23]


def test_a_slice_of_control_records_alone_is_empty_and_moves_the_position() -> None:
    data = record_batch([5], producer=9, transactional=True, control=COMMIT)
    assert assert_as_aiokafka(data, start=5) == []


def test_aborted_records_are_never_delivered() -> None:
    data = (
        record_batch([0, 1], producer=9, transactional=True)
        + record_batch([2, 3], producer=8, transactional=True)
        + record_batch([4], producer=9, transactional=True, control=ABORT)
        + record_batch([5], producer=8, transactional=True, control=COMMIT)
        + record_batch([6, 7], producer=9, transactional=True)
        + record_batch([8], producer=9, transactional=True, control=COMMIT)
    )
    assert assert_as_aiokafka(data, aborted=[(9, 0)]) == [2, 3, 6, 7]
    assert assert_as_aiokafka(data, level=READ_UNCOMMITTED) == [0, 1, 2, 3, 6, 7]


def test_a_cap_stops_between_batches_and_the_rest_comes_next() -> None:
    result, state = result_of(held(record_batch([0, 1, 2]) + record_batch([3, 4]) + record_batch([5])))
    first = _take(TP(*HERE), result, 2)
    assert first is not None and [r.offset for r in first.records] == [0, 1, 2]
    assert state.position == 3 and result.has_more()
    second = _take(TP(*HERE), result, 100)
    assert second is not None and [r.offset for r in second.records] == [3, 4, 5]


def test_what_was_taken_goes_at_once_and_waits_for_no_collection_of_cycles() -> None:
    records = held(record_batch([0, 1]) + record_batch([2]))
    result, _ = result_of(records)
    there = weakref.ref(records)
    del records
    gc.disable()
    try:
        assert _take(TP(*HERE), result, 1) is not None
        assert there() is not None
        assert _take(TP(*HERE), result, 1) is not None
        assert there() is None
    finally:
        gc.enable()


def test_a_slice_whose_partition_was_sought_elsewhere_is_dropped() -> None:
    result, state = result_of(held(record_batch([0, 1, 2])))
    state.position = 100
    assert _take(TP(*HERE), result, 100) is None
    assert state.position == 100


class Subscriptions:
    def is_assigned(self, _: TopicPartition) -> bool:
        return True


class Fetcher:
    """The three members of aiokafka's fetcher that a drain touches."""

    def __init__(self, records: dict[TopicPartition, Any]) -> None:
        self._records = records
        self._subscriptions = Subscriptions()
        self._wait_consume_future = None

    def _notify(self, _: object) -> None: ...


@pytest.mark.parametrize("damage", ["checksum", "codec"])
def test_damaged_data_raises_and_is_not_passed_over(damage: str) -> None:
    bad = bytearray(record_batch([2, 3], codec=CODECS["gzip"]))
    if damage == "checksum":
        bad[-1] ^= 1
    else:
        bad[61 + 12] ^= 0xFF
        from aiokafka.record.util import calc_crc32c_py as crc

        bad[17:21] = crc(bytes(bad[21:])).to_bytes(4, "big")
    result, state = result_of(held(record_batch([0, 1]) + bytes(bad) + record_batch([4])))
    fetcher = Fetcher({HERE: result})
    with pytest.raises(CorruptRecordException if damage == "checksum" else Exception):
        drain(fetcher, [HERE], 100)
    assert state.position == 0, "the position must not move past what was not delivered"
    assert fetcher._records == {}, "a second drain would go on behind the damage"
