"""What the worker uses of Faust's app, a small Protocol for each part; a test fakes no more than its part uses.

mypy knows nothing of Faust's types. `tests/transport/test_contract.py` compares each Protocol with the class behind it.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, MutableMapping
from typing import Protocol

from faust.types import TP

from worker.records import OutRecord
from worker.transport.batch import FetchBatch
from worker.transport.counts import TransportCounts
from worker.transport.hooks import Attachment

# ---- for the flush


class Producer(Protocol):
    """Writes records and waits for their acknowledgement."""

    async def send_batch(self, topic: str, partition: int, records: Iterable[OutRecord]) -> int | None: ...


class FlushConsumer(Protocol):
    """Knows what is committed, and is told how far the changelogs are written."""

    @property
    def counts(self) -> TransportCounts: ...
    def advance_changelog(self, tp: TP, next_offset: int) -> None: ...


class Remembered(Protocol):
    """Changelog offsets up to which state is in memory; a recovery goes on from there."""

    @property
    def active_offsets(self) -> MutableMapping[TP, int]: ...


class FlushTables(Protocol):
    """Has what recoveries remember."""

    @property
    def recovery(self) -> Remembered: ...


class FlushApp(Protocol):
    """The app as `engine.flush` sees it."""

    @property
    def consumer(self) -> FlushConsumer: ...
    @property
    def producer(self) -> Producer: ...
    @property
    def tables(self) -> FlushTables: ...


# ---- for the timers and metrics beside it


class RunningConsumer(FlushConsumer, Protocol):
    """Knows where the log begins and ends, and what the group has committed."""

    def committed_offset(self, tp: TP) -> int | None: ...
    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]: ...
    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]: ...


class Recovery(Remembered, Protocol):
    """How far a recovery has to go."""

    @property
    def active_highwaters(self) -> Mapping[TP, int]: ...


class RunningTables(FlushTables, Protocol):
    """Knows whether the tables are recovered."""

    @property
    def recovery(self) -> Recovery: ...
    @property
    def actives_ready(self) -> bool: ...


class RunningApp(FlushApp, Protocol):
    """The app as `engine.app` sees it once it is made."""

    @property
    def consumer(self) -> RunningConsumer: ...
    @property
    def tables(self) -> RunningTables: ...
    @property
    def rebalancing(self) -> bool: ...
    @property
    def should_stop(self) -> bool: ...


# ---- for agents


class Event(Protocol):
    """What a batched topic's agent gets: a fetch, to be acknowledged as a whole."""

    @property
    def value(self) -> FetchBatch: ...
    def ack(self) -> bool: ...


class Stream(Protocol):
    """What Faust calls an agent with."""

    def noack(self) -> Stream: ...
    def events(self) -> AsyncIterable[Event]: ...


# ---- for the driver itself


class Attachable(Protocol):
    """An app that keeps what `attach` gives it, under a name that is ours."""

    stream_audit: Attachment


class Flag(Protocol):
    """An asyncio.Event, asked from another thread."""

    def is_set(self) -> bool: ...


class StoppingApp(Protocol):
    """The app as the watch over its shutdown sees it."""

    @property
    def should_stop(self) -> bool: ...
    @property
    def _shutdown(self) -> Flag: ...
