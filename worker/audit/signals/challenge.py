"""`challenge`: the host failed, or did not answer, a random thing that the platform asked for.

Y = 1 for `failed` and `no_response`, 0 for `passed`; `void` abstains: a host on break, or who cannot do that kind, has
not failed. The norm is 0.05, and 0.10 within ten minutes of a failure, because human failures come in spells.
A challenge bets once: with the first result after `challenge.issued`, by event time. What is said of it again, be it by
a second grader, and results of what nobody issued, tell nothing.
Abstains: no challenge issued; a result during a break. Evasion: a person on standby. Cost: one step a result.
"""

from worker.audit import breaks
from worker.audit.evidence import new_family, step
from worker.audit.numbers import whole
from worker.audit.requests import gained, note_answered
from worker.audit.room import LATENESS_MS, PANE_MS, Pane, Room

HOT_MS = 600_000
NORM, NORM_HOT = (0.05,), (0.10,)
KEPT = 12
OPEN_MAX = 8
PASSED, FAILED, VOID = 0, 1, 2
OUTCOMES = {"passed": PASSED, "failed": FAILED, "no_response": FAILED, "void": VOID}


def pose(room: Room, pane: Pane) -> list[int]:
    """Remember the pane's challenges until their results come; returns when they were issued, by event time."""
    at = []
    for at_ms, _rank, posed in sorted(pane.issued):
        if posed not in room.session.posed:
            room.session.posed = (*room.session.posed, posed)[-OPEN_MAX:]
            at.append(at_ms)
    return at


def fold(room: Room, pane: Pane) -> bool:
    """Fold the pane's results in event-time order; returns whether one of them was a bet."""
    bet = False
    for at_ms, _rank, posed, outcome in sorted(pane.challenges):
        if posed not in room.session.posed:
            continue
        room.session.posed = tuple(other for other in room.session.posed if other != posed)
        if outcome != VOID and not breaks.covers(room.session, at_ms):
            _bet(room, pane, at_ms, outcome)
            bet = True
    return bet


def _bet(room: Room, pane: Pane, at_ms: int, failed: int) -> None:
    family = room.session.families.get("CHALLENGE")
    if family is None:
        family = room.session.families["CHALLENGE"] = new_family("CHALLENGE", room.session.start_ms)
    hot = any(bad and at_ms - then <= HOT_MS for then, bad in room.session.challenges)
    mass, last_ms = family.mass(), family.last_ms
    step(family, room.accrues_ms(at_ms), (float(failed),), NORM_HOT if hot else NORM)
    if room.session.asking is not None:
        now_ms = pane.start_ms + PANE_MS + LATENESS_MS
        note_answered(room.session.asking, bool(failed), gained(family, last_ms, mass), now_ms)
    room.session.challenges = (*room.session.challenges, (at_ms, failed))[-KEPT:]


def failures(room: Room) -> int:
    """Failures among the last twelve results."""
    return whole(failed for _, failed in room.session.challenges)


def passed_since(room: Room, since_ms: int) -> int:
    """Challenges passed at or after event time `since_ms`, among the last twelve."""
    return whole(1 for at_ms, failed in room.session.challenges if not failed and at_ms >= since_ms)
