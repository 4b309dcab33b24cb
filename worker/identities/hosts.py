"""What is known of a host over all rooms: the platform's registry, and what people upheld; told to his live rooms."""

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from worker.audit.announce import TTL_MS, UPHELD_MAX, Identity, RoomsAllowed, mark_of
from worker.audit.events import Id, Millis, Platform, RegistrationState, Upheld
from worker.audit.history import REMEMBERED_MS

ROOMS_MAX = 1_024


class Registration(Struct, gc=False, frozen=True, kw_only=True):
    """The registry's record of a host; a record of `live.host.registry`."""

    host_id: Id
    platform: Platform
    avatar_registered: bool
    driver_verified: bool
    likeness_consent: bool
    updated_at_ms: Millis
    registered_avatar_id: Id | None = None
    permitted_rooms: RoomsAllowed | None = None
    brand_id: Id | None = None


class Live(Struct, array_like=True, gc=False, frozen=True):
    """A live room of the host: when it last spoke, its session, its partition in the room log."""

    at_ms: int
    session_id: str | None
    partition: int


class Host(Struct, array_like=True, gc=False):
    """A host.

    Attributes:
        offset: last record of the identities' topic that was applied; registry_offset: of the registry.
        registered: the registry's record; None when it does not know the host, or has removed him.
        rooms: his live rooms, the one that spoke last at the end.
        upheld: (event time in ms, rule, room) of violations that people upheld; the newest 64, ascending.
        appended_ms: append time of the newest record of the identities' topic that was applied.
    """

    offset: int = -1
    registry_offset: int = -1
    max_at_ms: int = 0
    registered: Registration | None = None
    rooms: dict[str, Live] = {}
    upheld: tuple[tuple[int, str, str], ...] = ()
    appended_ms: int = 0


Told = tuple[int, RegistrationState]
"""A partition of the room log, and what to write there."""


def take(host: Host, said: Identity) -> list[Told]:
    """Takes what a room says; returns what rooms should be told: the one that spoke, or all when people decided."""
    if said.at_ms <= host.max_at_ms - TTL_MS and not said.upheld and not said.overturned:
        return []
    host.max_at_ms = max(host.max_at_ms, said.at_ms)
    _expire(host)
    host.rooms.pop(said.room_id, None)
    if said.live and said.at_ms > host.max_at_ms - TTL_MS and len(host.rooms) < ROOMS_MAX:
        host.rooms[said.room_id] = Live(said.at_ms, said.session_id, said.partition)
    if _take_over(host, said):
        return tell(host, said.host_id)
    if not said.live:
        return []
    if said.answered and not _registry_has_news(host, said) and said.upheld_mark == mark_of(_list(host)):
        return []
    return [_state(host, said.host_id, said.room_id, Live(said.at_ms, said.session_id, said.partition))]


def _registry_has_news(host: Host, said: Identity) -> bool:
    """A registry that never spoke of the host has none, whoever else may have written into the room's log."""
    known = host.registry_offset if host.registered is not None else None
    return host.registry_offset >= 0 and said.registry_offset != known


def register(host: Host, host_id: str, registered: Registration | None, offset: int) -> list[Told]:
    """Takes a record of the registry, None for a removal; tells all live rooms."""
    if offset <= host.registry_offset:
        return []
    host.registry_offset = offset
    host.registered = registered
    return tell(host, host_id)


def tell(host: Host, host_id: str) -> list[Told]:
    """What each of the host's live rooms should know of him."""
    return [_state(host, host_id, room_id, live) for room_id, live in host.rooms.items()]


def _take_over(host: Host, said: Identity) -> bool:
    """Take over what people decided in the room; True when the host's list of upheld violations changes by it."""
    overturned = {(one.at_ms, one.rule, said.room_id) for one in said.overturned} & set(host.upheld)
    new = {(one.at_ms, one.rule, said.room_id) for one in said.upheld} - set(host.upheld)
    fresh_ms = host.max_at_ms - REMEMBERED_MS
    kept = sorted(one for one in {*host.upheld, *new} - overturned if one[0] > fresh_ms)[-UPHELD_MAX:]
    changed = bool(overturned) or not new.isdisjoint(kept)
    host.upheld = tuple(kept)
    return changed


def _expire(host: Host) -> None:
    dead_ms = host.max_at_ms - TTL_MS
    while host.rooms:
        room_id = next(iter(host.rooms))
        if host.rooms[room_id].at_ms > dead_ms:
            break
        del host.rooms[room_id]


def _list(host: Host) -> list[Upheld]:
    return [Upheld(rule, at_ms) for at_ms, rule, _ in host.upheld]


def _state(host: Host, host_id: str, room_id: str, live: Live) -> Told:
    registered, upheld = host.registered, _list(host)
    about = f"{host_id} {room_id} {live.session_id} {live.at_ms} {host.registry_offset} {mark_of(upheld)}"
    return live.partition, RegistrationState(
        id=f"registry:{xxh3_64_intdigest(about.encode()):016x}",
        room_id=room_id,
        at_ms=live.at_ms,
        session_id=live.session_id,
        host_id=host_id,
        avatar_registered=registered is not None and registered.avatar_registered,
        driver_verified=registered is not None and registered.driver_verified,
        likeness_consent=registered is not None and registered.likeness_consent,
        registry_offset=max(0, host.registry_offset),
        registered_avatar_id=registered.registered_avatar_id if registered is not None else None,
        upheld=upheld,
        known=registered is not None,
        brand_id=registered.brand_id if registered is not None else None,
        permitted_rooms=registered.permitted_rooms if registered is not None else None,
    )
