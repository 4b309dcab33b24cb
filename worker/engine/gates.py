"""Which fetched records of the room log may be judged, and with which append times: a gate for each partition.

A partition that waits leaves the fetch, and others go on. It is asked again every two seconds, so it clears itself.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from worker.partition.append_time import AppendTimes, Fetched, Wait
from worker.records import Record
from worker.state.rooms import RoomStore

log = logging.getLogger(__name__)

SEARCH_EVERY_S = 1.0
SEARCH_TIMEOUT_S = 60.0

_WORDS = {
    Wait.BASELINE: "its next record has its producer's time, and no record with the broker's time follows yet",
    Wait.AHEAD: "its next record was appended over 5 minutes ahead of this worker's clock: compare the clocks",
    Wait.BEHIND: "its next record was appended over 5 minutes before those in front of it: a broker's clock was slow",
}

FindBaseline = Callable[[int], Awaitable[int | None]]
"""Partition → the append time of its first LogAppendTime batch, None while it has none. Raises what a client raises."""


class Gates:
    """The gates of the partitions that are assigned. Everything runs on the event loop's thread.

    Attributes:
        waiting: by partition, why it waits now.
        waits: how often a partition began to wait, by reason.
    """

    def __init__(self, stores: Mapping[int, RoomStore], now_ms: Callable[[], int], *, open_wide: bool = False) -> None:
        """`stores` tell how far a partition was, `now_ms` is the worker's clock. `open_wide`: let in all as it is."""
        self.waiting: dict[int, Wait] = {}
        self.waits: Counter[str] = Counter()
        self._times: dict[int, AppendTimes] = {}
        self._stores = stores
        self._now_ms = now_ms
        self._open_wide = open_wide

    def reset(self) -> None:
        """Partitions were assigned: what the state says of each holds again, since others may have written it."""
        self._times.clear()
        self.waiting.clear()

    def admit(self, partition: int, records: Sequence[Fetched]) -> tuple[Sequence[Record], Wait | None]:
        """Let in consecutive records up to the first that must wait, as `AppendTimes.admit` does."""
        if self._open_wide:
            return records, None
        times = self._times.get(partition)
        if times is None:
            times = self._times[partition] = self._known(partition)
        admitted, wait = times.admit(records, self._now_ms())
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
