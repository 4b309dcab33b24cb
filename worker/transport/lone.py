"""Consumers without a group, which read a part of a topic beside the driver."""

from __future__ import annotations

import asyncio
import contextlib

from aiokafka import AIOKafkaConsumer

from worker.settings import Settings
from worker.transport.security import client_options


class LoneConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer whose `stop` leaves the cancellation of whoever waits for it as it is.

    aiokafka's cancels its fetches and awaits them. A caller's cancellation can be lost in that; and the one of a fetch
    that has not begun, or pauses after an error, comes up as if it were the caller's. Faust would then start the
    caller's agent anew, and what the agent had in hand would never be acknowledged.
    """

    async def stop(self) -> None:
        """Ends fetches, then the connections, also when the caller is cancelled meanwhile."""
        ending = asyncio.ensure_future(self._end())
        await asyncio.wait({ending})
        ending.result()

    async def _end(self) -> None:
        try:
            with contextlib.suppress(asyncio.CancelledError):  # its own fetches': nobody else has this task
                await super().stop()
        finally:
            if self._fetcher is not None:
                fetches = [self._fetcher._fetch_task, *self._fetcher._pending_tasks]
                for fetch in fetches:
                    fetch.cancel()
                await asyncio.gather(*fetches, return_exceptions=True)
            await self._client.close()


def lone_consumer(settings: Settings, auto_offset_reset: str = "latest") -> LoneConsumer:
    """A consumer without a group, not started yet. With `auto_offset_reset` "none" an offset that is gone raises."""
    return LoneConsumer(
        **client_options(settings),
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset=auto_offset_reset,
    )
