"""Rooms by the append time of their newest record, so that the longest idle are found without looking at all."""

from collections import Counter
from collections.abc import Iterator

BUCKET_MS = 600_000


class IdleIndex:
    """Rooms in buckets of ten minutes of append time."""

    def __init__(self) -> None:
        self._rooms: dict[int, set[str]] = {}
        self._bucket: dict[str, int] = {}

    def sizes(self) -> Counter[int]:
        """How many rooms each bucket holds."""
        return Counter({bucket: len(rooms) for bucket, rooms in self._rooms.items()})

    def before(self, at_ms: int) -> Iterator[str]:
        """Rooms of every bucket that ended by `at_ms`, the longest idle first; they may be removed meanwhile."""
        for bucket in sorted(b for b in self._rooms if (b + 1) * BUCKET_MS <= at_ms):
            yield from sorted(self._rooms[bucket])

    def move(self, room_id: str, at_ms: int) -> None:
        """The room's newest record was appended at `at_ms`."""
        bucket = at_ms // BUCKET_MS
        if self._bucket.get(room_id) != bucket:
            self.remove(room_id)
            self._bucket[room_id] = bucket
            self._rooms.setdefault(bucket, set()).add(room_id)

    def remove(self, room_id: str) -> None:
        """The room is forgotten."""
        bucket = self._bucket.pop(room_id, None)
        if bucket is not None:
            rooms = self._rooms[bucket]
            rooms.discard(room_id)
            if not rooms:
                del self._rooms[bucket]
