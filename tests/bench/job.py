"""The job that every peer can do: a 60 s window of 12 × 5 s buckets by kind, and a record when comments flood a room.

Decode, key by room, count; when the window holds at least `COMMENTS` comments and they are at least 30 % of all, emit
one JSON record, then stay quiet for 10 s of event time. `Oracle` says what must come out, by keeping everything.
"""

from collections import defaultdict

import orjson

COMMENTS = 30
SHARE = 0.3
COOLDOWN_MS = 10_000
BUCKETS, BUCKET_MS, KINDS = 12, 5_000, 6
KIND = {"viewer.liked": 0, "viewer.comment": 1, "room.heartbeat": 2, "viewer.gift": 3, "host.speech": 4,
        "detector.score": 5}  # fmt: skip
_CELLS = BUCKETS * KINDS
_TOTALS, _HEAD, _QUIET, OFFSET, _SIZE = _CELLS, _CELLS + KINDS, _CELLS + KINDS + 1, _CELLS + KINDS + 2, _CELLS + 9


class Job:
    """State is one flat list a room: cells, totals by kind, newest bucket, end of the cooldown, last source offset."""

    def __init__(self) -> None:
        self.rooms: dict[str, list[int]] = {}

    def update(self, room: str, kind: str, at_ms: int, offset: int) -> bytes | None:
        """Counts one event; returns a record to emit. At or below the room's offset nothing happens."""
        state = self.rooms.get(room)
        bucket = at_ms // BUCKET_MS
        if state is None:
            state = self.rooms[room] = [0] * _SIZE
            state[_HEAD] = bucket
            state[OFFSET] = -1
        if offset <= state[OFFSET]:
            return None
        state[OFFSET] = offset
        head = state[_HEAD]
        if bucket > head:
            for fresh in range(max(head + 1, bucket - BUCKETS + 1), bucket + 1):
                base = (fresh % BUCKETS) * KINDS
                for k in range(KINDS):
                    state[_TOTALS + k] -= state[base + k]
                    state[base + k] = 0
            state[_HEAD] = bucket
        elif head - bucket >= BUCKETS:
            return None
        k = KIND[kind]
        state[(bucket % BUCKETS) * KINDS + k] += 1
        state[_TOTALS + k] += 1
        comments = state[_TOTALS + 1]
        if comments >= COMMENTS and at_ms >= state[_QUIET]:
            total = sum(state[_TOTALS : _TOTALS + KINDS])
            if comments >= SHARE * total:
                state[_QUIET] = at_ms + COOLDOWN_MS
                return orjson.dumps({"room_id": room, "at_ms": at_ms, "comments": comments, "total": total})
        return None


class Oracle:
    """The same job, slow and obvious: every event is kept, every window counted anew."""

    def __init__(self) -> None:
        self.events: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.head: dict[str, int] = {}
        self.quiet: dict[str, int] = defaultdict(int)

    def update(self, room: str, kind: str, at_ms: int) -> bytes | None:
        bucket = at_ms // BUCKET_MS
        head = self.head[room] = max(bucket, self.head.get(room, bucket))
        if head - bucket >= BUCKETS:
            return None
        self.events[room].append((bucket, KIND[kind]))
        window = [k for b, k in self.events[room] if head - b < BUCKETS]
        comments = window.count(1)
        if comments >= COMMENTS and at_ms >= self.quiet[room] and comments >= SHARE * len(window):
            self.quiet[room] = at_ms + COOLDOWN_MS
            return orjson.dumps({"room_id": room, "at_ms": at_ms, "comments": comments, "total": len(window)})
        return None
