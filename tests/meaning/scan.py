"""Read a room's log in its order: to which session each record belongs, whether it is late, and how far the room is.

The result for a record depends on the records up to it alone. CONTRACT.md, "Sessions" and "Late".
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tests.meaning.log import HOUR, MINUTE, SECOND, Entry, Record, appended, entry, is_letter
from tests.meaning.windows import Clock, block_of

LEASE_MS = 90 * SECOND
REOPEN_MS = 10 * MINUTE
SILENCE_MS = 6 * HOUR
WHOLE_MS = 60 * SECOND  # a session whose first descriptor is younger was seen from its start
RING, BEATS = 64, 8  # ids of each side that a room knows; of heartbeats that are not ahead
VIEWERS = ("viewer.comment", "viewer.gift", "viewer.order")
ALIASES = 4
ASIDE = 4


@dataclass(slots=True)
class Session:
    """One broadcast of a room, as far as the log tells."""

    number: int  # of the room's sessions; an id may come twice
    names: list[str]
    start: int  # started'
    host: str | None = None  # None: no descriptor yet
    started_at: int = 0
    seen: int = 0  # append time of its newest descriptor
    newest: int = 0  # effective time of its newest descriptor
    descriptors: int = 0
    whole: bool = False  # seen from its start
    closed_e: int | None = None
    closed_append: int = 0
    displaced_append: int = 0
    displaced_e: int = 0
    breaks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """A record, what became of it, and how the room stands after it."""

    entry: Entry
    status: str  # applied, duplicate, late, foreign, rejected
    session: int | None  # the number of the session that it counts for
    append: int
    newest: int  # M
    watermark: int  # W
    heard: int  # the newest time that G told of
    lags: tuple[tuple[str, int], ...]
    current: Session | None  # a copy
    sessions: int  # how many have begun so far
    aside: tuple[Session, ...]  # displaced at most 10 min ago


@dataclass(slots=True)
class Reader:
    """The room while its log is read."""

    phase_ms: int
    append: int = 0
    clock: Clock = field(default_factory=Clock)
    current: Session | None = None
    aside: list[Session] = field(default_factory=list)
    rings: dict[str, list[str]] = field(default_factory=dict)
    in_open_blocks: dict[str, int] = field(default_factory=dict)
    sessions: int = 0

    def read(self, record: Record, append: int) -> Placed:
        """Take one record."""
        if is_letter(record.event, max(self.append, append)):
            return self.placed(entry(record, max(self.append, append)), "rejected", None)
        if self.append and append - self.append > SILENCE_MS:
            self.start_again()
        self.append = max(self.append, append)
        x = replace(entry(record, self.append), behind=self.clock.watermark)
        if self.is_duplicate(x):
            return self.placed(x, "duplicate", self.current.number if self.current else None)
        if not self.admits(x):
            return self.placed(x, "foreign", None)
        status = self.status(x)
        if status != "rejected":
            self.remember(x)
            superseded = x.type == "room.heartbeat" and self.current is not None and x.e < self.current.newest
            self.clock.take(x, lags=not superseded)
        if status == "applied" and x.kind in ("statistic", "challenge") and self.is_late(x):
            status = "late" if x.kind == "statistic" else status
        return self.placed(x, status, self.current.number if self.current and status != "rejected" else None)

    def placed(self, x: Entry, status: str, session: int | None) -> Placed:
        current = replace(self.current, names=list(self.current.names)) if self.current else None
        clock = self.clock
        lags = tuple((c, clock.lag(c)) for c in "GSLC")
        return Placed(
            x,
            status,
            session,
            self.append,
            clock.newest,
            clock.watermark,
            clock.head.get("G", 0),
            lags,
            current,
            self.sessions,
            tuple(replace(s) for s in self.aside if self.append - s.displaced_append <= REOPEN_MS),
        )

    def start_again(self) -> None:
        """Six hours of silence: nothing of the room is left."""
        self.clock, self.current, self.aside = Clock(), None, []
        self.rings.clear()
        self.in_open_blocks.clear()

    def is_duplicate(self, x: Entry) -> bool:
        return x.kind != "counter" and (x.id in self.rings.get(side(x), ()) or x.id in self.in_open_blocks)

    def remember(self, x: Entry) -> None:
        if x.kind == "counter":
            return
        most = BEATS if side(x) == "beats" and x.at <= x.append else RING
        self.rings[side(x)] = [*self.rings.get(side(x), ()), x.id][-most:]
        if x.kind == "statistic":
            self.in_open_blocks[x.id] = block_of(x.tells, self.phase_ms)
        opened = block_of(self.clock.watermark, self.phase_ms)
        self.in_open_blocks = {name: k for name, k in self.in_open_blocks.items() if k >= opened}

    def is_late(self, x: Entry) -> bool:
        return x.tells < self.clock.watermark

    def status(self, x: Entry) -> str:
        """What becomes of a record of the current session."""
        closed = None if self.current is None else self.current.closed_e
        if self.current is None or closed is None or x.kind in ("descriptor", "answer"):
            return "applied"
        if self.append - self.current.closed_append > REOPEN_MS:
            return "rejected"  # out_of_session
        return "late" if x.kind in ("statistic", "counter") and x.tells >= closed else "applied"

    def admits(self, x: Entry) -> bool:
        """Find a record's session, and whether it is the room's; descriptors may change which that is."""
        if x.kind == "descriptor":
            return self.described(x)
        current, name = self.current, x.event.get("session_id")
        if x.type == "review.decided":
            return True
        if name is None:
            return x.kind == "answer" or (current is not None and x.tells >= current.start)
        if current is None:
            self.current = current = self.begin(name, x.e)
            current.seen = self.append
        if name not in current.names:
            return False
        if x.type == "room.closed" and current.closed_e is None and x.e >= current.newest:
            current.closed_e, current.closed_append = x.e, self.append
        return True

    def begin(self, name: str, start: int) -> Session:
        self.sessions += 1
        return Session(self.sessions, [name], start)

    def described(self, x: Entry) -> bool:
        """Take a descriptor: it renews the lease, takes the room, or is foreign."""
        name, host, started_at = str(x.event["session_id"]), str(x.event["host_id"]), int(x.event["started_at_ms"])
        start = min(x.shifted("started_at_ms"), x.e)
        current = self.current
        same = current is not None and (
            name in current.names or (current.host == host and current.started_at == started_at)
        )
        if not same and current is not None and not self.gives_way(current, start):
            return False
        if not same or current is None:
            current = self.take_up(name, x, start)
        elif (closed := current.closed_e) is not None and x.e > closed:
            if self.append - current.closed_append > REOPEN_MS:
                current = self.current = self.begin(name, start)
            else:
                current.breaks, current.closed_e = (*current.breaks, (closed, x.e)), None
        if name not in current.names:
            current.names = [*current.names, name][: 1 + ALIASES]
        if current.host is None:
            current.start = start
            current.whole = started_at <= x.at and x.e <= start + WHOLE_MS
        current.host, current.started_at, current.seen = host, started_at, self.append
        current.descriptors += 1
        current.newest = max(current.newest, x.e)
        return True

    def gives_way(self, current: Session, start: int) -> bool:
        """Whether the room's session leaves the room to another that started at `start`."""
        unknown, silent = current.host is None, self.append - current.seen > LEASE_MS
        return unknown or start > current.start or current.closed_e is not None or silent

    def take_up(self, name: str, x: Entry, start: int) -> Session:
        """Put another session into the room: one that was displaced lately, or a new one."""
        left = self.current
        self.aside = [s for s in self.aside if self.append - s.displaced_append <= REOPEN_MS]
        if left is not None and left.closed_e is None:
            left.displaced_append, left.displaced_e = self.append, x.e
            self.aside.append(left)
            if len(self.aside) > ASIDE:
                self.aside.remove(min(self.aside, key=lambda s: (s.descriptors, s.number)))
        back = next((s for s in self.aside if name in s.names), None)
        if back is None:
            self.current = self.begin(name, start)
        else:
            self.aside.remove(back)
            back.breaks = (*back.breaks, (back.displaced_e, max(back.displaced_e, x.e)))
            self.current = back
        return self.current


def side(x: Entry) -> str:
    """Which of a room's memories of ids keeps the record's."""
    return "beats" if x.type == "room.heartbeat" else "viewers" if x.type in VIEWERS else "others"


def scan(records: Iterable[Record], *, baseline_ms: int | None = None, phase_ms: int = 0) -> list[Placed]:
    """Place the records of one room, given in the order of the log."""
    reader = Reader(phase_ms)
    return [reader.read(record, appended(record, baseline_ms)) for record in records]
