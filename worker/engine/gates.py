"""Which fetched records of the room log may be judged, and with which append times: a gate for each partition.

A partition that waits leaves the fetch, and others go on. It is asked again every two seconds, so it clears itself.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from worker.partition.append_time import AppendTimes, Fetched, Wait
from worker.policy.feed import PolicyFeed
from worker.policy.switch import SWITCH_KEY, read_switch
from worker.records import Record
from worker.state.rooms import RoomStore

log = logging.getLogger(__name__)

SEARCH_EVERY_S = 1.0
SEARCH_TIMEOUT_S = 60.0

_WORDS = {
    Wait.BASELINE: "its next record has its producer's time, and no record with the broker's time follows yet",
    Wait.AHEAD: "its next record was appended over 5 minutes ahead of this worker's clock: compare the clocks",
    Wait.BEHIND: "its next record was appended over 5 minutes before those in front of it: a broker's clock was slow",
    Wait.POLICIES: "its next record switches to policies that this worker has not read yet",
}

FindEnd = Callable[[], Awaitable[int]]
"""Returns where the policies' topic ends now. Raises what a client raises."""

FindBaseline = Callable[[int], Awaitable[int | None]]
"""Partition → the append time of its first LogAppendTime batch, None while it has none. Raises what a client raises."""


class Gates:
    """The gates of the partitions that are assigned. Everything runs on the event loop's thread.

    Attributes:
        waiting: by partition, why it waits now.
        waits: how often a partition began to wait, by reason.
    """

    def __init__(
        self,
        stores: Mapping[int, RoomStore],
        now_ms: Callable[[], int],
        *,
        open_wide: bool = False,
        feed: PolicyFeed | None = None,
    ) -> None:
        """`stores` tell how far a partition was, `now_ms` is the worker's clock. `open_wide`: take all times as they
        are. `feed` tells how far the policies' topic is read; without it no switch waits."""
        self.waiting: dict[int, Wait] = {}
        self.waits: Counter[str] = Counter()
        self._times: dict[int, AppendTimes] = {}
        self._stores = stores
        self._now_ms = now_ms
        self._open_wide = open_wide
        self._feed = feed
        self._fetched: dict[int, int] = {}  # of those that wait for policies: behind the last record that was fetched
        self._checked: dict[int, int] = {}  # what switches below name is read, or is not there

    def reset(self) -> None:
        """Partitions were assigned: what the state says of each holds again, since others may have written it."""
        self._times.clear()
        self.waiting.clear()
        self._fetched.clear()
        self._checked.clear()

    def admit(self, partition: int, records: Sequence[Fetched]) -> tuple[Sequence[Record], Wait | None]:
        """Let in consecutive records up to the first that must wait, as `AppendTimes.admit` does."""
        readable = self._readable(partition, records)
        before = records if readable == len(records) else records[:readable]
        admitted, wait = self._appended(partition, before)
        if wait is None and readable < len(records):
            self._fetched[partition] = records[-1].offset + 1
            wait = Wait.POLICIES
        if wait is None:
            if self.waiting.pop(partition, None) is not None:
                log.info("partition %d goes on", partition)
        elif self.waiting.get(partition) is not wait:
            self.waiting[partition] = wait
            self.waits[wait] += 1
            log.warning(
                "partition %d waits before offset %d: %s", partition, records[len(admitted)].offset, _WORDS[wait]
            )
        return admitted, wait

    def _appended(self, partition: int, records: Sequence[Fetched]) -> tuple[Sequence[Record], Wait | None]:
        if self._open_wide:
            return records, None
        times = self._times.get(partition)
        if times is None:
            times = self._times[partition] = self._known(partition)
        return times.admit(records, self._now_ms())

    def _readable(self, partition: int, records: Sequence[Fetched]) -> int:
        """How many records come before the first switch to what is not read yet."""
        if self._feed is None:
            return len(records)
        for number, record in enumerate(records):
            if record.key == SWITCH_KEY and record.offset >= self._checked.get(partition, 0):
                switch = read_switch(record)
                if switch is not None and switch.offset >= self._feed.next_offset:
                    return number
        return len(records)

    def baseline_ms(self, partition: int) -> int | None:
        """The partition's baseline, for its state; None while it is not known."""
        times = self._times.get(partition)
        return times.baseline_ms if times is not None else None

    def _known(self, partition: int) -> AppendTimes:
        meta = self._stores[partition].meta
        if meta is None:
            return AppendTimes()
        return AppendTimes(
            latest_ms=meta.watermark_ms,
            next_offset=meta.applied_offset,
            baseline_ms=meta.baseline_ms or None,
            from_start=False,
        )

    # ---- policies
    async def read_policies(self, find_end: FindEnd, stopping: Callable[[], bool]) -> None:
        """Let in the switches that wait, until the worker ends: once the policies' topic is read to where it ended
        after they were fetched. What they name is read then, or was never there."""
        feed = self._feed
        assert feed is not None, "without one no switch waits"
        end, asked = 0, dict[int, int]()
        while not stopping():
            await asyncio.sleep(SEARCH_EVERY_S)
            if not asked and (waiting := {p for p, why in self.waiting.items() if why is Wait.POLICIES}):
                fetched = {partition: self._fetched[partition] for partition in waiting}
                try:
                    async with asyncio.timeout(SEARCH_TIMEOUT_S):
                        end = await find_end()
                except Exception as problem:  # the broker is away: the next time will do
                    log.info("the end of the policies' topic is not known now: %s", type(problem).__name__)
                    continue
                asked = fetched
            if asked and feed.next_offset >= end:
                self._checked |= asked
                asked = {}

    # ---- baselines
    def unbounded(self) -> Collection[int]:
        """Partitions that wait for their baseline."""
        return [partition for partition, wait in self.waiting.items() if wait is Wait.BASELINE]

    async def search(self, find: FindBaseline, stopping: Callable[[], bool]) -> None:
        """Find the baselines of partitions that wait for theirs, one after the other, until the worker ends."""
        while not stopping():
            await asyncio.sleep(SEARCH_EVERY_S)
            for partition in self.unbounded():
                try:
                    async with asyncio.timeout(SEARCH_TIMEOUT_S):
                        found = await find(partition)
                except Exception as problem:  # the broker is away or a rebalance began: the next time will do
                    log.info("the baseline of partition %d is not known now: %s", partition, type(problem).__name__)
                    continue
                times = self._times.get(partition)
                if times is not None and times.baseline_ms is None:
                    times.baseline_ms = found
