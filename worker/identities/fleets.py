"""Live rooms by identity: who shares a voice, a face, a device, an address, an operator or a script.

A set forgets a room 15 minutes of event time after it last spoke; the set's own newest event time is the clock, so what
becomes of a set depends on its own messages alone. A message tells of no time after the broker appended it. Beyond
1,024 rooms it keeps those with the smallest hashes and estimates its size from their share of all hashes (threshold
sampling; standard error 3 %): which rooms are kept depends on no order, and nobody can choose them.

Nobody is told twice: a room's message says what its log knows already, and only news is answered, to the room that
spoke. So a fleet of n rooms costs n answers when it grows to twice its size, never n².
"""

from heapq import nsmallest

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from worker.audit.announce import TTL_MS, Identity
from worker.audit.events import FleetMatched

MEMBERS_MAX = 1_024
LISTED_MAX = 20
ALL = 1 << 64


class Member(Struct, array_like=True, gc=False, frozen=True):
    """A live room: when it last spoke, its hash, and to whom it belongs (`belongs`), with how many rooms these may have
    live at once."""

    at_ms: int
    rank: int
    groups: tuple[str, ...]
    permitted_rooms: int


class Fleet(Struct, array_like=True, gc=False):
    """All live rooms of one identity.

    Attributes:
        offset: last record of the identities' topic that was applied.
        max_at_ms: newest event time that was told.
        bar: rooms with a hash below it are kept; 2⁶⁴ − 1 until there are too many.
        members: by room, the one that spoke last at the end.
        appended_ms: append time of the newest record that was applied.
    """

    offset: int = -1
    max_at_ms: int = 0
    bar: int = ALL - 1
    members: dict[str, Member] = {}
    appended_ms: int = 0

    def size(self) -> int:
        """How many rooms are live; estimated when not all are kept."""
        kept = len(self.members)
        return kept if self.bar == ALL - 1 else round(kept * (ALL / self.bar))


def belongs(said: Identity) -> tuple[str, ...]:
    """The groups a room belongs to: a brand, a host, an operator with one of his shops."""
    groups = [f"brand {said.brand_id}"] if said.brand_id else []
    groups.append(f"host {said.host_id}")
    groups += [f"operator {said.operator_id} {shop.system} {shop.id}" for shop in said.shop_ids if said.operator_id]
    return tuple(groups)


def take(fleet: Fleet, said: Identity) -> FleetMatched | None:
    """Takes what a room says; returns what its log should be told, if that is news. Messages older than the time to
    live change nothing."""
    if said.at_ms <= fleet.max_at_ms - TTL_MS:
        return None
    fleet.max_at_ms = max(fleet.max_at_ms, said.at_ms)
    _expire(fleet)
    fleet.members.pop(said.room_id, None)
    if not said.live:
        return None
    me = Member(said.at_ms, xxh3_64_intdigest(said.room_id.encode()), belongs(said), said.permitted_rooms or 1)
    if me.rank < fleet.bar:
        fleet.members[said.room_id] = me
        _sample(fleet)
    return _answer(fleet, said, me)


def _expire(fleet: Fleet) -> None:
    """Those that spoke last are at the end, so this looks at one room more than go."""
    dead_ms = fleet.max_at_ms - TTL_MS
    while fleet.members:
        room_id = next(iter(fleet.members))
        if fleet.members[room_id].at_ms > dead_ms:
            break
        del fleet.members[room_id]
    if not fleet.members:
        fleet.bar = ALL - 1


def _sample(fleet: Fleet) -> None:
    if len(fleet.members) > MEMBERS_MAX:
        largest = max(fleet.members, key=lambda room_id: fleet.members[room_id].rank)
        fleet.bar = fleet.members.pop(largest).rank


def _answer(fleet: Fleet, said: Identity, me: Member) -> FleetMatched | None:
    size = max(1, fleet.size())
    known = max(1, said.size)
    alone = size < 2
    permitted = not alone and _permitted(fleet, me, size)
    moved = alone != (known < 2) or size >= 2 * known or 2 * size <= known
    if not moved and (alone or permitted == said.permitted):
        return None
    rooms = nsmallest(LISTED_MAX, fleet.members, key=lambda room_id: fleet.members[room_id].rank)
    about = f"{said.kind} {said.identity} {said.room_id} {said.session_id} {said.at_ms} {size} {permitted}"
    return FleetMatched(
        id=f"fleet:{xxh3_64_intdigest(about.encode()):016x}",
        room_id=said.room_id,
        at_ms=said.at_ms,
        session_id=said.session_id,
        kind=said.kind,  # type: ignore[arg-type]
        identity=said.identity,
        rooms=rooms,
        size=size,
        permitted=permitted,
    )


def _permitted(fleet: Fleet, me: Member, size: int) -> bool:
    """Official rooms of one brand; or rooms of one host, or of one operator and a shop, within the number that each of
    them may have."""
    shared, most = set(me.groups), me.permitted_rooms
    for member in fleet.members.values():
        shared.intersection_update(member.groups)
        if not shared:
            return False
        most = min(most, member.permitted_rooms)
    return size <= most or any(group.startswith("brand ") for group in shared)
