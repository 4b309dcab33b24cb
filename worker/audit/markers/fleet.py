"""One identity in several live rooms, found by the identity agent and written into this room's log.

Reads `fleet.matched`; fewer than two rooms are none. A room may be in several fleets at once, 16 are kept, scripts
going first. Rules see one (`announce.hold`). A match holds until the agent takes it back, the room no longer shows
the identity, or, for scripts, no longer reads it.

Abstains: the agent has found none. Evasion: other devices, addresses and voices for each room, paraphrased scripts;
each room is then judged by what happens in it. Cost: 1.5 µs a match, 4 among 16; where a room reads scripts, 0.5 a
span of five minutes, 7 when 16 end.
"""

from worker.audit import announce
from worker.audit.events import FleetMatched
from worker.audit.facts import Fleet
from worker.audit.room import Room

FLEETS_MAX = 16


def apply(room: Room, event: FleetMatched, offset: int) -> None:
    """Take over the latest match of this identity; fewer than two rooms are none."""
    ties, key = announce.ensure_ties(room), f"{event.kind}:{event.identity}"
    before = dict(ties.fleets)
    old = before.pop(key, None)
    match = Fleet(event.kind, event.size, event.permitted, event.at_ms if old is None else old.since_ms)
    fleets = [*before.items(), (key, match)] if event.size >= 2 else list(before.items())
    fleets.sort(key=lambda one: one[1].kind != "script")  # where there are too many, scripts go first
    announce.hold(room, tuple(fleets[-FLEETS_MAX:]), otherwise=match)


def forget_scripts(room: Room) -> None:
    """A sketch's span has ended: matches of scripts that the room does not read any more hold no longer."""
    ties = room.ties
    if ties is None or not any(match.kind == "script" for _, match in ties.fleets):
        return
    read = set(announce.shown(room))
    kept = tuple(one for one in ties.fleets if one[1].kind != "script" or one[0] in read)
    if kept != ties.fleets:
        announce.hold(room, kept)
