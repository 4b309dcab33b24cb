"""The flush, recovery and assignment: what the driver asks of the worker.

`Hooks.before_commit` captures rooms and identities in one go, awaits outputs, writes both changelogs, and only then
lets the driver commit offsets.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from faust.types import TP

from worker import clock
from worker.engine.identities import IdentityAgent
from worker.engine.process import end_process
from worker.engine.rooms import RoomAgent
from worker.engine.startup import changelog_topic
from worker.metrics import Histogram
from worker.records import OutRecord, Record
from worker.settings import Settings
from worker.state.codec import Write
from worker.topics import EVENTS_TOPIC
from worker.transport import BrokerGoneError, TransportCounts
from worker.transport.protocols import FlushApp, Recovery

log = logging.getLogger(__name__)

PARTITIONS_NAMED_MAX = 20


def named(partitions: Iterable[int]) -> str:
    """Numbers of partitions in order, the first twenty by name."""
    numbers = sorted(partitions)
    more = len(numbers) - PARTITIONS_NAMED_MAX
    return ", ".join(map(str, numbers[:PARTITIONS_NAMED_MAX])) + (f" and {more} more" if more > 0 else "")


class Hooks:
    """What the driver asks of the worker (`transport.TransportHooks`). Without an identity agent it judges rooms alone.

    Attributes:
        assigned: partitions of the batched topics. partitions: those of the room log among them.
    """

    def __init__(
        self, app: FlushApp, rooms: RoomAgent, settings: Settings, identities: IdentityAgent | None = None
    ) -> None:
        self._app = app
        self._rooms = rooms
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
        rooms, consumer = self._rooms, self._app.consumer
        started_s = clock.monotonic_s()
        source = {tp.partition: offset for tp, offset in offsets.items() if tp.topic == self._source}
        committed = {tp.partition: at for tp, at in consumer.counts.committed.items() if tp.topic == self._source}
        theirs = {tp.partition for tp in offsets if tp.topic in self._identity_topics}
        self._writing = (rooms.stores.dirty(source), self._identities.dirty(theirs) if self._identities else 0)
        writes = rooms.stores.capture(rooms.progress(source, committed))
        matches = self._capture_identities(offsets)
        await rooms.outbox.flush()
        ends = await rooms.stores.write(writes, self._send_writes)
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
            self._rooms.stores.apply(tp.partition, records)
        elif self._identities is not None:
            self._identities.apply(tp.partition, records)

    def admit(self, tp: TP, records: Sequence[Any]) -> tuple[Sequence[Record], bool]:
        if tp.topic != self._source:
            return records, False
        admitted, wait = self._rooms.gates.admit(tp.partition, records)
        return admitted, wait is not None

    def on_assigned(self, tps: Set[TP]) -> None:
        self.assigned = frozenset(tp for tp in tps if tp.topic in self.batched_topics)
        self.partitions = frozenset(tp.partition for tp in tps if tp.topic == self._source)
        # A new store must be filled from the beginning, whatever Faust remembers of the partition.
        remembered = self._app.tables.recovery.active_offsets
        for partition in self._rooms.assign(self.partitions):
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
        rooms, identities = self._rooms, self._identities
        undone = {self._source: rooms.uncommitted()}
        if identities is not None:
            undone |= {topic: identities.uncommitted(name) for topic, name in self._identity_topics.items()}
        parts = [f"partitions {named(partitions)} of {topic}" for topic, partitions in undone.items() if partitions]
        states = (rooms.stores.dirty(), identities.dirty() if identities is not None else 0)
        counts = {
            "outputs": rooms.outbox.pending,
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
