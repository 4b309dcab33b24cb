"""The only code that reads aiokafka's private record structures; `tests/transport/test_contract.py` looks them up.

Follows `aiokafka.consumer.fetcher.PartitionRecords._unpack_records` (0.14.0) record batch by record batch, but
hands out aiokafka's compiled record objects as they are instead of a Python dataclass per record.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition
from faust.types import TP

from worker.transport.batch import RecordSlice

if TYPE_CHECKING:
    from aiokafka.consumer.fetcher import Fetcher, PartitionRecords


def drain(fetcher: Fetcher, partitions: Iterable[TopicPartition], max_records: int) -> list[RecordSlice]:
    """Takes what the fetcher holds for `partitions` until `max_records` are reached; never waits.

    An error of the broker, a bad checksum or an unknown codec raises after the offending data was dropped; what
    the call had already taken is lost with it, so the caller must not go on from the positions.
    """
    wanted = set(partitions)
    slices: list[RecordSlice] = []
    count = 0
    for tp in list(fetcher._records):
        if tp not in wanted:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        result = fetcher._records[tp]
        try:
            if type(result) is not FetchResult:
                result.check_raise()
            part = _take(TP(tp.topic, tp.partition), result, max_records - count)
        except BaseException:
            _remove(fetcher, tp)
            raise
        if not result.has_more():
            _remove(fetcher, tp)
        if part is not None:
            slices.append(part)
            count += len(part.records)
            if count >= max_records:
                break
    return slices


def _remove(fetcher: Fetcher, tp: TopicPartition) -> None:
    del fetcher._records[tp]
    fetcher._notify(fetcher._wait_consume_future)


def _take(tp: TP, result: FetchResult, max_records: int) -> RecordSlice | None:
    if not result.check_assignment(tp) or not result.has_more():
        return None
    held = result._partition_records
    base_offset = held.next_fetch_offset
    records: list[Any] = []
    while held._records.has_next() and len(records) < max_records:
        records += _next_records(tp, held)
    result._update_position()
    if not held._records.has_next():
        held._records_iterator = None  # aiokafka's own, never begun: a cycle that would keep the whole response
        result._partition_records = None
    return RecordSlice(tp, records, base_offset, held.next_fetch_offset)


def _next_records(tp: TP, held: PartitionRecords) -> list[Any]:
    """Records of the next record batch that the application may see; advances `held`."""
    batch = held._records.next_batch()
    if held._check_crcs and not batch.validate_crc():
        raise CorruptRecordException(f"bad checksum in {tp.topic}-{tp.partition} at offset {held.next_fetch_offset}")
    start = held.next_fetch_offset
    if held._isolation_level == READ_COMMITTED and batch.producer_id is not None:
        held._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch:
            if held._contains_abort_marker(batch):
                held._aborted_producers.discard(batch.producer_id)
        elif batch.is_transactional and batch.producer_id in held._aborted_producers:
            held.next_fetch_offset = batch.next_offset
            return []
    if batch.is_control_batch:
        held.next_fetch_offset = batch.next_offset
        return []
    records = list(batch)
    held.next_fetch_offset = batch.next_offset
    if records and records[0].offset < start:  # a fetch from the middle of a record batch
        return [record for record in records if record.offset >= start]
    return records
