"""What an earlier release knew of rooms, hosts and platforms when it stopped: the records of `live.audit.history`.

`stream-audit history export` writes them. A worker without state of its own reads them before it judges, and so does a
replay. What they say is taken up where the earlier release stopped (`Activation`), not before: until there the log is
judged again, but silently.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import replace

from worker.audit.elond import FOUND_MAX
from worker.audit.events import Id, Millis, Name, Platform, Shop

EPISODES_MAX = 64
UPHELD_MAX = 512  # of a room: `history.RULES_MAX` rules, `history.PER_RULE_MAX` times each
HOST_UPHELD_MAX = 64
SHOPS_MAX = 64

MaybeId = Annotated[str, Meta(max_length=64)]  # empty where the earlier release did not know it
Offset = Annotated[int, Meta(ge=0, le=9_007_199_254_740_991)]
Number = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{16}$", max_length=16)]

T = TypeVar("T")


class PastUpheld(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A violation that a person upheld: of which rule, and when (event time, ms).

    Attributes:
        opened_ms, violation_id: when its episode opened, and a record of it, where that is still known.
        room_id: in which room, where this is said of a host.
    """

    rule: Name
    at_ms: Millis
    opened_ms: Millis | None = None
    violation_id: Id | None = None
    room_id: Id | None = None


class PastEpisode(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An episode that people may still review, or that was open; fields as in `audit.room.Episode`."""

    rule: Name
    state: Literal["open", "escalated", "cleared", "withdrawn"]
    opened_ms: Millis
    stepped_ms: Millis
    step: Number
    mode: Name
    session_id: MaybeId
    violation_id: MaybeId
    certainty: Annotated[int, Meta(ge=0, le=3)]
    policy_version: Number
    false_since_ms: Millis = 0
    upheld: bool = False
    parked: MaybeId = ""
    exempt: bool = False
    began: Number = 0


class PastRoom(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="history.room", tag_field="type"):
    """A room about which people have decided something, or may.

    Attributes:
        offset: of the last record of the room log that this rests on.
        at_ms: the room's newest event time.
    """

    room_id: Id
    offset: Offset
    at_ms: Millis
    platform: Platform
    region: MaybeId = ""
    host_id: MaybeId = ""
    operator_id: MaybeId = ""
    session_id: MaybeId = ""
    started_at_ms: Millis = 0
    shop_ids: Annotated[list[Shop], Meta(max_length=SHOPS_MAX)] = []
    upheld: Annotated[list[PastUpheld], Meta(max_length=UPHELD_MAX)] = []
    episodes: Annotated[list[PastEpisode], Meta(max_length=EPISODES_MAX)] = []


class PastHost(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="history.host", tag_field="type"):
    """What people upheld against a host, in all rooms. `at_ms` is the newest event time that was told of the host."""

    host_id: Id
    at_ms: Millis
    upheld: Annotated[list[PastUpheld], Meta(max_length=HOST_UPHELD_MAX)] = []


class PastPlatform(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="history.platform", tag_field="type"):
    """How far e-LOND has come on a platform (`audit.elond`). `found`: hashes of the latest positive tests, in hex."""

    platform: Platform
    sessions: Offset
    discoveries: Offset
    found: Annotated[list[Hash], Meta(max_length=FOUND_MAX)] = []


class Activation(Struct, frozen=True, kw_only=True, tag="history.activation", tag_field="type"):
    """Where an earlier release stopped in one partition of a topic, and the next one begins to speak.

    Attributes:
        source: the topic: the room log or the identities'.
        offset: of the first record that the earlier release has not applied.
        app_id: of the earlier release. state_version: of its state.
    """

    source: Literal["rooms", "identities"]
    partition: Annotated[int, Meta(ge=0, le=1_000_000)]
    offset: Offset
    app_id: Annotated[str, Meta(max_length=200)]
    state_version: Number


Past = PastRoom | PastHost | PastPlatform | Activation


def key_of(past: Past) -> str:
    """The record's key in the topic."""
    if isinstance(past, PastRoom):
        return f"room:{past.room_id}"
    if isinstance(past, PastHost):
        return f"host:{past.host_id}"
    if isinstance(past, PastPlatform):
        return f"platform:{past.platform}"
    return f"activation:{past.source}:{past.partition}"


def united(old: Past | None, new: Past) -> Past:
    """What `new` says on top of what an export said before: upheld violations of both, of everything else the newer.

    Taking the same once more changes nothing.
    """
    if isinstance(old, PastRoom) and isinstance(new, PastRoom):
        return replace(new, upheld=_union(old.upheld, new.upheld)[-UPHELD_MAX:])
    if isinstance(old, PastHost) and isinstance(new, PastHost):
        return replace(new, upheld=_union(old.upheld, new.upheld)[-HOST_UPHELD_MAX:])
    if isinstance(old, PastPlatform) and isinstance(new, PastPlatform):
        return replace(
            new,
            sessions=max(old.sessions, new.sessions),
            discoveries=max(old.discoveries, new.discoveries),
            found=_merged(old.found, new.found)[-FOUND_MAX:],
        )
    return new


def _union(old: Iterable[PastUpheld], new: Iterable[PastUpheld]) -> list[PastUpheld]:
    """Each violation once, in order of time; where one side knows its episode, that side is taken."""
    found: dict[tuple[int, str, str], PastUpheld] = {}
    for one in (*old, *new):
        place = (one.at_ms, one.rule, one.room_id or "")
        if place not in found or one.opened_ms is not None:
            found[place] = one
    return [found[place] for place in sorted(found)]


def _merged(old: Iterable[T], new: Iterable[T]) -> list[T]:
    return list(dict.fromkeys((*old, *new)))
