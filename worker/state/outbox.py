"""What is on its way to the broker: queued without waiting, sent in order, awaited before the next commit.

Queuing must not let the event loop in. Otherwise a commit could take a snapshot of rooms that have already decided
something which is not queued yet, and a crash would lose the decision for good.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from worker.records import OutRecord

BATCH_RECORDS_MAX = 500

Send = Callable[[str, int, Sequence[OutRecord]], Awaitable[int]]
"""Writes records in order to one partition of a topic; returns the offset of the last one when the broker has
acknowledged all. Raises when it has not."""


class _Channel:
    """One partition of one topic: a queue, and at most one batch under way."""

    __slots__ = ("end", "queue", "sent", "taken", "task")

    def __init__(self) -> None:
        self.queue: list[OutRecord] = []
        self.taken = 0  # records ever queued
        self.sent = 0  # of them, acknowledged
        self.end = -1
        self.task: asyncio.Task[None] | None = None


class Outbox:
    """Outputs of all partitions. A send that fails is given to `fatal`, once, and raises from `flush`.

    Records that come while a batch is under way form the next one, so batches grow by themselves under load and no
    record waits for company.
    """

    def __init__(self, send: Send, fatal: Callable[[BaseException], None]) -> None:
        self._send = send
        self._fatal = fatal
        self._channels: dict[tuple[str, int], _Channel] = {}
        self._progress = asyncio.Event()
        self._error: BaseException | None = None
        self.pending = 0

    def put(self, partition: int, records: Iterable[OutRecord]) -> None:
        """Queues records for their topics' `partition`. Must be called on the event loop; never waits."""
        for record in records:
            where = (record.topic, partition)
            channel = self._channels.get(where)
            if channel is None:
                channel = self._channels[where] = _Channel()
            channel.queue.append(record)
            channel.taken += 1
            self.pending += 1
            if channel.task is None:
                channel.task = asyncio.ensure_future(self._run(where, channel))

    async def below(self, pending_max: int) -> None:
        """Waits until fewer than `pending_max` records are pending."""
        while self.pending >= pending_max:
            await self._wait()

    async def flush(self) -> None:
        """Waits until all that was queued before the call is acknowledged. Raises what a send raised."""
        marks = [(channel, channel.taken) for channel in self._channels.values() if channel.sent < channel.taken]
        for channel, taken in marks:
            while channel.sent < taken:
                await self._wait()
        if self._error is not None:
            raise self._error

    def end(self, topic: str, partition: int) -> int:
        """The offset after the last acknowledged record; -1 before the first."""
        channel = self._channels.get((topic, partition))
        return channel.end if channel is not None else -1

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._progress.clear()
        await self._progress.wait()
        if self._error is not None:
            raise self._error

    async def _run(self, where: tuple[str, int], channel: _Channel) -> None:
        try:
            while channel.queue:
                batch = channel.queue[:BATCH_RECORDS_MAX]
                del channel.queue[:BATCH_RECORDS_MAX]
                channel.end = await self._send(*where, batch) + 1
                channel.sent += len(batch)
                self.pending -= len(batch)
                self._progress.set()
        except BaseException as error:
            self._error = error
            self._progress.set()
            if isinstance(error, asyncio.CancelledError):
                raise
            self._fatal(error)
        finally:
            channel.task = None
