"""What ties a room to others, as far as its session knows."""

from msgspec import Struct

from worker.audit.facts import Fleet


class Ties(Struct, gc=False, array_like=True):
    """What ties a room to others: what it shows, what the identity agent has told it. Of one session.

    Attributes:
        seen: voices and faces, as `kind:identity`, with when they were last noticed; the latest last.
        withdrawn: identities that the room showed and no longer does, until it has said so.
        fleets: matches that hold, by `kind:identity`.
        brand_id, permitted_rooms, registry_offset, upheld_mark: what the registry last said of the host; 0 and "" when
            it did not, -1 for the offset.
        index, threshold, allowed: the session's place in the platform's order (0: none yet), the mass it needs, and the
            families that may be at RESTRICT (`audit.elond`).
        spoken_ms: when the room last told its identities.
        answered: the registry has spoken of the host in this session, if only to say that it does not know him.
    """

    seen: tuple[tuple[str, int], ...] = ()
    withdrawn: tuple[str, ...] = ()
    fleets: tuple[tuple[str, Fleet], ...] = ()
    brand_id: str = ""
    permitted_rooms: int = 0
    registry_offset: int = -1
    upheld_mark: int = 0
    index: int = 0
    threshold: float = 0.0
    allowed: tuple[str, ...] = ()
    spoken_ms: int = 0
    answered: bool = False
