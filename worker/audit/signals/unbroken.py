"""`unbroken`: no absence of at least 60 s for four hours. A stratum for reviewers, never evidence: people work long.

An absence is a frame without a person, and the next one with a person 60 s later or more; or a declared break, however
short. The value is the hours since the last, or since the session began. The minute and the four hours are ours, not
audited.

Abstains: less than four hours. Where frames are not measured, only breaks are absences. Evasion: a break declared, or
the lens covered for a minute, every four hours; no family rests on it. Cost: 0.1 µs a return, 0.1 a look.
"""

from worker.audit.room import Room

ABSENCE_MS = 60_000
LONG_MS = 4 * 3_600_000


def restart(room: Room, at_ms: int) -> None:
    """An absence or a break ended at `at_ms`."""
    room.session.unbroken_since_ms = at_ms


def hours(room: Room) -> float:
    """Hours without an absence up to now; 0 until four hours have passed."""
    elapsed_ms = room.max_at_ms - max(room.session.unbroken_since_ms, room.session.start_ms)
    return elapsed_ms / 3_600_000 if elapsed_ms >= LONG_MS else 0.0
