"""Faust's producer: idempotent, acknowledged by all replicas, every send bounded, and batches sent whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from faust.transport.drivers import aiokafka as stock
from faust.types import RecordMetadata

from worker.records import OutRecord
from worker.transport.compression import use_fast_lz4

if TYPE_CHECKING:
    from aiokafka.producer.message_accumulator import BatchBuilder


class SendError(RuntimeError):
    """The broker refused records, or did not take them within the producer's timeout."""


class BatchProducer(stock.Producer):  # type: ignore[misc]
    """Use `send_batch` for snapshots: about a tenth of the cost of one `send` per record."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        use_fast_lz4()
        super().__init__(*args, **kwargs)

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    async def send(self, topic: str, *args: Any, **kwargs: Any) -> Awaitable[RecordMetadata]:
        """As Faust's, but bounded by the request timeout: Faust waits for ever for a topic that does not exist."""
        try:
            async with asyncio.timeout(self.request_timeout):
                return cast("Awaitable[RecordMetadata]", await super().send(topic, *args, **kwargs))
        except TimeoutError as late:
            raise SendError(f"{topic}: no place for a record within {self.request_timeout:g} s") from late

    async def send_batch(self, topic: str, partition: int, records: Iterable[OutRecord]) -> int | None:
        """Write records in order to one partition of `topic`, whatever topic they name themselves.

        Return the offset of the last one, or None for no records.

        Raises SendError when the broker refuses or does not acknowledge in time; some may be written.
        """
        try:
            async with asyncio.timeout(self.request_timeout):
                acks = await self._submit(topic, partition, records)
                written = [await ack for ack, _ in acks]
        except (TimeoutError, UnknownTopicOrPartitionError) as late:  # the latter: no metadata came in time
            raise SendError(f"{topic}-{partition}: not acknowledged within {self.request_timeout:g} s") from late
        except KafkaError as refused:
            raise SendError(f"{topic}-{partition}: {type(refused).__name__}: {refused}") from refused
        if not written:
            return None
        attachment = self.transport.attachment
        attachment.acknowledged_s = attachment.clock()
        return cast(int, written[-1].offset) + acks[-1][1] - 1

    async def _submit(
        self, topic: str, partition: int, records: Iterable[OutRecord]
    ) -> list[tuple[Awaitable[Any], int]]:
        producer = self._ensure_producer()
        acks: list[tuple[Awaitable[Any], int]] = []
        batch = producer.create_batch()
        for record in records:
            if _append(batch, record):
                continue
            count = batch.record_count()
            acks.append((await producer.send_batch(batch, topic, partition=partition), count))
            batch = producer.create_batch()
            _append(batch, record)  # an empty batch takes a record of any size; the broker has the last word
        if batch.record_count():
            count = batch.record_count()
            acks.append((await producer.send_batch(batch, topic, partition=partition), count))
        return acks


def _append(batch: BatchBuilder, record: OutRecord) -> bool:
    """False when the batch is full."""
    fitted = batch.append(
        timestamp=record.timestamp_ms, key=record.key, value=record.value, headers=list(record.headers)
    )
    return fitted is not None
