"""A small Faust app on the transport driver, for tests: records what it is given, in the test's own process."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from typing import Any

import faust
from faust.types import TP

from worker.transport import BatchSchema, Record, TransportSettings, attach

QUICK = TransportSettings(
    commit_interval_s=0.2,
    session_timeout_s=6,
    heartbeat_interval_s=0.5,
    request_timeout_s=10,
    producer_timeout_s=5,
    flush_timeout_s=5,
    commit_timeout_s=5,
    rebalance_timeout_s=20,
    shutdown_timeout_s=30,
)


class RecordingHooks:
    """Hooks that remember every call; `problems` are what would have ended the process."""

    def __init__(self, batched: Set[str], changelogs: Set[str] = frozenset()) -> None:
        self.batched_topics = batched
        self.changelog_topics = changelogs
        self.flushed: list[dict[TP, int]] = []
        self.changelog: dict[TP, list[tuple[int, bytes | None, bytes | None]]] = defaultdict(list)
        self.assigned: list[frozenset[TP]] = []
        self.revoked: list[frozenset[TP]] = []
        self.problems: list[BaseException] = []
        self.flush: Callable[[Mapping[TP, int]], Awaitable[None]] | None = None

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:
        if self.flush is not None:
            await self.flush(offsets)
        self.flushed.append(dict(offsets))

    def apply_changelog(self, tp: TP, records: Sequence[Record]) -> None:
        self.changelog[tp] += [(r.offset, r.key, r.value) for r in records]

    def admit(self, tp: TP, records: Sequence[Any]) -> tuple[Sequence[Record], bool]:
        return records, False

    def on_assigned(self, tps: Set[TP]) -> None:
        self.assigned.append(frozenset(tps))

    def on_revoked(self, tps: Set[TP]) -> None:
        self.revoked.append(frozenset(tps))

    def fatal(self, exc: BaseException) -> None:
        self.problems.append(exc)


class TransportApp:
    """One group member reading `topic`; `received` holds (partition, offset, value) in order of processing."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        group: str,
        *,
        settings: TransportSettings = QUICK,
        table: bool = False,
        partitions: int = 1,
        keep: bool = True,
    ) -> None:
        self.received: list[tuple[int, int, bytes | None]] = []
        self.batches = 0
        self.work: Callable[[Any], Awaitable[None]] | None = None
        options: dict[str, Any] = {
            "broker": f"streamaudit://{bootstrap}",
            "topic_disable_leader": True,
            "topic_allow_declare": True,
            "topic_partitions": partitions,
            "stream_recovery_delay": 0.0,
            "web_enabled": False,
            "store": "memory://",
            "table_standby_replicas": 0,
            "datadir": f"/tmp/{group}",
            **settings.faust(),
        }
        self.app = app = faust.App(group, **options)
        self.changelog_topic = f"{group}-rooms-changelog"
        self.hooks = RecordingHooks({topic}, {self.changelog_topic} if table else frozenset())
        attach(app, self.hooks, clock=time.monotonic, settings=settings)
        if table:
            self.table = app.Table("rooms", key_type=bytes, value_type=bytes, partitions=partitions)
        source = app.topic(topic, schema=BatchSchema(key_type=bytes, value_type=bytes))

        @app.agent(source, name=f"{group}.agent")
        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                if self.work is not None:
                    await self.work(event.value)
                self.batches += 1
                for part in event.value.parts if keep else ():
                    self.received += [(part.tp.partition, r.offset, r.value) for r in part.records]
                event.ack()

    @property
    def counts(self) -> Any:
        return self.app.consumer.counts

    def offsets(self, partition: int = 0) -> list[int]:
        return [offset for p, offset, _ in self.received if p == partition]

    async def start(self) -> None:
        self.app.finalize()
        await self.app.start()

    async def stop(self) -> None:
        await self.app.stop()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[TransportApp]:
        await self.start()
        try:
            yield self
        finally:
            await self.stop()


async def until(condition: Callable[[], bool], *, timeout_s: float = 60, what: str = "the condition") -> None:
    """Waits on the event loop; TimeoutError names `what`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        await asyncio.sleep(0.01)
