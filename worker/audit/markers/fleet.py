"""One identity in several live rooms, found by the identity agent and written into this room's log."""

from worker.audit.events import FleetMatched
from worker.audit.facts import FACT_BIT, Fleet
from worker.audit.room import Room


def apply(room: Room, event: FleetMatched, offset: int) -> None:
    """Take over the latest match."""
    room.facts.fleet = Fleet(event.kind, event.size, event.permitted, event.at_ms)
    room.changed |= FACT_BIT["fleet"]
