"""A session's life: it is described, pauses, leaves the air and comes back, and one day is over.

    UNKNOWN    no descriptor has come: rules wait for one
    LIVE       described, on the air
    PAUSED     a break is declared
    CLOSED     left the air; within ten minutes of append time a descriptor of a later time reopens it

The descriptor and whether a break is declared are registers: the largest key wins, in whatever order they come.
A close takes nothing away, because the session may come back: panes, block, families, facts and the plan of asking
stay as they are, and only rules rest. When ten minutes have passed, `settle` drops what only a running session needs.
That happens at the room's next record, and changes no verdict: nothing folds.

Who displaces whom is `audit.sessions`.
"""

from msgspec import UNSET
from msgspec.structs import replace

from worker.audit import announce, breaks, labelled, requests
from worker.audit.askers import Askers
from worker.audit.events import RoomHeartbeat, RoomOpened
from worker.audit.facts import BLOCK_BIT, FACT_BIT, SESSION_BIT
from worker.audit.markers import frame, software
from worker.audit.registers import rank
from worker.audit.room import BLOCK_MS, FOREVER_MS, LATENESS_MS, Phase, Room, Session, block_start
from worker.audit.windows import next_due

REOPEN_MS = 600_000
WHOLE_MS = 60_000
"""A session whose first descriptor is no older was seen from its start."""


# --- the descriptor, a register


def describe(room: Room, event: RoomOpened | RoomHeartbeat, offset: int, key_ms: int) -> None:
    """Take what a descriptor says of the room, unless a newer one has said it."""
    session = room.session
    key = (key_ms, rank(event))
    if not session.began_ms:
        _first(room, event)
    beaten = session.beaten
    is_newest = key > session.described
    if is_newest:
        if not isinstance(event, RoomHeartbeat):
            session.beaten = beaten or session.described or (0, 0)
        session.described = key
        _take(room, event, offset)
    if isinstance(event, RoomHeartbeat):
        if key > beaten if beaten else is_newest:
            session.beaten = () if is_newest or session.described == key else key
            session.viewers = event.viewers
        if event.paused is not UNSET:
            pause(room, key, event.at_ms, breaks.BEAT + event.paused)
        if session.absent_since_ms or session.facts.idle.certainty:
            frame.refresh_idle(room)


def _first(room: Room, event: RoomOpened | RoomHeartbeat) -> None:
    """The first descriptor: when the session began, whether it was seen from there on. Now rules may look."""
    session, started_ms, at_ms = room.session, event.started_at_ms, event.at_ms
    session.began_ms = max(1, min(started_ms, at_ms))  # 0 means that none came
    session.whole = started_ms <= at_ms <= session.began_ms + WHOLE_MS
    room.changed |= FACT_BIT["room"] | BLOCK_BIT
    _rephase(room, described=True)


def _take(room: Room, event: RoomOpened | RoomHeartbeat, offset: int) -> None:
    session, title = room.session, event.title or ""
    if (
        event.selling is session.selling
        and event.host_id == session.host_id
        and event.platform == session.platform
        and event.region == session.region
        and event.shop_ids == session.shop_ids
        and title == session.title
        and (event.operator_id or "") == session.operator_id
        and (event.device_id or "") == session.device_id
        and (event.ip_hash or "") == session.ip_hash
        and (event.category or "") == session.category
    ):
        return
    before = announce.shown(room)
    if title and title != session.title:
        software.read(room, title, event.at_ms, "title", offset)
    session.selling = event.selling
    session.platform = event.platform
    session.region = event.region
    session.host_id = event.host_id
    session.shop_ids = event.shop_ids
    session.title = title
    session.operator_id = event.operator_id or ""
    session.device_id = event.device_id or ""
    session.ip_hash = event.ip_hash or ""
    session.category = event.category or ""
    room.changed |= FACT_BIT["room"]
    announce.redescribed(room, before)


# --- breaks


def pause(room: Room, key: tuple[int, int], at_ms: int, word: int) -> None:
    """Take a word about a declared break (`breaks.PAUSED`, `RESUMED`)."""
    session = room.session
    before = breaks.is_paused(session)
    breaks.note_pause(session, (*key, at_ms, word))
    if before and not breaks.is_paused(session):
        session.resumed_ms = max(session.resumed_ms, at_ms)
        session.unbroken_since_ms = max(session.unbroken_since_ms, at_ms)
    _rephase(room)


def _rephase(room: Room, *, described: bool = False) -> None:
    session = room.session
    if session.phase == Phase.CLOSED:
        return
    if breaks.is_paused(session):
        phase = Phase.PAUSED
    else:
        phase = Phase.LIVE if described or session.began_ms else Phase.UNKNOWN
    if phase != session.phase:
        session.phase = phase
        room.changed |= FACT_BIT["room"]


# --- off the air, and back


def leave(room: Room, at_ms: int) -> None:
    """The session leaves the air at effective time `at_ms`: rules clear what is open, and others are told."""
    session = room.session
    session.off_ms, session.off_appended_ms = at_ms, room.appended_ms
    session.identities_due_ms = 0
    room.changed |= SESSION_BIT


def close(room: Room, at_ms: int) -> None:
    """Close the session, unless it is closed or one of its descriptors tells of a later time."""
    session = room.session
    if session.phase != Phase.CLOSED and at_ms >= session.newest_ms:
        leave(room, at_ms)
        session.phase = Phase.CLOSED


def come_back(room: Room, at_ms: int) -> None:
    """Put the session on the air again, with all that it had. The time between was a break."""
    session, off_ms = room.session, room.session.off_ms
    at_ms = max(at_ms, off_ms)
    session.off_ms = session.off_appended_ms = 0
    session.phase = Phase.UNKNOWN
    breaks.add(session, off_ms, at_ms)
    labelled.blind(room, off_ms, at_ms)
    _stop_clocks(session, at_ms - off_ms)
    session.unbroken_since_ms = at_ms
    if session.asking is not None:
        requests.wait(session.asking, at_ms)
    session.due_ms = next_due(room)
    session.identities_due_ms = 0
    room.changed |= FACT_BIT["room"] | BLOCK_BIT
    _rephase(room)


def _stop_clocks(session: Session, away_ms: int) -> None:
    """What counts minutes of an idle room counts none of those off the air, and no frame grew old in them."""
    if session.absent_since_ms:
        idle_ms = max(session.absent_since_ms, session.last_speech_ms, session.last_reply_ms, session.resumed_ms)
        session.absent_since_ms = idle_ms + away_ms
    facts = session.facts
    if facts.frame.known:
        facts.frame = replace(facts.frame, since_ms=facts.frame.since_ms + away_ms)
    if facts.idle.certainty:
        facts.idle = replace(facts.idle, since_ms=facts.idle.since_ms + away_ms)


def is_over(room: Room) -> bool:
    """Whether the session is closed for so long that it cannot reopen."""
    session = room.session
    return session.phase == Phase.CLOSED and room.appended_ms - session.off_appended_ms > REOPEN_MS


def is_settled(session: Session) -> bool:
    """Whether nothing is left that only a running session needs."""
    return session.due_ms == FOREVER_MS


def settle(room: Room) -> None:
    """Drop what only a session needs that may still be on the air. Reviews read facts, families, episodes and
    quotations alone. To settle twice changes nothing, and neither does it when."""
    session = room.session
    if is_settled(session):
        return
    if session.asking is not None:
        requests.end(session.asking)
    fresh = Session()
    for name in _WHILE_IT_RUNS:
        setattr(session, name, getattr(fresh, name))
    if session.askers is not None:
        session.askers = Askers(discounted=session.askers.discounted)
    if session.delays is not None:
        session.delays.taken = ()
    session.break_marks = session.break_marks[-1:]
    session.due_ms = FOREVER_MS


def begin(room: Room, session_id: str, at_ms: int, offset: int) -> None:
    """Begin a session: evidence, facts, panes start from nothing; what outlives a session stays."""
    asking = requests.begin(f"{room.room_id}/{session_id}", at_ms)
    block_start_ms = block_start(room.room_id, at_ms)
    room.sessions += 1
    room.strangers = ()
    room.session = Session(
        id=session_id,
        number=room.sessions,
        first_offset=offset,
        start_ms=at_ms,
        leased_ms=room.appended_ms,
        first_appended_ms=room.appended_ms,
        unbroken_since_ms=at_ms,
        block_start_ms=block_start_ms,
        asking=asking,
        due_ms=min(block_start_ms + BLOCK_MS, asking.due_ms - LATENESS_MS),
    )
    room.changed |= FACT_BIT["room"]


_WHILE_IT_RUNS = ("panes", "prompts", "answered_due_ms", "block", "speech", "said", "challenges", "posed", "breaks",
                  "blind", "claims", "excitation", "label", "mentions")  # fmt: skip
