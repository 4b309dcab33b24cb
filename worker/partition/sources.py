"""What the records of a partition show of their sources: clocks that are ahead, delays, lateness. It judges nothing.

    delay   the partition's time less the time that an event tells of, by its producer's clock (the end of what was said
            for speech, `at_ms` for all others). It is negative when that clock is ahead.
    ahead   an event's clock was more than 2 s ahead of the partition's time
    hold    how much longer than 60 s a room's watermark waits for a slow source or a silent gateway

The least delay and the largest hold are of the last 30 to 60 s of the partition's time. Records that are read again
count again. The identity agent's answers and reviews are of no source: they tell of other rooms, or of people.

Cost: 0.3 µs for an event whose clock is watched, 0.05 µs for any other. Viewers' events have the clock of the gateway,
which heartbeats, openings, replies and actions show well enough.
"""

from msgspec import Struct, field

from worker.audit import events as e
from worker.audit.arrival import told_ms
from worker.audit.clocks import CLAMPED_MS, REASONS
from worker.audit.room import LATENESS_MS, Room, Session

HALF_MS = 30_000
"""Two halves of time are kept, the present one and the one before."""

GATEWAY, SPEECH, LOOKS, CHALLENGES, MARKERS = SOURCES = ("gateway", "speech", "looks", "challenges", "markers")

VIEWERS = (
    e.ViewerJoined, e.ViewerLeft, e.ViewerLiked, e.ViewerFollowed, e.ViewerShared, e.ViewerComment, e.ViewerGift,
    e.ViewerOrder, e.ViewerTally,
)  # fmt: skip

WATCHED: dict[type, str] = {
    e.RoomOpened: GATEWAY,
    e.RoomHeartbeat: GATEWAY,
    e.HostReply: GATEWAY,
    e.HostAction: GATEWAY,
    e.HostSpeech: SPEECH,
    e.DetectorScore: LOOKS,
    e.FrameMeasured: LOOKS,
    e.ChallengeIssued: CHALLENGES,
    e.ChallengeResult: CHALLENGES,
    e.WatermarkRead: MARKERS,
    e.ProvenanceRead: MARKERS,
    e.LabelState: MARKERS,
    e.PersonaFlag: MARKERS,
    e.LikenessMatch: MARKERS,
    e.ProductMedia: MARKERS,
}
"""Types whose clocks are watched, with their source."""

SOURCE_OF: dict[type, str] = {
    **WATCHED,
    **dict.fromkeys((e.RoomPaused, e.RoomResumed, e.RoomClosed, *VIEWERS), GATEWAY),
}


class SourceCounts(Struct):
    """What sources did, over all partitions; only ever added to.

    Attributes:
        ahead, late: events by source.
        clear: blocks that closed with nothing against them.
        abstained: blocks in which signals that join speech and gateway abstained.
        unclear: the same by reason; a block can have several.
    """

    ahead: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SOURCES, 0))
    late: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SOURCES, 0))
    clear: int = 0
    abstained: int = 0
    unclear: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))


class Sources:
    """The sources of one partition. Written by one thread; others may read `least_ms` and `held_ms`."""

    def __init__(self, counts: SourceCounts) -> None:
        self.counts = counts
        self._turns_ms = 0
        self._least: dict[str, int] = {}
        self._least_before: dict[str, int] = {}
        self._held_ms = self._held_before_ms = 0

    def note(self, source: str, event: e.Event, partition_ms: int) -> None:
        """Take in the clock of an event of a `WATCHED` type; `partition_ms` is the partition's time with it."""
        if partition_ms >= self._turns_ms:
            self.turn(partition_ms)
        delay_ms = partition_ms - event.at_ms
        if delay_ms < -CLAMPED_MS:
            self.counts.ahead[source] += 1
        if source is SPEECH and isinstance(event, e.HostSpeech):
            delay_ms = partition_ms - told_ms(event)
        least = self._least
        if source not in least or delay_ms < least[source]:
            least[source] = delay_ms

    def turn(self, partition_ms: int) -> None:
        """Begin another half of time if it has come."""
        over_ms = partition_ms - self._turns_ms
        if over_ms < 0:
            return
        recent = over_ms < HALF_MS
        self._least_before = self._least if recent else {}
        self._held_before_ms = self._held_ms if recent else 0
        self._least, self._held_ms = {}, 0
        self._turns_ms = partition_ms - partition_ms % HALF_MS + HALF_MS

    def note_late(self, event: e.Event) -> None:
        """Count a late event."""
        self.counts.late[SOURCE_OF[event.__class__]] += 1

    def note_hold(self, room: Room) -> None:
        """Take in how long a room's watermark waits now."""
        held_ms = room.max_at_ms - room.watermark_ms
        if held_ms > self._held_ms:
            self._held_ms = held_ms

    def note_closed(self, session: Session) -> None:
        """Count the blocks of a session that have closed since it was last asked."""
        counts = self.counts
        for why in session.closed:
            for reason in why:
                counts.unclear[reason] += 1
            if why:
                counts.abstained += 1
            else:
                counts.clear += 1
        session.closed = ()

    def least_ms(self) -> dict[str, int]:
        """Return the least delay of each source that was heard, ms."""
        least = dict(self._least_before)
        for source, delay_ms in dict(self._least).items():
            least[source] = min(delay_ms, least.get(source, delay_ms))
        return least

    def held_ms(self) -> int:
        """Return the largest hold of any room, ms."""
        return max(0, max(self._held_ms, self._held_before_ms) - LATENESS_MS)
