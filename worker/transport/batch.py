"""What one fetch delivers: slices of partitions, wrapped into the one Faust event that carries them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import faust
from faust.types import TP, EventT, Message
from faust.types.tuples import ConsumerMessage

from worker.records import Record


@dataclass(frozen=True, slots=True)
class RecordSlice:
    """Consecutive records of one partition, in offset order.

    Offsets may have holes (compaction, control records, aborted transactions), so `records` may even be empty;
    the slice stands for every offset in [base_offset, next_offset).
    """

    tp: TP
    records: Sequence[Record]
    base_offset: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class FetchBatch:
    """Value of a batched event: all partitions' slices of one topic from one fetch. `count` is of records."""

    parts: Sequence[RecordSlice]
    count: int


class BatchMessage(ConsumerMessage):  # type: ignore[misc]
    """Faust's message around a FetchBatch; its ack covers every slice. Known by identity, not by offset."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[RecordSlice], generation_id: int, now_s: float) -> None:
        first = parts[0]
        batch = FetchBatch(parts, sum(len(part.records) for part in parts))
        super().__init__(
            first.tp.topic,
            first.tp.partition,
            first.next_offset - 1,
            now_s,
            0,
            (),
            None,
            batch,
            None,
            0,
            0,
            first.tp,
            generation_id=generation_id,
        )
        self.parts = parts


class EventMaker(Protocol):
    """Wraps a decoded value into the event that streams carry."""

    def create_event(
        self, key: object, value: object, headers: Mapping[str, bytes] | None, message: Message
    ) -> EventT: ...


class BatchSchema(faust.Schema):  # type: ignore[misc]
    """Schema of batched topics: passes FetchBatch values through, decodes anything else as Faust does."""

    def compile(self, app: EventMaker, **options: Any) -> Callable[..., Awaitable[EventT]]:
        stock = super().compile(app, **options)
        create_event = app.create_event

        async def decode(message: Message, **kwargs: Any) -> EventT:
            if type(message) is BatchMessage:
                return cast(EventT, create_event(None, message.value, None, message))
            return cast(EventT, await stock(message, **kwargs))

        return decode
