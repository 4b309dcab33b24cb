"""One identity in several live rooms, found by the identity agent and written into this room's log.

A room may be in several fleets at once. Rules see one: not permitted before permitted; then what a person shares less
easily, a face before a voice, an address before an operator; then the larger one.
"""

from worker.audit.events import FleetMatched
from worker.audit.facts import FACT_BIT, Fleet
from worker.audit.identities import ties_of
from worker.audit.room import Room

FLEETS_MAX = 16
_STRENGTH = {kind: i for i, kind in enumerate(("operator", "ip", "script", "device", "voice", "face"))}


def apply(room: Room, event: FleetMatched, offset: int) -> None:
    """Take over the latest match of this identity; fewer than two rooms are none."""
    ties, key = ties_of(room), f"{event.kind}:{event.identity}"
    before = dict(ties.fleets)
    old = before.pop(key, None)
    match = Fleet(event.kind, event.size, event.permitted, event.at_ms if old is None else old.since_ms)
    fleets = [*before.items(), (key, match)] if event.size >= 2 else list(before.items())
    ties.fleets = tuple(fleets[-FLEETS_MAX:])
    room.facts.fleet = max((fleet for _, fleet in ties.fleets), key=_weight, default=match)
    room.changed |= FACT_BIT["fleet"]


def _weight(fleet: Fleet) -> tuple[bool, int, int]:
    return not fleet.permitted, _STRENGTH[fleet.kind], fleet.size
