"""Rooms are judged one after the other, but some questions must be asked in the order of the log.

A room's *steps* are a generator that judges the room and yields an offset whenever it comes to such a question. It
goes on once every other room has come as far.
"""

from collections.abc import Iterator
from heapq import heappop, heappush

Steps = Iterator[int]
"""Judges a room; yields the offsets at which it has to wait for the others. An offset belongs to one room."""


class LogOrder:
    """The rooms of a batch that wait, by the offset at which they do."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Steps]] = []

    def start(self, steps: Steps) -> None:
        """Judge a room up to its first question, or to its end."""
        offset = next(steps, None)
        if offset is not None:
            heappush(self._waiting, (offset, steps))

    def finish(self) -> None:
        """Let the rooms ask, the lowest offset first, until all of them have come to their end."""
        while self._waiting:
            self.start(heappop(self._waiting)[1])
