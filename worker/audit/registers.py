"""Registers and facts: which of two events wins, in whatever order they come. `schemas/README.md` has the kinds.

    register   the newest by (key, rank) holds: `label.state`, `frame.measured`, `likeness.match` of a person. The key
               is the smaller of `at_ms` and A + 120 s, and the rank a hash of the id, so a clock that is fast misorders
               no two events of its own
    answer     `registration.state`: the largest (offset of the registry, known, key). `fleet.matched`: of an identity
               the newest by e, then by offset
    fact       the surest claim holds, and of equals the one with the least (e, rank). It joins: any order, any age and
               any repetition of claims end in one state

**Who accuses waits.** A fact is dated by A, the append time of its first record, because no producer can bend that.
Where such a date is compared with times of events, the least delay that the session has shown is taken off
(`accused_since_ms`). What exonerates counts from its own e.

A room knows the newest 64 ids. One that is repeated after that changes nothing here either: a fact keeps its first
claim, and a register refuses what is not newer. Cost: 0.5 µs an event.
"""

from xxhash import xxh3_64_intdigest

from worker.audit.events import Envelope
from worker.audit.room import FOREVER_MS, Room

BEAT_MS = 30_000
"""The gateway owes a heartbeat in so long."""
GATEWAY_WAIT_MS = 600_000
TENTH = 10  # the lag is kept as 10 · (M − told) + M (`audit.arrival`)
Order = tuple[int, ...]
_BEFORE_ALL: Order = (-1,)
_AFTER_ALL: Order = (FOREVER_MS,)


def rank(event: Envelope) -> int:
    """Order events of one time: 64 bits by the id, so that it does not matter which came first."""
    return xxh3_64_intdigest(event.id.encode())


def is_newest(room: Room, register: str, event: Envelope, key_ms: int, *before: int) -> bool:
    """Whether an event is the newest of its register so far, by what is `before` the key and by the key; if so,
    remember it."""
    told = _ensure_told(room)
    order = (*before, key_ms, rank(event))
    if order <= told.get(register, _BEFORE_ALL):
        return False
    told[register] = order
    return True


def claim_of(event: Envelope) -> Order:
    """Order claims that are equally sure: by e, then by rank."""
    return event.at_ms, rank(event)


def is_surest(room: Room, fact: str, claim: Order, grade: float, held: float) -> bool:
    """Whether a claim of some grade says what the fact says, which now holds at grade `held` (0: not at all).

    A surer claim does, and of equals the one that tells of the earliest time. If so, remember it.
    """
    if grade < held:
        return False
    told = _ensure_told(room)
    if grade == held and claim >= told.get(fact, _AFTER_ALL):
        return False
    told[fact] = claim
    return True


def _ensure_told(room: Room) -> dict[str, Order]:
    told = room.session.told
    if told is None:
        told = room.session.told = {}
    return told


def since_ms(room: Room, certainty: int, before_ms: int) -> int:
    """Since when (A) a fact of this certainty has been known; `before_ms` is what it said until now. 0: it is not."""
    return (before_ms or room.appended_ms) if certainty else 0


def accused_since_ms(room: Room, since_ms: int) -> int:
    """The time of events at which a fact began that has been known since `since_ms` (A)."""
    return since_ms - room.session.least_delay_ms


def told_until_ms(room: Room) -> int:
    """Up to when all sources have told what happened; what they will tell of later times may yet come.

    The slowest source is waited for as long as it lags, and a silent gateway for ten minutes.
    """
    newest_ms, heard_ms = room.max_at_ms, room.heard_ms
    told_ms = min(newest_ms, newest_ms - (room.slowest_ms - newest_ms) // TENTH)
    return told_ms if newest_ms - heard_ms <= BEAT_MS else min(told_ms, max(heard_ms, newest_ms - GATEWAY_WAIT_MS))
