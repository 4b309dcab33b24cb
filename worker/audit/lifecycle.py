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
from worker.audit.facts import FACT_BIT, SESSION_BIT
from worker.audit.history import kept_until_ms
from worker.audit.room import BLOCK_MS, BREAKS_MAX, LATENESS_MS, Phase, Room, Session, block_start
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
    AHEAD = 4  # its clock is further ahead than its type may be
    SESSION_ENDED = 5  # the room was closed because a new session begins: let rules look, then apply the event again


def move(room: Room, what: str, at_ms: int) -> None:
    """Take one step of the table; pausing and resuming set the clocks of breaks."""
    before = Phase(room.session.phase)
    after = NEXT[before, what]
    if after == before:
        return
    room.session.phase = after
    room.changed |= FACT_BIT["room"]
    if after == Phase.PAUSED:
        room.session.paused_since_ms = at_ms
        replies.void_open(room, at_ms)
    elif before == Phase.PAUSED:
        _remember_break(room, room.session.paused_since_ms, at_ms)
        room.session.resumed_ms = room.session.unbroken_since_ms = at_ms
    if after == Phase.CLOSED:
        room.session.closed_ms = at_ms
        room.changed |= SESSION_BIT


def _remember_break(room: Room, start_ms: int, end_ms: int) -> None:
    """Until its blocks have closed. More breaks than are kept run together: abstaining too much accuses nobody."""
    if len(room.session.breaks) >= BREAKS_MAX:
        start_ms, room.session.breaks = room.session.breaks[-1][0], room.session.breaks[:-1]
    room.session.breaks = (*room.session.breaks, (start_ms, end_ms))


def admit(room: Room, event: Event, offset: int) -> Status:
    """Decide whether an event belongs to the present session, beginning a new one where it should.

    Called only when the room is new, the event's session differs from the room's, or the room is closed or was silent
    for hours. A session that ends by the beginning of the next ends properly first (SESSION_ENDED).
    """
    # Neither tells how far a room is, so they begin nothing, not even one of which nothing is known.
    if isinstance(event, ReviewDecided) or (isinstance(event, ANSWERS) and not room.max_at_ms):
        return Status.APPLIED
    if _begins(room, event):
        if room.max_at_ms and room.session.phase != Phase.CLOSED:
            end(room, room.max_at_ms)
            return Status.SESSION_ENDED
        begin(room, event.session_id or "", event.at_ms, offset)
        return Status.APPLIED
    if room.session.phase == Phase.CLOSED:
        if event.at_ms <= room.session.closed_ms:
            room.session.counts.late += 1
            return Status.LATE
        return _turn_away(room, event)
    if not room.session.id and event.session_id is not None:
        room.session.id = event.session_id
        return Status.APPLIED
    if event.session_id is None or event.session_id == room.session.id:
        return Status.APPLIED
    return _turn_away(room, event)


def _turn_away(room: Room, event: Event) -> Status:
    if isinstance(event, ANSWERS):  # the session that asked has ended meanwhile: nobody's mistake
        room.session.counts.late += 1
        return Status.LATE
    return Status.OUT_OF_SESSION


def _begins(room: Room, event: Event) -> bool:
    if not room.max_at_ms:
        return True
    if not isinstance(event, RoomOpened | RoomHeartbeat) or room.session.id in ("", event.session_id):
        return False
    return event.started_at_ms > room.session.started_at_ms


def start_again(room: Room, event: Event, appended_ms: int) -> Status:
    """Begin a room again that was silent for six hours of append time. A session that still runs ends first, so that
    rules may look (SESSION_ENDED), where people may still decide about the room; else nothing is left of it. A review
    begins nothing: what follows from it has the time of the room's last event."""
    if kept_until_ms(room) < appended_ms - SILENCE_MS:
        forget(room)
    elif room.session.phase != Phase.CLOSED:
        end(room, room.max_at_ms)
        return Status.SESSION_ENDED
    elif not isinstance(event, ReviewDecided):
        room.max_at_ms = room.watermark_ms = room.heard_ms = room.slowest_ms = 0
    return Status.APPLIED


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
    if room.session.asking is not None:
        requests.end(room.session.asking)
    close_all(room)
    move(room, "close", at_ms)
    room.session.identities_due_ms = 0
    _keep_what_is_read(room)


def _keep_what_is_read(room: Room) -> None:
    session, fresh = room.session, Session()
    for name in _WHILE_IT_RUNS:
        setattr(session, name, getattr(fresh, name))
    if session.askers is not None:
        session.askers = Askers(discounted=session.askers.discounted)
    if session.delays is not None:
        session.delays.taken = ()


def begin(room: Room, session_id: str, at_ms: int, offset: int) -> None:
    """Begin a session: evidence, facts, panes start from nothing; what outlives a session stays."""
    asking = requests.begin(f"{room.room_id}/{session_id}", at_ms)
    block_start_ms = block_start(room.room_id, at_ms)
    room.session = Session(
        id=session_id,
        first_offset=offset,
        start_ms=at_ms,
        unbroken_since_ms=at_ms,
        block_start_ms=block_start_ms,
        asking=asking,
        due_ms=min(block_start_ms + BLOCK_MS, asking.due_ms - LATENESS_MS),
    )
    room.changed |= FACT_BIT["room"]


_WHILE_IT_RUNS = ("panes", "prompts", "answered_due_ms", "block", "speech", "said", "challenges", "posed", "breaks",
                  "excitation", "label_marks", "mentions")  # fmt: skip
