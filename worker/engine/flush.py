"""The flush, recovery and assignment: what the driver asks of the worker, and how the process ends.

`Hooks.before_commit` captures rooms and identities in one go, awaits outputs, writes both changelogs, and only then
lets the driver commit offsets.
"""

import asyncio
import logging
import mmap
import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence, Set

from faust.types import TP

from worker import clock
from worker.engine.identities import IdentityAgent
from worker.engine.rooms import Engine
from worker.engine.startup import changelog_topic
from worker.metrics import Histogram
from worker.partition.rooms import BreakerTripped
from worker.records import OutRecord, Record
from worker.settings import Settings
from worker.state.codec import ChangelogError, Write
from worker.topics import EVENTS_TOPIC
from worker.transport import BrokerGoneError, TransportCounts
from worker.transport.protocols import FlushApp, Recovery

log = logging.getLogger(__name__)


PARTITIONS_NAMED_MAX = 20


def end_process(problem: BaseException, code: int = 1) -> None:
    """Leaves at once: no flush, no commit. The last line says why; a known reason needs no traceback."""
    try:
        known = isinstance(problem, (BreakerTripped, BrokerGoneError, ChangelogError, MemoryError))
        if not known:
            log.critical("the process ends because of an unexpected error", exc_info=problem)
        log.critical("the worker stops: %s: %s", type(problem).__name__, problem)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:  # also when there is no memory for words, or nobody takes them
        os._exit(code)


def named(partitions: Iterable[int]) -> str:
    """Numbers of partitions in order, the first twenty by name."""
    numbers = sorted(partitions)
    more = len(numbers) - PARTITIONS_NAMED_MAX
    return ", ".join(map(str, numbers[:PARTITIONS_NAMED_MAX])) + (f" and {more} more" if more > 0 else "")


class MemoryGuard(threading.Thread):
    """Ends the process once a reserve of memory cannot be had any more.

    A MemoryError seldom reaches anybody who would end: the clients' tasks log it and try again, and a worker goes on
    that does little and answers nothing. A thread, for the same reason; the reserve is asked of the system and given
    back untouched, so it costs no memory.
    """

    RESERVE_BYTES = 16 << 20
    """Room for a batch in the making and for a thread's stack (8 MiB): mostly, this ends before anything has failed."""
    INTERVAL_S = 0.5
    LAST_WORDS = (
        b"the worker stops: MemoryError: 16 MiB of memory cannot be had: raise the process's limit, or lower "
        b"STREAM_AUDIT_ROOMS_MAX\n"
    )

    def __init__(self) -> None:
        super().__init__(name="memory-guard", daemon=True)

    def run(self) -> None:
        idle = threading.Event()  # never set: a wait on it is a pause
        try:
            while not idle.wait(self.INTERVAL_S):
                mmap.mmap(-1, self.RESERVE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        finally:
            try:
                os.write(2, self.LAST_WORDS)
            finally:
                os._exit(1)


class Hooks:
    """What the driver asks of the worker (`transport.TransportHooks`). Without an identity agent it judges rooms alone.

    Attributes:
        assigned: partitions of the batched topics. partitions: those of the room log among them.
    """

    def __init__(
        self, app: FlushApp, engine: Engine, settings: Settings, identities: IdentityAgent | None = None
    ) -> None:
        self._app = app
        self._engine = engine
        self._identities = identities
        self._source = settings.topic(EVENTS_TOPIC)
        self._changelog = changelog_topic(settings)
        self._identity_topics: Mapping[str, str] = identities.topics if identities is not None else {}
        self._identity_changelog = identities.changelog if identities is not None else ""
        self.batched_topics: Set[str] = frozenset((self._source, *self._identity_topics))
        self.changelog_topics: Set[str] = frozenset(filter(None, (self._changelog, self._identity_changelog)))
        self.flush_seconds = Histogram()
        self.assigned: frozenset[TP] = frozenset()
        self.partitions: frozenset[int] = frozenset()
        self.rebalances = 0
        self.rebalance_seconds = 0.0
        self.rebalance_since_s: float | None = None
        self._writing = (0, 0)  # rooms and identities that the flush under way has captured
        # For the scraping thread, once they exist: the app would make them on first sight, on whatever thread.
        self.counts: TransportCounts | None = None
        self.recovery: Recovery | None = None

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:
        """Makes durable what the offsets stand for. Raising is fatal: nothing is committed."""
        engine, consumer = self._engine, self._app.consumer
        started_s = clock.monotonic_s()
        source = {tp.partition: offset for tp, offset in offsets.items() if tp.topic == self._source}
        committed = {tp.partition: at for tp, at in consumer.counts.committed.items() if tp.topic == self._source}
        theirs = {tp.partition for tp in offsets if tp.topic in self._identity_topics}
        self._writing = (engine.stores.dirty(source), self._identities.dirty(theirs) if self._identities else 0)
        writes = engine.stores.capture(engine.progress(source, committed))
        matches = self._capture_identities(offsets)
        await engine.outbox.flush()
        ends = await engine.stores.write(writes, self._send_writes)
        for partition, end in ends.items():
            consumer.advance_changelog(TP(self._changelog, partition), end + 1)
        await asyncio.gather(*(self._write_matches(partition, records) for partition, records in matches.items()))
        self._writing = (0, 0)
        self.flush_seconds.observe(clock.monotonic_s() - started_s)

    def _capture_identities(self, offsets: Mapping[TP, int]) -> Mapping[int, Sequence[Write]]:
        if self._identities is None:
            return {}
        names, committed = self._identity_topics, self._app.consumer.counts.committed
        return self._identities.capture(
            {(names[tp.topic], tp.partition): offset for tp, offset in offsets.items() if tp.topic in names},
            {(names[tp.topic], tp.partition): offset for tp, offset in committed.items() if tp.topic in names},
        )

    async def _write_matches(self, partition: int, writes: Sequence[Write]) -> None:
        end = await self._send_to(self._identity_changelog, partition, writes)
        assert self._identities is not None, "its writes"
        self._identities.stores[partition].changelog_end.wrote(len(writes), end)
        self._app.consumer.advance_changelog(TP(self._identity_changelog, partition), end + 1)

    async def _send_writes(self, partition: int, writes: Sequence[Write]) -> int:
        return await self._send_to(self._changelog, partition, writes)

    async def _send_to(self, topic: str, partition: int, writes: Sequence[Write]) -> int:
        records = (OutRecord(topic, write.key, write.value, write.headers) for write in writes)
        end = await self._app.producer.send_batch(topic, partition, records)
        assert end is not None, "a flush has at least its meta"
        return int(end)

    def apply_changelog(self, tp: TP, records: Sequence[Record]) -> None:
        if tp.topic == self._changelog:
            self._engine.stores.apply(tp.partition, records)
        elif self._identities is not None:
            self._identities.apply(tp.partition, records)

    def on_assigned(self, tps: Set[TP]) -> None:
        self.assigned = frozenset(tp for tp in tps if tp.topic in self.batched_topics)
        self.partitions = frozenset(tp.partition for tp in tps if tp.topic == self._source)
        # A new store must be filled from the beginning, whatever Faust remembers of the partition.
        remembered = self._app.tables.recovery.active_offsets
        for partition in self._engine.assign(self.partitions):
            remembered.pop(TP(self._changelog, partition), None)
        if self._identities is not None:
            theirs = {tp.partition for tp in tps if tp.topic in self._identity_topics}
            for partition in self._identities.assign(theirs):
                remembered.pop(TP(self._identity_changelog, partition), None)
        self.rebalances += 1
        log.info("assigned partitions: %s", sorted(self.partitions) or "none")

    def on_revoked(self, tps: Set[TP]) -> None:
        if self.rebalance_since_s is None:
            self.rebalance_since_s = clock.monotonic_s()

    # ---- the end
    def unflushed(self) -> str:
        """What was done and is in no topic yet, in words; empty when there is nothing. Callable from any thread."""
        engine, identities = self._engine, self._identities
        undone = {self._source: engine.uncommitted()}
        if identities is not None:
            undone |= {topic: identities.uncommitted(name) for topic, name in self._identity_topics.items()}
        parts = [f"partitions {named(partitions)} of {topic}" for topic, partitions in undone.items() if partitions]
        states = (engine.stores.dirty(), identities.dirty() if identities is not None else 0)
        counts = {
            "outputs": engine.outbox.pending,
            "rooms": states[0] + self._writing[0],
            "identities": states[1] + self._writing[1],
        }
        return "; ".join(parts + [f"{count:,} {what}" for what, count in counts.items() if count])

    def fatal(self, exc: BaseException) -> None:
        """Ends the process. The log is read again from the last commit, so what was not flushed is done again.

        A shutdown without a broker leaves with code 0 where nothing was left to flush.
        """
        left = self._left()
        if left:
            log.critical("not flushed: %s. All of it is read again from the last commits", left)
        elif isinstance(exc, BrokerGoneError):
            log.warning("nothing was left to flush")
        end_process(exc, 0 if isinstance(exc, BrokerGoneError) and left == "" else 1)

    def _left(self) -> str | None:
        """As `unflushed`; None when that cannot be told: the words must not keep the process from ending."""
        try:
            return self.unflushed()
        except Exception:
            log.exception("what was not flushed is not known")
            return None
