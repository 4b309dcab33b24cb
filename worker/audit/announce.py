"""Under which identities a room is live: what it tells the identity agent, and when.

A room speaks on change, every five minutes of event time, and at its close; in between this costs one comparison. What
it says holds everything that the answer needs: whom the room belongs to, and what its own log says already, so that
the agent answers only what is news to that log.

A session names its host first. Everything else follows when the registry has answered, so that nobody takes a brand's
official rooms for a farm in the moment before it is known that they are official.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace
from xxhash import xxh3_64_intdigest

from worker.audit import elond, history, sketch
from worker.audit.events import Count, Id, Millis, Platform, Shop, Upheld
from worker.audit.evidence import MS_PER_HOUR, Level
from worker.audit.facts import FACT_BIT, Fleet
from worker.audit.room import FOREVER_MS, Room
from worker.audit.ties import Ties

PERIOD_MS = 300_000
TTL_MS = 900_000
SOON_MS = 30_000
SEEN_MAX = 8
WITHDRAWN_MAX = 32
SHOPS_MAX = 8
UPHELD_MAX = 64
REFRESH_MS = 60_000
NO_FLEET = Fleet()
_STRENGTH = {kind: i for i, kind in enumerate(("operator", "ip", "script", "device", "voice", "face"))}

Kind = Literal["operator", "device", "ip", "face", "voice", "script", "host", "platform"]
Mass = Annotated[float, Meta(ge=0.0, le=1e13)]
Offset = Annotated[int, Meta(ge=0, le=9_007_199_254_740_991)]
RoomsAllowed = Annotated[int, Meta(ge=1, le=100_000)]


class Test(Struct, gc=False, frozen=True):
    """A family that has the evidence for RESTRICT, and its mass."""

    family: Literal["AI", "UNLABELLED", "PLAY", "CHALLENGE"]
    mass: Mass


class Identity(Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """One identity under which a room is live; a record of `live.audit.identities`.

    Attributes:
        live: false when the room has closed or no longer shows this identity.
        partition: of the room log that holds the room; answers go there.
        brand_id, permitted_rooms: what the registry allows the room's host, as far as the room's log knows.
        size, permitted: the match that the room's log knows of this identity; 0 when it knows none.
        answered, registry_offset, upheld_mark: kind `host`: what the room's log knows of the host.
        upheld: kind `host`: violations in this room that people upheld.
        overturned: kind `host`: those that they decided about and do not uphold now, to be taken off the host's list.
        index, threshold, tests: kind `platform`: the session's place among all, the mass that it was told to need, and
            the families that ask for a restriction.
    """

    kind: Kind
    identity: Id
    room_id: Id
    platform: Platform
    host_id: Id
    at_ms: Millis
    live: bool
    session_id: Id | None = None
    operator_id: Id | None = None
    partition: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    shop_ids: Annotated[list[Shop], Meta(max_length=SHOPS_MAX)] = []
    brand_id: Id | None = None
    permitted_rooms: RoomsAllowed | None = None
    size: Count = 0
    permitted: bool = False
    answered: bool = False
    registry_offset: Offset | None = None
    upheld_mark: Offset = 0
    upheld: Annotated[list[Upheld], Meta(max_length=UPHELD_MAX)] = []
    overturned: Annotated[list[Upheld], Meta(max_length=UPHELD_MAX)] = []
    index: Count = 0
    threshold: Annotated[float, Meta(ge=0.0)] = 0.0
    tests: Annotated[list[Test], Meta(max_length=4)] = []


def mark_of(upheld: list[Upheld]) -> int:
    """A fingerprint of a list of upheld violations, 53 bits; 0 for none."""
    if not upheld:
        return 0
    return xxh3_64_intdigest("\n".join(f"{one.rule} {one.at_ms}" for one in upheld).encode()) >> 11


# ---- what changes in a room


def speak_soon(room: Room) -> None:
    """Plan to speak within 30 s of the last time, or at once: others should know what has changed."""
    spoken_ms = room.session.ties.spoken_ms if room.session.ties is not None else 0
    room.session.identities_due_ms = min(room.session.identities_due_ms, spoken_ms + SOON_MS)


def ensure_ties(room: Room) -> Ties:
    """Return the room's ties; make them when they are first needed."""
    if room.session.ties is None:
        room.session.ties = Ties()
    return room.session.ties


def see(room: Room, kind: Kind, value: str, at_ms: int) -> None:
    """A voice or a face was noticed. The eight noticed last are kept."""
    key, ties = f"{kind}:{value}", ensure_ties(room)
    for i, (known, seen_ms) in enumerate(ties.seen):
        if known == key:
            if at_ms - seen_ms >= REFRESH_MS:
                ties.seen = (*ties.seen[:i], *ties.seen[i + 1 :], (key, at_ms))
            return
    ties.seen = (*ties.seen, (key, at_ms))
    _withdraw(room, ties, [known for known, _ in ties.seen[:-SEEN_MAX]])
    ties.seen = ties.seen[-SEEN_MAX:]
    speak_soon(room)


def shown(room: Room) -> list[str]:
    """The identities under which the room is live now, as `kind:identity`."""
    described = (
        ("operator", room.session.operator_id),
        ("device", room.session.device_id),
        ("ip", room.session.ip_hash),
    )
    keys = [f"host:{room.session.host_id}"] if room.session.host_id else []
    keys += [f"{kind}:{value}" for kind, value in described if value]
    keys += [key for key, _ in room.session.ties.seen] if room.session.ties is not None else []
    return (
        keys + [f"script:{key}" for key in sketch.keys(room.session.sketch)]
        if room.session.sketch is not None
        else keys
    )


def redescribed(room: Room, before: list[str]) -> None:
    """The descriptor has changed; `before` is what the room showed until then."""
    gone = [key for key in before if key not in shown(room)]
    if gone:
        _withdraw(room, ensure_ties(room), gone)
    speak_soon(room)


def _withdraw(room: Room, ties: Ties, keys: list[str]) -> None:
    """The room shows `keys` no more: it will say so, which nobody answers, and what it shared by them is over."""
    ties.withdrawn = (*ties.withdrawn, *keys)[-WITHDRAWN_MAX:]
    kept = tuple(one for one in ties.fleets if one[0] not in keys)
    if len(kept) < len(ties.fleets):
        hold(room, kept)


def hold(room: Room, fleets: tuple[tuple[str, Fleet], ...], otherwise: Fleet = NO_FLEET) -> None:
    """Sets the matches that hold, by `kind:identity`.

    Rules see one: not permitted before permitted; then what a person shares less easily, a face before a voice, an
    address before an operator; then the larger one; `otherwise` when there is none.
    """
    ensure_ties(room).fleets = fleets
    held = (fleet for _, fleet in fleets if fleet.size >= 2)
    room.session.facts.fleet = max(held, key=_weight, default=otherwise)
    room.changed |= FACT_BIT["fleet"] | FACT_BIT["signals"]


def _weight(fleet: Fleet) -> tuple[bool, int, int]:
    return not fleet.permitted, _STRENGTH[fleet.kind], fleet.size


# ---- what it says


def announce(room: Room) -> list[Identity]:
    """What to tell now that event time has come to `room.identities_due_ms`; sets when to speak next."""
    at_ms = room.max_at_ms
    live = not room.session.off_appended_ms
    room.session.identities_due_ms = at_ms + PERIOD_MS if live else FOREVER_MS
    if not room.session.host_id:
        return []
    ties = ensure_ties(room)
    _forget_unseen(room, ties, at_ms)
    if live:  # an answer may have crossed a withdrawal
        _withdraw(room, ties, [key for key, _ in ties.fleets if key not in shown(room)])
    base = _base(room, ties, live)
    said = [_speak(room, base, key) for key in (shown(room) if ties.answered else shown(room)[:1])]
    gone = [key for key in ties.withdrawn if key not in shown(room)]
    said += [replace(_keyed(base, key), live=False) for key in dict.fromkeys(gone)]
    ties.withdrawn = ()
    ties.spoken_ms = at_ms
    asked = _ask(room, ties, base) if live and ties.answered else None
    return said if asked is None else [*said, asked]


def _forget_unseen(room: Room, ties: Ties, at_ms: int) -> None:
    gone = [key for key, seen_ms in ties.seen if seen_ms <= at_ms - TTL_MS]
    if gone:
        _withdraw(room, ties, gone)
        ties.seen = tuple(one for one in ties.seen if one[0] not in gone)


def _base(room: Room, ties: Ties, live: bool) -> Identity:
    return Identity(
        kind="host",
        identity=room.session.host_id,
        room_id=room.room_id,
        platform=room.session.platform,  # type: ignore[arg-type]
        host_id=room.session.host_id,
        at_ms=room.max_at_ms,
        live=live,
        session_id=room.session.id or None,
        operator_id=room.session.operator_id or None,
        partition=room.partition,
        shop_ids=room.session.shop_ids[:SHOPS_MAX],
        brand_id=ties.brand_id or None,
        permitted_rooms=ties.permitted_rooms or None,
    )


def _keyed(base: Identity, key: str) -> Identity:
    kind, _, value = key.partition(":")
    return replace(base, kind=kind, identity=value)


def _speak(room: Room, base: Identity, key: str) -> Identity:
    ties = ensure_ties(room)
    said = _keyed(base, key)
    if said.kind == "host":
        upheld = [Upheld(rule, at_ms) for rule, times in room.history.room.items() for at_ms in times]
        upheld.sort(key=_by_time)
        overturned = sorted((Upheld(rule, at_ms) for rule, at_ms in history.reversed_in(room)), key=_by_time)
        offset = ties.registry_offset if ties.registry_offset >= 0 else None
        return replace(
            said,
            answered=ties.answered,
            registry_offset=offset,
            upheld_mark=ties.upheld_mark,
            upheld=upheld[-UPHELD_MAX:],
            overturned=overturned[-UPHELD_MAX:],
        )
    for known, fleet in ties.fleets:
        if known == key:
            return replace(said, size=fleet.size, permitted=fleet.permitted)
    return said


def _by_time(one: Upheld) -> tuple[int, str]:
    return one.at_ms, one.rule


def _ask(room: Room, ties: Ties, base: Identity) -> Identity | None:
    """The session's index, until it has one; then restrictions, while there is evidence for one."""
    base = replace(base, kind="platform", identity=room.session.platform)
    if not ties.index:
        return base
    if room.accrues_ms(room.max_at_ms) - room.session.start_ms > elond.TESTED_HOURS * MS_PER_HOUR:
        return None  # beyond that M/T is no e-value
    tests = [
        Test(name, min(room.session.families["PLAY_LONG" if name == "PLAY" else name].mass(), 1e13))  # type: ignore[arg-type]
        for name in elond.FAMILIES
        if name not in ties.allowed
        and name in room.session.families
        and room.session.families[name].level >= Level.RESTRICT
    ]
    return replace(base, index=ties.index, threshold=ties.threshold, tests=tests) if tests else None
