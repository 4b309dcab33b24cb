"""The platform's test of a restriction, and the session's place among all sessions (`audit.elond`)."""

from worker.audit.events import RestrictionTested
from worker.audit.facts import LEVEL_BIT
from worker.audit.identities import ties_of
from worker.audit.room import Room


def apply(room: Room, event: RestrictionTested, offset: int) -> None:
    """Take over the index, once, and what is allowed under it."""
    ties = ties_of(room)
    if not ties.index:
        ties.index = event.index
    elif ties.index != event.index:
        return  # the session was announced twice; the first place is the one that its tests are made under
    ties.threshold = event.threshold
    if event.family is not None and event.allowed and event.family not in ties.allowed:
        ties.allowed = (*ties.allowed, event.family)
        room.changed |= LEVEL_BIT
