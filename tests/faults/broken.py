"""`python -m tests.faults.broken HOW`: the worker, slowed where it is most vulnerable, or without one of its promises.

slow-commit: half a second passes between the flush and its commit. It keeps every promise.
commits-first: offsets are committed half a second before the state they stand for is flushed. A negative control.
no-guard: rooms judge again what their state holds already; a slow commit, so that there is much. A negative control.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from worker.audit.room import Room
from worker.partition.rooms import PartitionProcessor
from worker.transport.consumer import BatchConsumer

PAUSE_S = 0.5


def slow_commit() -> None:
    commit_offsets = BatchConsumer._commit_offsets

    async def slowly(self: Any, *arguments: Any, **options: Any) -> bool:
        await asyncio.sleep(PAUSE_S)
        return await commit_offsets(self, *arguments, **options)

    BatchConsumer._commit_offsets = slowly  # type: ignore[method-assign]


def commits_first() -> None:
    async def commit_tps(self: Any, tps: Any, start_new_transaction: bool) -> bool:
        offsets = self._filter_committable_offsets(tps)
        if not offsets:
            return False
        done: bool = await self._commit_offsets(offsets)
        await asyncio.sleep(PAUSE_S)
        await self._handle_attached(offsets)
        return done

    BatchConsumer._commit_tps = commit_tps  # type: ignore[method-assign]


def no_guard() -> None:
    slow_commit()
    apply = PartitionProcessor._apply

    def forgetful(self: Any, room: Room, *arguments: Any) -> Any:
        room.offset = -1
        return apply(self, room, *arguments)

    PartitionProcessor._apply = forgetful  # type: ignore[method-assign, assignment]


HOW = {"slow-commit": slow_commit, "commits-first": commits_first, "no-guard": no_guard}


if __name__ == "__main__":
    HOW[sys.argv.pop()]()
    from worker.cli import cli

    cli(["run"], prog_name="stream-audit")
