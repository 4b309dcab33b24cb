"""When an event arrives: the time that it has, and how far the room is.

    A      append time: the latest of the room's records so far, by the broker's clock (`Room.appended_ms`)
    e      effective time: the smaller of `at_ms` and A, since nothing happens after its record was appended. All times
           of an event move with it (`shifted`)
    key    the smaller of `at_ms` and A + 120 s; orders registers (`audit.registers`), with a rank by the event's id
    told   when what the event tells of happened: the end of what was said for speech, e for all others
    M      the largest e of the room (`Room.max_at_ms`)
    lag    of a source: the largest M − told that its events showed, each less a tenth of M's advance since
    W      the watermark (`Room.watermark_ms`): statistics that tell of an earlier time are late

    W = the largest so far of M − 60 s − min(240 s, D − 30 s), where D is the largest lag, or G's silence

The lag is kept as one number, the largest 10 · (M − told) + M: the lag now is (that − M) / 10. Only the slowest source
matters, and only a lag of more than 30 s, so one number does for all. G, the gateway, owes a heartbeat every 30 s: it
lags by its silence, too.
"""

from msgspec.structs import replace
from xxhash import xxh3_64_digest

from worker.audit import events as e
from worker.audit.room import ID_BYTES, LATENESS_MS, SEEN_MAX, Room
from worker.audit.windows import close_due

AHEAD_MS = 120_000
"""How far ahead of A a register's clock may order it, and a privileged event's may be at all."""
SLACK_MS, HOLD_MS = 30_000, 240_000
SPOKEN_AGO_MAX_MS = 86_400_000
"""Speech that ended longer before it was recognised has times in a wrong unit."""
TENTH = 10
LAG_MAX_MS = 600_000
"""A larger lag is a wrong clock's, or a backlog's: it holds back as much, and is not over sooner."""
LAG_MIN_MS = TENTH * SLACK_MS
"""Of `slowest_ms` above M: a smaller lag holds nothing back."""
BEAT_BYTES = 4
BEATS_BYTES_MAX, BEATS_AHEAD_BYTES_MAX = 8 * BEAT_BYTES, 64 * BEAT_BYTES

UNTIMED, GATEWAY, DETECTORS = range(3)
"""Classes of sources: those that tell nothing of how far the room is, the gateway, all others."""

REPEATABLE, BY_VIEWER, BY_OTHERS, BEAT = range(4)
"""Whose memory of recent ids an event type uses; `REPEATABLE` ones need none."""

PRIVILEGED = (
    e.WatermarkRead, e.ProvenanceRead, e.ChallengeIssued, e.ChallengeResult,
    e.RegistrationState, e.FleetMatched, e.RestrictionTested, e.ReviewDecided,
)  # fmt: skip
"""Types whose clock is ours or a trusted detector's: one that is ahead is refused, not clamped."""

_TIMES = ("at_ms", "start_ms", "end_ms", "deadline_ms", "started_at_ms")


def is_too_far_ahead(event: e.Event, appended_ms: int) -> bool:
    """Whether a privileged event's clock is further ahead of A than it may be."""
    if event.at_ms - appended_ms <= AHEAD_MS:
        return False
    return isinstance(event, PRIVILEGED) or (isinstance(event, e.LabelState) and event.by == "platform")


def key_ms(at_ms: int, appended_ms: int) -> int:
    """The time that orders registers."""
    return min(at_ms, appended_ms + AHEAD_MS)


def shifted(event: e.Event, by_ms: int) -> e.Event:
    """The event with all of its times moved by `by_ms`, none to before 1970."""
    moved = {name: max(0, getattr(event, name) + by_ms) for name in _TIMES if hasattr(event, name)}
    return replace(event, **moved)


def told_ms(event: e.HostSpeech) -> int:
    """When what was said had been said."""
    at_ms, end_ms = event.at_ms, event.end_ms
    return end_ms if at_ms - SPOKEN_AGO_MAX_MS <= end_ms < at_ms else at_ms


def id_hash(event_id: str) -> bytes:
    """What is remembered of an event's id."""
    return xxh3_64_digest(event_id.encode())[:ID_BYTES]


def is_known(room: Room, digest: bytes, memory: int) -> bool:
    """Whether an id is among those that a memory keeps: the newest 64, and of heartbeats fewer."""
    if memory == BEAT:
        return _stands_in(room.beats, digest[:BEAT_BYTES])
    return _stands_in(room.seen_viewer if memory == BY_VIEWER else room.seen_other, digest)


def _stands_in(ids: bytes | bytearray, digest: bytes) -> bool:
    """Whether an id stands in a row of ids."""
    if digest not in ids:
        return False
    size = len(digest)
    at = ids.find(digest)
    while at >= 0 and at % size:
        at = ids.find(digest, at + 1)
    return at >= 0


def remember_beat(room: Room, digest: bytes, is_ahead: bool) -> None:
    """Remember a heartbeat's id in the place of the oldest. By a clock that is ahead a repeat tells of a new time."""
    room.beats = (room.beats + digest[:BEAT_BYTES])[-BEATS_AHEAD_BYTES_MAX if is_ahead else -BEATS_BYTES_MAX :]


def remember(room: Room, digest: bytes, memory: int) -> None:
    """Remember an id in the place of the oldest. A flood of likes cannot wash out evidence."""
    ring = room.seen_viewer if memory == BY_VIEWER else room.seen_other
    if len(ring) < SEEN_MAX:
        ring += digest
    elif memory == BY_VIEWER:
        slot = room.seen_viewer_at
        ring[slot : slot + ID_BYTES] = digest
        room.seen_viewer_at = (slot + ID_BYTES) % SEEN_MAX
    else:
        slot = room.seen_other_at
        ring[slot : slot + ID_BYTES] = digest
        room.seen_other_at = (slot + ID_BYTES) % SEEN_MAX


def take_id(room: Room, event_id: str, memory: int) -> bool:
    """Remember an id; return False if it is known."""
    digest = xxh3_64_digest(event_id.encode())[:ID_BYTES]  # `id_hash` without the call
    if digest in (room.seen_viewer if memory == BY_VIEWER else room.seen_other) and is_known(room, digest, memory):
        return False
    remember(room, digest, memory)
    return True


def advance(room: Room, at_ms: int, told_ms: int, source: int) -> bool:
    """Let an event of effective time `at_ms` tell how far the room is, and close what W has passed.

    Returns whether W has passed `told_ms`, too. Comparing times costs more than differences that are small.
    """
    newest_ms = room.max_at_ms
    if at_ms > newest_ms:
        newest_ms = room.max_at_ms = at_ms
    lag_ms = newest_ms - told_ms
    if lag_ms > SLACK_MS and source:  # smaller lags hold nothing back
        room.slowest_ms = max(room.slowest_ms, newest_ms + TENTH * min(lag_ms, LAG_MAX_MS))
    if source != GATEWAY:
        silence_ms = newest_ms - room.heard_ms
    elif not lag_ms:
        room.heard_ms, silence_ms = told_ms, 0
    else:
        room.heard_ms = heard_ms = max(room.heard_ms, told_ms)
        silence_ms = newest_ms - heard_ms
    until_ms = newest_ms - LATENESS_MS
    if silence_ms > SLACK_MS or (room.slowest_ms and room.slowest_ms - newest_ms > LAG_MIN_MS):
        until_ms -= _hold_ms(room, newest_ms, room.heard_ms)
    if until_ms > room.watermark_ms:
        room.watermark_ms = until_ms
        if until_ms >= room.session.due_ms:
            close_due(room, until_ms)
    return lag_ms > LATENESS_MS and told_ms < room.watermark_ms


def _hold_ms(room: Room, newest_ms: int, heard_ms: int) -> int:
    """How long W waits beyond a minute."""
    silence_ms = newest_ms - heard_ms if heard_ms else 0
    behind_ms = max(silence_ms, (room.slowest_ms - newest_ms) // TENTH)
    return min(HOLD_MS, max(0, behind_ms - SLACK_MS))
