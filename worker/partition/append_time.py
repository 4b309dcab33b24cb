"""When the broker appended a record, and whether its word can be taken yet. No I/O, no clock: both come as arguments.

The append time of a record with LogAppendTime is its timestamp. One with CreateTime has the time of its producer, which
may say anything. So it counts at most as the baseline: the append time of the partition's first LogAppendTime batch,
before which all older records were appended.

A broker's clock may be wrong, too. A record whose append time is ahead of the worker's clock waits until it is not. One
that falls behind the partition's time waits until a clock that is merely slow has caught up, an hour at most, so that
people can look before verdicts are out. Waiting delays a verdict and changes none.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from worker.records import Record

CREATED, APPENDED = 0, 1
"""Kafka's numbers for batches with CreateTime and with LogAppendTime."""

AHEAD_MS = BEHIND_MS = 5 * 60_000
BEHIND_WAIT_MS = 3_600_000


class Wait(StrEnum):
    """Why a partition waits before its next record."""

    BASELINE = "baseline"  # a producer's clock, and no record yet that bounds it
    AHEAD = "ahead"
    BEHIND = "behind"
    POLICIES = "policies"  # a switch names what was published after this worker last read the policies' topic


class Fetched(Record, Protocol):
    """A record as a client has fetched it: its timestamp may be its producer's."""

    @property
    def timestamp_type(self) -> int: ...


class Appended(NamedTuple):
    """A record of a producer's clock, with its append time as timestamp."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


class AppendTimes:
    """The append times of one partition, as its records are let in, in order.

    Attributes:
        baseline_ms: bounds the times of CreateTime records. None: not known yet.
        latest_ms: the partition's time P, the latest append time of the records let in.
        next_offset: after the last record that was let in. Records below come again, and are not held back again.
    """

    def __init__(
        self, *, latest_ms: int = 0, next_offset: int = 0, baseline_ms: int | None = None, from_start: bool = True
    ) -> None:
        """`from_start`: no record of the log came before those that will be let in."""
        self.baseline_ms = baseline_ms
        self.latest_ms = latest_ms
        self.next_offset = next_offset
        self._first = from_start

    def admit(self, records: Sequence[Fetched], now_ms: int) -> tuple[Sequence[Record], Wait | None]:
        """Let in consecutive records up to the first that must wait. `now_ms` is the worker's own clock.

        Returns the records with their append times as timestamps, and why the next one waits.
        """
        wait, count, created = None, 0, False
        for record in records:
            appended = record.timestamp
            if record.timestamp_type == CREATED:
                if self.baseline_ms is None:
                    wait, self._first = Wait.BASELINE, False
                    break
                created = True
                appended = min(appended, self.baseline_ms)
            elif self._first and self.baseline_ms is None:
                self.baseline_ms = appended
            elif appended < self.latest_ms - BEHIND_MS and self._is_behind(record, now_ms):
                wait = Wait.BEHIND
                break
            if appended > now_ms + AHEAD_MS:
                wait = Wait.AHEAD
                break
            self.latest_ms = max(self.latest_ms, appended)
            count += 1
        if count:
            self.next_offset = max(self.next_offset, records[count - 1].offset + 1)
            self._first = False
        if created:
            return [self._appended(record) for record in records[:count]], wait
        return (records if count == len(records) else records[:count]), wait

    def _is_behind(self, record: Fetched, now_ms: int) -> bool:
        """Whether a record that falls behind must wait: a clock that is slow by d reaches P at P + d."""
        slow_ms = self.latest_ms - record.timestamp
        return record.offset >= self.next_offset and now_ms < self.latest_ms + min(slow_ms, BEHIND_WAIT_MS)

    def _appended(self, record: Fetched) -> Record:
        if record.timestamp_type != CREATED or self.baseline_ms is None:
            return record
        timestamp = min(record.timestamp, self.baseline_ms)
        return Appended(record.offset, timestamp, record.key, record.value, record.headers)


class BaselineSearch:
    """Find a partition's first LogAppendTime record in about 30 looks: since the setting was altered, all are such."""

    def __init__(self, first_offset: int, end_offset: int) -> None:
        self._low, self._high = first_offset, end_offset
        self._at = end_offset - 1  # first at the end: often there is none at all
        self.baseline_ms: int | None = None

    def offset(self) -> int | None:
        """Return where to look next: for the first record at or after that offset. None: the search is over."""
        return self._at if self._low < self._high else None

    def tell(self, found: tuple[int, int, int] | None) -> None:
        """Take in the (offset, timestamp, timestamp type) of the record found there; None: there is none to the end."""
        if found is not None and found[2] == CREATED:
            self._low = max(found[0], self._at) + 1
        else:
            self._high = self._at
            if found is not None:
                self.baseline_ms = found[1]
        self._at = (self._low + self._high) // 2
