"""A room's life: which phase follows on which event, and when a session begins and ends.

A session is known by its id and by when it started. A descriptor (`room.opened`, `room.heartbeat`) of a later start
begins a new session; one event with another session's id, or one after the close, is out of session. A room that was
silent for six hours of event time begins anew, so that a worker that forgot it judges the same; but for what a gateway
held back all that while, which finds the room forgotten.
"""

from enum import IntEnum

from worker.audit import requests
from worker.audit.askers import Askers
from worker.audit.events import ANSWERS, Event, ReviewDecided, RoomHeartbeat, RoomOpened
from worker.audit.facts import FACT_BIT, SESSION_BIT, Facts
from worker.audit.history import kept_until_ms
from worker.audit.room import BLOCK_MS, BREAKS_MAX, LATENESS_MS, Block, Counts, Phase, Room, block_start
from worker.audit.signals import replies
from worker.audit.windows import close_all

SILENCE_MS = 6 * 3_600_000

NEXT: dict[tuple[Phase, str], Phase] = {
    (Phase.UNKNOWN, "describe"): Phase.LIVE,
    (Phase.UNKNOWN, "pause"): Phase.PAUSED,
    (Phase.UNKNOWN, "resume"): Phase.LIVE,
    (Phase.UNKNOWN, "close"): Phase.CLOSED,
    (Phase.LIVE, "describe"): Phase.LIVE,
    (Phase.LIVE, "pause"): Phase.PAUSED,
    (Phase.LIVE, "resume"): Phase.LIVE,
    (Phase.LIVE, "close"): Phase.CLOSED,
    (Phase.PAUSED, "describe"): Phase.PAUSED,
    (Phase.PAUSED, "pause"): Phase.PAUSED,
    (Phase.PAUSED, "resume"): Phase.LIVE,
    (Phase.PAUSED, "close"): Phase.CLOSED,
}
"""Phase after an event. CLOSED has no way out but a new session."""


class Status(IntEnum):
    """What became of one event."""

    APPLIED = 0
    DUPLICATE = 1
    LATE = 2
    OUT_OF_SESSION = 3
    SESSION_ENDED = 4  # the room was closed because a new session begins: let rules look, then apply the event again


def move(room: Room, what: str, at_ms: int) -> None:
    """Take one step of the table; pausing and resuming set the clocks of breaks."""
    before = Phase(room.phase)
    after = NEXT[before, what]
    if after == before:
        return
    room.phase = after
    room.changed |= FACT_BIT["room"]
    if after == Phase.PAUSED:
        room.paused_since_ms = at_ms
        replies.void_open(room, at_ms)
    elif before == Phase.PAUSED:
        _remember_break(room, room.paused_since_ms, at_ms)
        room.resumed_ms = room.unbroken_since_ms = at_ms
    if after == Phase.CLOSED:
        room.closed_ms = at_ms
        room.changed |= SESSION_BIT


def _remember_break(room: Room, start_ms: int, end_ms: int) -> None:
    """Until its blocks have closed. More breaks than are kept run together: abstaining too much accuses nobody."""
    if len(room.breaks) >= BREAKS_MAX:
        start_ms, room.breaks = room.breaks[-1][0], room.breaks[:-1]
    room.breaks = (*room.breaks, (start_ms, end_ms))


def admit(room: Room, event: Event, offset: int) -> Status:
    """Decide whether an event belongs to the present session, beginning a new one where it should.

    Called only when the room is new, the event's session differs from the room's, or the room is closed or was silent
    for hours. A session that ends by the beginning of the next ends properly first (SESSION_ENDED).
    """
    if isinstance(event, ReviewDecided) and room.max_at_ms:
        return Status.APPLIED
    if event.at_ms - room.max_at_ms > SILENCE_MS and kept_until_ms(room) < event.at_ms - SILENCE_MS:
        forget(room)
    if _begins(room, event):
        if room.max_at_ms and room.phase != Phase.CLOSED:
            end(room, room.max_at_ms)
            return Status.SESSION_ENDED
        begin(room, event.session_id or "", event.at_ms, offset)
        return Status.APPLIED
    if room.phase == Phase.CLOSED:
        if event.at_ms <= room.closed_ms:
            room.counts.late += 1
            return Status.LATE
        return _turn_away(room, event)
    if not room.session_id and event.session_id is not None:
        room.session_id = event.session_id
        return Status.APPLIED
    if event.session_id is None or event.session_id == room.session_id:
        return Status.APPLIED
    return _turn_away(room, event)


def _turn_away(room: Room, event: Event) -> Status:
    if isinstance(event, ANSWERS):  # the session that asked has ended meanwhile: nobody's mistake
        room.counts.late += 1
        return Status.LATE
    return Status.OUT_OF_SESSION


def _begins(room: Room, event: Event) -> bool:
    if not room.max_at_ms or event.at_ms - room.max_at_ms > SILENCE_MS:
        return True
    if not isinstance(event, RoomOpened | RoomHeartbeat) or room.session_id in ("", event.session_id):
        return False
    return event.started_at_ms > room.started_at_ms


def forget(room: Room) -> None:
    """Leave nothing but the room's name and place: workers forget rooms in which nothing happens and nobody may decide,
    so one that was kept must judge as they do. Its session ends without a word."""
    fresh = Room(room_id=room.room_id)
    for name in Room.__struct_fields__:
        if name not in ("room_id", "partition", "offset"):
            setattr(room, name, getattr(fresh, name))


def end(room: Room, at_ms: int) -> None:
    """End the session: everything open folds, and rules are told. What only a running session needs goes: events that
    come after are out of session, and reviews read facts, families, episodes and quotations alone."""
    if room.asking is not None:
        requests.end(room.asking)
    close_all(room)
    move(room, "close", at_ms)
    room.identities_due_ms = 0
    _keep_what_is_read(room)


def _keep_what_is_read(room: Room) -> None:
    fresh = Room(room_id=room.room_id)
    for name in _WHILE_IT_RUNS:
        setattr(room, name, getattr(fresh, name))
    if room.askers is not None:
        room.askers = Askers(discounted=room.askers.discounted)
    if room.delays is not None:
        room.delays.taken = ()


def begin(room: Room, session_id: str, at_ms: int, offset: int) -> None:
    """Begin a session: evidence, facts, panes, episodes start from nothing; identity and recent ids stay."""
    fresh = Room(room_id=room.room_id)
    for name in _OF_THE_SESSION:
        setattr(room, name, getattr(fresh, name))
    room.facts = Facts(history=room.facts.history)
    room.block, room.counts = Block(), Counts()
    room.session_id = session_id
    room.first_offset = offset
    room.session_start_ms = room.unbroken_since_ms = room.max_at_ms = at_ms
    room.block_start_ms = block_start(room.room_id, at_ms)
    room.asking = requests.begin(f"{room.room_id}/{session_id}", at_ms)
    room.due_ms = min(room.block_start_ms + BLOCK_MS, room.asking.due_ms - LATENESS_MS)
    room.changed |= FACT_BIT["room"]


_KEPT = {"room_id", "partition", "offset", "seen_viewer", "seen_other", "seen_viewer_at", "seen_other_at",
         "published_ms", "changed", "facts", "reviews", "episodes"}  # fmt: skip
_WHILE_IT_RUNS = ("panes", "prompts", "answered_due_ms", "block", "speech", "said", "challenges", "posed", "breaks",
                  "excitation", "label_marks", "mentions")  # fmt: skip
_OF_THE_SESSION = tuple(name for name in Room.__struct_fields__ if name not in _KEPT)
