"""Which session a record belongs to. A room is leased to one session at a time.

A descriptor renews its session's lease. One of another session takes the room if it started later, if the present
session is closed, or if that sent no descriptor for more than 90 s of append time. So one heartbeat with a wild start
time holds a room for 90 s and up to one heartbeat, and a rival that goes on beating is the later stream. The displaced
session is set aside for ten minutes, and goes on with all that it had when one of its descriptors takes the room again.
At most four are set aside, those with most descriptors.

Another id of the same host and start is an alias. A record that names another session is foreign, and so is one that
names none and tells of a time before the session began. It counts nothing and moves A alone, so no rival can age a
room. Answers belong to whatever session is current, reviews to the room.
"""

from enum import IntEnum

from xxhash import xxh32_intdigest

from worker.audit import labelled, speech
from worker.audit.episode import EPISODES_MAX, Episode
from worker.audit.events import ANSWERS, DESCRIPTORS, Event, ReviewDecided, RoomClosed, RoomHeartbeat, RoomOpened
from worker.audit.history import kept_until_ms, retire
from worker.audit.lifecycle import REOPEN_MS, begin, close, come_back, is_over, is_settled, leave, settle
from worker.audit.room import ALIASES_MAX, ASIDE_MAX, STRANGERS_MAX, Phase, Room, Session

SILENCE_MS = 6 * 3_600_000
LEASE_MS = 90_000
_CLOSED = int(Phase.CLOSED)  # a plain number for each heartbeat: an attribute of an enum costs as much as all else
LETTERS_MAX = 10
"""Of each foreign session, so many records become dead letters: enough to see who sends them."""


class Status(IntEnum):
    """What became of one event."""

    APPLIED = 0
    DUPLICATE = 1
    LATE = 2
    OUT_OF_SESSION = 3
    AHEAD = 4  # its clock is further ahead than its type may be
    SESSION_ENDED = 5  # the session leaves the air because of this event: let rules look, then apply it again
    FOREIGN = 6


def admit(room: Room, event: Event, said: Event, offset: int, told_ms: int) -> Status:
    """Find an event's session, and whether it is the room's; descriptors may change which that is.

    `said` is the event before its times were shifted. Called for descriptors, and for all else that is not plainly of
    the room's session on the air. LATE: of a closed session that may still reopen, for what can be late and tells of
    no time before the close.
    """
    if isinstance(event, DESCRIPTORS):
        assert isinstance(said, DESCRIPTORS)
        return _lease(room, event, said, offset)
    session, name = room.session, event.session_id
    is_answer = isinstance(event, ANSWERS)
    if isinstance(event, ReviewDecided) or (name is None and is_answer):
        pass
    elif name is None:
        if not session.id or told_ms < (session.began_ms or session.start_ms):
            return Status.FOREIGN
    elif not session.id:
        begin(room, name, event.at_ms, offset)
    elif name != session.id and name not in session.aliases:
        return Status.FOREIGN
    if isinstance(event, RoomClosed):
        close(room, event.at_ms)
    return _standing(room, is_answer or isinstance(event, ReviewDecided), told_ms)


def _standing(room: Room, is_answer: bool, told_ms: int) -> Status:
    """What a closed session takes: for ten minutes facts, registers, and what was before the close, then answers
    alone."""
    if room.session.phase != Phase.CLOSED or not room.session.id:
        return Status.APPLIED
    if is_over(room):
        settle(room)
        return Status.APPLIED if is_answer else Status.OUT_OF_SESSION
    counts = told_ms < room.session.off_ms and not is_settled(room.session)
    return Status.APPLIED if is_answer or counts else Status.LATE


def _lease(room: Room, event: RoomOpened | RoomHeartbeat, said: RoomOpened | RoomHeartbeat, offset: int) -> Status:
    """Take a descriptor: it renews the lease, takes the room, or is foreign."""
    if room.aside:
        _expire(room)
    session, name = room.session, event.session_id
    if not session.id:
        begin(room, name, event.at_ms, offset)
    elif name != session.id and not _is_of(session, said):
        if not _gives_way(room, min(event.started_at_ms, event.at_ms)):
            _note_rival(room)
            return Status.FOREIGN
        if session.began_ms and not session.off_appended_ms:
            leave(room, event.at_ms)
            return Status.SESSION_ENDED
        _take_up(room, name, event.at_ms, offset)
    elif session.phase == _CLOSED and event.at_ms > session.off_ms:
        if is_over(room):
            begin(room, name, event.at_ms, offset)
        else:
            come_back(room, event.at_ms)
    session = room.session
    if name != session.id and name not in session.aliases:
        session.aliases = (*session.aliases, name)[:ALIASES_MAX]
    session.started_at_ms, session.leased_ms = said.started_at_ms, room.appended_ms
    session.descriptors += 1
    if event.at_ms > session.newest_ms:
        session.newest_ms = event.at_ms
    return Status.APPLIED


def _is_of(session: Session, said: RoomOpened | RoomHeartbeat) -> bool:
    """Whether a descriptor that names another session is of this one."""
    same_start = session.host_id == said.host_id and session.started_at_ms == said.started_at_ms
    return said.session_id in session.aliases or same_start


def _gives_way(room: Room, started_ms: int) -> bool:
    """Whether the room's session leaves the room to another that started at `started_ms`."""
    session = room.session
    return (
        started_ms > session.began_ms  # 0: no descriptor came
        or session.phase == Phase.CLOSED
        or room.appended_ms - session.leased_ms > LEASE_MS
    )


# --- sessions set aside


def _take_up(room: Room, name: str, at_ms: int, offset: int) -> None:
    """Put another session into the room: one that was displaced lately, or a new one."""
    left = room.session
    if left.phase != Phase.CLOSED:
        _set_aside(room, left, at_ms)
    back = next((one for one in room.aside if name == one.id or name in one.aliases), None)
    since_ms = 0
    if back is None:
        begin(room, name, at_ms, offset)
    else:
        since_ms = back.off_appended_ms
        _restore(room, back, at_ms)
    until_ms = max((one.leased_ms + LEASE_MS for one in room.aside if one.began_ms), default=0)
    if until_ms > room.appended_ms:
        labelled.claim(room.session, since_ms, until_ms)


def _set_aside(room: Room, left: Session, at_ms: int) -> None:
    if not left.off_appended_ms:  # no descriptor came, so no rule looked at it
        left.off_ms, left.off_appended_ms = at_ms, room.appended_ms
    left.episodes = [one for _, one in sorted(room.episodes.items()) if one.session == left.number]
    for episode in left.episodes:
        del room.episodes[episode.rule]
    if left.speech is not None:
        left.ring, left.speech.store = speech.pack(left.speech), None
    room.aside = [*room.aside, left]
    if len(room.aside) > ASIDE_MAX:
        _drop(room, min(room.aside, key=lambda one: (one.descriptors, one.number)))


def _restore(room: Room, back: Session, at_ms: int) -> None:
    room.aside = [one for one in room.aside if one is not back]
    room.session = back
    if back.speech is not None:
        speech.unpack(back.speech, back.ring)
    back.ring = b""
    _keep_episodes(room, back.episodes)
    back.episodes = []
    come_back(room, at_ms)


def _expire(room: Room) -> None:
    """Let go of sessions that were displaced more than ten minutes ago."""
    for one in room.aside:
        if room.appended_ms - one.off_appended_ms > REOPEN_MS:
            _drop(room, one)


def _drop(room: Room, one: Session) -> None:
    """A session set aside is over. People may still decide about what was opened in it."""
    room.aside = [other for other in room.aside if other is not one]
    for episode in one.episodes:
        if episode.rule in room.episodes:
            retire(room, episode, room.appended_ms)
        else:
            _keep_episodes(room, [episode])


def _keep_episodes(room: Room, episodes: list[Episode]) -> None:
    for episode in episodes:
        if episode.rule in room.episodes:
            retire(room, room.episodes[episode.rule], room.appended_ms)
        room.episodes[episode.rule] = episode
    while len(room.episodes) > EPISODES_MAX:
        old = (one for one in room.episodes.values() if one.session != room.session.number)
        longest = min(old, key=lambda one: (one.stepped_ms, one.rule))
        retire(room, room.episodes.pop(longest.rule), room.appended_ms)


# --- rivals


def _note_rival(room: Room) -> None:
    """A descriptor of another session: while one that was displaced may be on the air, a missing label says nothing."""
    if any(one.began_ms for one in room.aside):
        labelled.claim(room.session, room.appended_ms, room.appended_ms + LEASE_MS)


def take_letter(room: Room, event: Event) -> bool:
    """Whether a foreign event is among the first of its session, so that it becomes a dead letter.

    Of one session of the room so many others are shown: ids that are made up must not fill the dead letters.
    """
    key = xxh32_intdigest(event.session_id.encode()) if event.session_id is not None else 0
    shown = dict(room.strangers)
    count = shown.pop(key, 0)
    if count >= LETTERS_MAX or len(shown) >= STRANGERS_MAX:
        return False
    room.strangers = (*shown.items(), (key, count + 1))
    return True


# --- silence


def start_again(room: Room, event: Event, appended_ms: int) -> Status:
    """Begin a room again that was silent for six hours of append time: nothing is left of it.

    Where people may still decide about the room, what they decide about stays, and a session on the air ends first,
    so that rules may look (SESSION_ENDED). A review begins nothing: what follows from it has the time of the room's
    last event.
    """
    if kept_until_ms(room) < appended_ms - SILENCE_MS:
        forget(room)
        return Status.APPLIED
    session = room.session
    if session.began_ms and not session.off_appended_ms:
        leave(room, room.max_at_ms)
        return Status.SESSION_ENDED
    for one in room.aside:
        _drop(room, one)
    settle(room)
    session.id, session.aliases, session.phase = "", (), Phase.CLOSED
    fresh, newest_ms = Room(room_id=room.room_id), room.max_at_ms
    for name in Room.__struct_fields__:
        if name not in _OUTLIVES_SILENCE:
            setattr(room, name, getattr(fresh, name))
    if isinstance(event, ReviewDecided):
        room.max_at_ms = newest_ms
    return Status.APPLIED


def forget(room: Room) -> None:
    """Leave nothing but the room's name and place: workers evict rooms in which nothing happens and no one may decide,
    so one that was kept must judge as they do. Its session ends without a word."""
    fresh = Room(room_id=room.room_id)
    for name in Room.__struct_fields__:
        if name not in _PLACE:
            setattr(room, name, getattr(fresh, name))


_PLACE = frozenset({"room_id", "partition", "offset"})
_OUTLIVES_SILENCE = _PLACE | {
    "session", "sessions", "episodes", "past", "history", "reviews", "answers", "published_ms", "changed",
}  # fmt: skip
