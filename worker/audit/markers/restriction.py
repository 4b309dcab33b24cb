"""The platform's test of a restriction, and the session's place among all sessions.

Reads `restriction.tested`, which the identity agent writes; the maths is in `audit.elond`. The first place of a
session holds; what was once allowed stays so for the session.

Abstains: until it comes, rules see LIMIT where RESTRICT was reached. Evasion: a host cannot answer in the agent's
place; short sessions, since masses and places begin anew with each, and none may reach RESTRICT. Levels up to LIMIT
and what people upheld (`history`) are left. Cost: 0.1 µs a test.
"""

from worker.audit.announce import ensure_ties
from worker.audit.events import RestrictionTested
from worker.audit.facts import LEVEL_BIT
from worker.audit.room import Room


def apply(room: Room, event: RestrictionTested, offset: int, key_ms: int) -> None:
    """Take over the index, once, and what is allowed under it."""
    ties = ensure_ties(room)
    if not ties.index:
        ties.index = event.index
    elif ties.index != event.index:
        return  # the session was announced twice; the first place is the one that its tests are made under
    ties.threshold = event.threshold
    if event.family is not None and event.allowed and event.family not in ties.allowed:
        ties.allowed = (*ties.allowed, event.family)
        room.changed |= LEVEL_BIT
