"""What the picture shows: presence, ratios, sound that belongs to an embedded video; and idleness.

Reads `frame.measured`, the latest of which holds. Ratios are kept as measured: thresholds are the rules'. `idle` needs
proof of absence: a measured frame without a person, nobody speaking, nobody replying, viewers present, no break
declared, for five minutes. That is POSSIBLE at most; the five minutes are ours, below the fifteen that 1688 names and
rules ask for. `same_source_audio` makes `recorded` POSSIBLE (`presenter`). A person back after a minute restarts
`unbroken`.

Abstains: a room whose frame is not measured, or was not for two minutes, is never idle; ratios that nobody measured
are unknown. Evasion: a dummy, or a film of a person, is present, and sound from a tape is speech: then PLAY, NONINT,
detectors and challenges are left. Cost: 0.5 µs a frame, 2 when the sound's source changed, 0.3 a heartbeat, segment or
reply while nobody is there.
"""

from worker.audit.events import FrameMeasured
from worker.audit.facts import FACT_BIT, UNKNOWN, Certainty, Frame, Idle
from worker.audit.markers import presenter
from worker.audit.room import Phase, Room
from worker.audit.signals import unbroken

IDLE_MS = 300_000
STALE_MS = 120_000  # a frame older than this proves nothing


def apply(room: Room, event: FrameMeasured, offset: int) -> None:
    """Take over the measurement."""
    old = room.facts.frame
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
        if room.absent_since_ms and event.at_ms - room.absent_since_ms >= unbroken.ABSENCE_MS:
            unbroken.restart(room, event.at_ms)
        room.absent_since_ms = 0
    elif not room.absent_since_ms:
        room.absent_since_ms = event.at_ms
    room.facts.frame = new
    if _differs(old, new):
        room.changed |= FACT_BIT["frame"]
    if new.same_source_audio != old.same_source_audio:
        presenter.combine(room, event.at_ms)
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


def refresh_idle(room: Room) -> None:
    """Say anew whether the room is idle; called on frames, heartbeats, speech and replies."""
    old = room.facts.idle
    new = _idle(room)
    if new != old:
        room.facts.idle = new
        room.changed |= FACT_BIT["idle"]


def _idle(room: Room) -> Idle:
    if not room.absent_since_ms or room.phase != Phase.LIVE or room.viewers == 0:
        return Idle()
    if room.max_at_ms - room.facts.frame.since_ms > STALE_MS:
        return Idle()
    since_ms = max(room.absent_since_ms, room.last_speech_ms, room.last_reply_ms, room.resumed_ms)
    if room.max_at_ms - since_ms < IDLE_MS:
        return Idle()
    return Idle(Certainty.POSSIBLE, since_ms)
