"""Which offsets may be committed, and when: pure bookkeeping of what was delivered and what was acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, Protocol, TypeVar

from faust.types import TP

COMMIT_TURNS = 4
"""An interval's commits come in so many parts: taking the state of all partitions at once would hold up every event."""


class Delivery(Protocol):
    """Something handed out for processing that knows whether it has been acknowledged."""

    acked: bool


P = TypeVar("P", bound=Hashable)
D = TypeVar("D", bound=Delivery)


class OffsetTracker(Generic[P, D]):
    """Per partition: deliveries in order, each with the offset to resume from after it.

    Positions come from the fetch, never from counting, so holes in offsets cannot mislead it; acknowledgements
    are by identity, so one from before a seek cannot count for what was delivered after.
    """

    def __init__(self) -> None:
        self._in_flight: dict[P, deque[tuple[int, D]]] = {}
        self._ready: dict[P, int] = {}

    def track(self, partition: P, next_offset: int, delivery: D) -> None:
        """`delivery` covers everything up to and excluding `next_offset`."""
        self._in_flight.setdefault(partition, deque()).append((next_offset, delivery))

    def advance(self, partition: P) -> None:
        """Lets go of the deliveries at the front that have been acknowledged, and of all that they hold."""
        queue = self._in_flight.get(partition)
        while queue and queue[0][1].acked:
            self._ready[partition] = queue.popleft()[0]

    def committable(self, partition: P) -> int | None:
        """Offset below which all is acknowledged, or None if nothing is yet. Repeats until `drop`."""
        self.advance(partition)
        return self._ready.get(partition)

    def partitions(self) -> list[P]:
        """Partitions that have, or had since `drop`, anything delivered."""
        return list(self._in_flight)

    def unacked(self) -> int:
        """Deliveries that somebody may still be working on; one over n partitions counts n times."""
        return sum(1 for queue in self._in_flight.values() for _, delivery in queue if not delivery.acked)

    def keep(self, keeps: Callable[[D], bool]) -> None:
        """Cuts each partition at the first delivery for which the filter is False."""
        for queue in self._in_flight.values():
            kept = []
            for item in queue:
                if not keeps(item[1]):
                    break
                kept.append(item)
            queue.clear()
            queue.extend(kept)

    def drop(self, partitions: Iterable[P] | None = None) -> None:
        """Forgets partitions (default: all), after a seek or revocation."""
        for partition in list(self._in_flight) if partitions is None else list(partitions):
            self._in_flight.pop(partition, None)
            self._ready.pop(partition, None)


def share_of(tps: Iterable[TP], turn: int) -> set[TP]:
    """Those that a turn commits: every fourth partition of those here, from the turn's on, in all topics that have it.

    By rank, not by number: of 64 partitions, a worker of four may have those that leave the same remainder.
    """
    tps = set(tps)
    partitions = set(sorted({tp.partition for tp in tps})[turn::COMMIT_TURNS])
    return {tp for tp in tps if tp.partition in partitions}
