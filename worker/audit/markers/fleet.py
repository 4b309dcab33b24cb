"""One identity in several live rooms, found by the identity agent and written into this room's log.

Reads `fleet.matched`, of each identity the newest; fewer than two rooms are none. A room may be in several fleets at
once: 16 are kept, of which those that hold no longer go first (they are kept lest an older word bring them back), then
scripts. Rules see one (`announce.hold`). A match holds until the agent takes it back, the room no longer shows the
identity, or, for scripts, no longer reads it.

Abstains: the agent has found none. Evasion: other devices, addresses and voices for each room, paraphrased scripts;
each room is then judged by what happens in it. Cost: 1.5 µs a match, 4 among 16; where a room reads scripts, 0.5 a
span of five minutes, 7 when 16 end.
"""

from worker.audit import announce
from worker.audit.events import FleetMatched
from worker.audit.facts import Fleet
from worker.audit.room import Room

FLEETS_MAX = 16


def apply(room: Room, event: FleetMatched, offset: int, key_ms: int) -> None:
    """Take over the newest match of this identity, by e and then by offset; fewer than two rooms are none."""
    ties, key = announce.ensure_ties(room), f"{event.kind}:{event.identity}"
    before = dict(ties.fleets)
    old = before.pop(key, None)
    if old is not None and event.at_ms < old.at_ms:
        return
    since_ms = room.appended_ms if old is None or old.size < 2 else old.since_ms
    match = Fleet(event.kind, event.size, event.permitted, since_ms, event.at_ms)
    fleets = [*before.items(), (key, match)]
    # Where there are too many, those that no longer hold go first, then scripts.
    fleets.sort(key=lambda one: (one[1].size >= 2, one[1].kind != "script"))
    announce.hold(room, tuple(fleets[-FLEETS_MAX:]), otherwise=match)


def forget_scripts(room: Room) -> None:
    """A sketch's span has ended: matches of scripts that the room does not read any more hold no longer."""
    ties = room.session.ties
    if ties is None or not any(match.kind == "script" for _, match in ties.fleets):
        return
    read = set(announce.shown(room))
    kept = tuple(one for one in ties.fleets if one[1].kind != "script" or one[0] in read)
    if kept != ties.fleets:
        announce.hold(room, kept)
