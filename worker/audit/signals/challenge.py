"""`challenge`: the host failed, or did not answer, a random thing that the platform asked for.

Y = 1 for `failed` and `no_response`, 0 for `passed`; `void` abstains: a host on break, or who cannot do that kind, has
not failed. The norm is 0.05, and 0.10 within ten minutes of a failure, because human failures come in spells.
Abstains: no challenge issued. Evasion: a person on standby. Cost: one step a result.
"""

from worker.audit.asking import answered, gained
from worker.audit.evidence import new_family, step
from worker.audit.room import LATENESS_MS, PANE_MS, Pane, Room

HOT_MS = 600_000
NORM, NORM_HOT = (0.05,), (0.10,)
KEPT = 12


def fold(room: Room, pane: Pane) -> None:
    """Fold the pane's results in event-time order."""
    for at_ms, _rank, failed in sorted(pane.challenges):
        family = room.families.get("CHALLENGE")
        if family is None:
            family = room.families["CHALLENGE"] = new_family("CHALLENGE", room.session_start_ms)
        hot = any(bad and at_ms - then <= HOT_MS for then, bad in room.challenges)
        mass, last_ms = family.mass(), family.last_ms
        step(family, at_ms, (float(failed),), NORM_HOT if hot else NORM)
        if room.asking is not None:
            now_ms = pane.start_ms + PANE_MS + LATENESS_MS
            answered(room.asking, bool(failed), gained(family, last_ms, mass), now_ms)
        room.challenges = (*room.challenges, (at_ms, failed))[-KEPT:]


def failures(room: Room) -> int:
    """Failures among the last twelve results."""
    return sum(failed for _, failed in room.challenges)


def passed_since(room: Room, since_ms: int) -> int:
    """Challenges passed at or after event time `since_ms`, among the last twelve."""
    return sum(1 for at_ms, failed in room.challenges if not failed and at_ms >= since_ms)
