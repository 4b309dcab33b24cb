"""What the picture shows: presence, ratios, sound that belongs to an embedded video; and idleness.

Reads `frame.measured`, the latest of which holds. Ratios are kept as measured: thresholds are the rules'. `idle` needs
proof of absence: a measured frame without a person, nobody speaking, nobody replying, viewers present, no break
declared, for five minutes, all of which every source has told of (`registers.told_until_ms`). That is POSSIBLE at most;
the five minutes are ours, below the fifteen that 1688 names and rules ask for. `same_source_audio` makes `recorded`
POSSIBLE (`presenter`). A person back after a minute restarts `unbroken`.

Abstains: a room whose frame is not measured, or was not for two minutes, is never idle; ratios that nobody measured
are unknown. Evasion: a dummy, or a film of a person, is present, and sound from a tape is speech: then PLAY, NONINT,
detectors and challenges are left. Cost: 0.5 µs a frame, 2 when the sound's source changed, 0.3 a heartbeat, segment or
reply while nobody is there.
"""

from worker.audit.events import FrameMeasured
from worker.audit.facts import FACT_BIT, UNKNOWN, Certainty, Frame, Idle
from worker.audit.markers import presenter
from worker.audit.registers import accused_since_ms, is_newest, told_until_ms
from worker.audit.room import Phase, Room
from worker.audit.signals import unbroken

IDLE_MS = 300_000
STALE_MS = 120_000  # a frame older than this proves nothing


def apply(room: Room, event: FrameMeasured, offset: int, key_ms: int) -> None:
    """Take over the measurement if it is the newest. An older one may show that the room was not empty for so long."""
    old = room.session.facts.frame
    if not is_newest(room, "frame", event, key_ms):
        if event.person_present and room.session.absent_since_ms and event.at_ms > _absent_ms(room):
            room.session.absent_since_ms = room.appended_ms
            refresh_idle(room)
        return
    new = Frame(
        True,
        event.person_present,
        UNKNOWN if event.avatar_height_ratio is None else event.avatar_height_ratio,
        UNKNOWN if event.embedded_video_ratio is None else event.embedded_video_ratio,
        UNKNOWN if event.cover_ratio is None else event.cover_ratio,
        UNKNOWN if event.static_ratio is None else event.static_ratio,
        bool(event.same_source_audio),
        event.at_ms,
    )
    if event.person_present:
        if room.session.absent_since_ms and event.at_ms - _absent_ms(room) >= unbroken.ABSENCE_MS:
            unbroken.restart(room, event.at_ms)
        room.session.absent_since_ms = 0
    elif not room.session.absent_since_ms:
        room.session.absent_since_ms = room.appended_ms
    room.session.facts.frame = new
    if _differs(old, new):
        room.changed |= FACT_BIT["frame"]
    if new.same_source_audio != old.same_source_audio:
        presenter.combine(room)
    refresh_idle(room)


def _differs(old: Frame, new: Frame) -> bool:
    return (
        not old.known
        or new.person_present != old.person_present
        or new.same_source_audio != old.same_source_audio
        or new.avatar_height_ratio != old.avatar_height_ratio
        or new.embedded_video_ratio != old.embedded_video_ratio
        or new.cover_ratio != old.cover_ratio
        or new.static_ratio != old.static_ratio
    )


def _absent_ms(room: Room) -> int:
    """The time of events since which no one has been in the frame: it accuses, so it began with its record."""
    return accused_since_ms(room, room.session.absent_since_ms)


def refresh_idle(room: Room) -> None:
    """Say anew whether the room is idle; called on frames, heartbeats, speech and replies."""
    old = room.session.facts.idle
    new = _idle(room)
    if new != old:
        room.session.facts.idle = new
        room.changed |= FACT_BIT["idle"]


def _idle(room: Room) -> Idle:
    if not room.session.absent_since_ms or room.session.phase != Phase.LIVE or room.session.viewers == 0:
        return Idle()
    if room.max_at_ms - room.session.facts.frame.since_ms > STALE_MS:
        return Idle()
    since_ms = max(_absent_ms(room), room.session.last_speech_ms, room.session.last_reply_ms, room.session.resumed_ms)
    if told_until_ms(room) - since_ms < IDLE_MS:
        return Idle()
    return Idle(Certainty.POSSIBLE, since_ms)
