"""`concurrency`: the same device, operator, address, face or voice is live in other rooms too, without permission.

What the identity agent has found and written into this room's log (`fleet.matched`). A stratum for reviewers: it bets
in no family, because who may run several rooms is the platform's to say. Abstains: the agent has found no match.
Evasion: changing identities. Cost: one look at the matches, at most 16.
"""

from worker.audit.room import Room

KINDS = frozenset({"device", "operator", "ip", "face", "voice"})


def value(room: Room, kinds: frozenset[str] = KINDS) -> float | None:
    """1 when an identity is shared without permission, 0 when all that are shared are permitted; None when none is."""
    found = (
        [fleet.permitted for _, fleet in room.session.ties.fleets if fleet.kind in kinds]
        if room.session.ties is not None
        else []
    )
    return float(not all(found)) if found else None
