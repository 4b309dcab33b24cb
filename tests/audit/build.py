"""Events with sensible defaults, logs of them, and a room that they are applied to."""

from collections.abc import Iterable
from itertools import count
from typing import Any

from worker.audit import events as e
from worker.audit import snapshot
from worker.audit.apply import apply
from worker.audit.room import Room, block_start
from worker.audit.sessions import Status

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
ROOM_ID = "douyin:1"
T0 = block_start(ROOM_ID, 1_740_000_000_000)
"""A block of this room begins here."""


class Ids:
    """Numbers of events. Each test counts them from the same start, so none depends on those that ran before it."""

    def __init__(self) -> None:
        self._numbers = count()

    def restart(self) -> None:
        """Begin above all that modules take while they are loaded."""
        self._numbers = count(1_000_000)

    def __next__(self) -> int:
        return next(self._numbers)


ids = Ids()
_DESCRIPTOR = {"platform": "douyin", "region": "CN", "host_id": "h1", "started_at_ms": T0, "selling": True}
_DEFAULTS: dict[type, dict[str, Any]] = {
    e.RoomOpened: _DESCRIPTOR,
    e.RoomHeartbeat: {**_DESCRIPTOR, "viewers": 50},
    e.RoomPaused: {},
    e.RoomResumed: {},
    e.RoomClosed: {},
    e.ViewerJoined: {"viewer_id": "v1"},
    e.ViewerLeft: {"viewer_id": "v1"},
    e.ViewerLiked: {"count": 1},
    e.ViewerFollowed: {"viewer_id": "v1"},
    e.ViewerShared: {"viewer_id": "v1"},
    e.ViewerComment: {"comment_id": "c1", "viewer_id": "v1", "text": "好"},
    e.ViewerGift: {"viewer_id": "v1", "gift_id": "g1", "value": 100, "currency": "CNY"},
    e.ViewerOrder: {"viewer_id": "v1", "product_id": "p1", "quantity": 1, "value": 100, "currency": "CNY"},
    e.ViewerTally: {"span_ms": 10_000},
    e.HostSpeech: {"segment_id": "s", "text": "好"},
    e.HostReply: {"medium": "voice"},
    e.HostAction: {"kind": "pin_product"},
    e.DetectorScore: {
        "detector": "voice-audit", "version": "1", "modality": "voice", "score": 0.1, "look_ms": 10_000,
    },
    e.WatermarkRead: {"scheme": "synthid", "detector": "d", "outcome": "detected"},
    e.ProvenanceRead: {"source": "gb45438", "trusted": True, "tampered": False},
    e.LabelState: {"kind": "digital_human", "visible": True, "by": "host"},
    e.ChallengeIssued: {"challenge_id": "c", "kind": "wave", "deadline_ms": T0},
    e.ChallengeResult: {"challenge_id": "c", "outcome": "failed"},
    e.PersonaFlag: {"kind": "foreign", "conduct": "courses", "confidence": 0.95},
    e.LikenessMatch: {"person_id": "p", "similarity": 0.99, "consent": "none"},
    e.FrameMeasured: {"person_present": True},
    e.ProductMedia: {"product_id": "p", "synthetic": True, "misleading": True},
    e.RegistrationState: {
        "host_id": "h1", "avatar_registered": True, "driver_verified": True, "likeness_consent": True,
        "registry_offset": 1,
    },
    e.FleetMatched: {"kind": "voice", "identity": "i", "rooms": ["a", "b"], "size": 2, "permitted": False},
    e.RestrictionTested: {"index": 1, "threshold": 1e9, "discoveries": 0, "allowed": False},
    e.ReviewDecided: {"violation_id": "v", "outcome": "upheld", "by": "reviewer"},
}  # fmt: skip
EVERY_TYPE: tuple[type, ...] = tuple(_DEFAULTS)


def ev(kind: type, at_ms: int, /, **fields: Any) -> Any:
    """An event of `kind` at event time `at_ms` (below a year: after T0), with a fresh id, of session s1."""
    at_ms = at_ms if at_ms > 31_536_000_000 else T0 + at_ms
    if kind is e.HostSpeech:  # recognised as soon as it was said
        fields = {"start_ms": at_ms, "end_ms": at_ms, **fields}
    return kind(**{"id": f"e{next(ids)}", "room_id": ROOM_ID, "at_ms": at_ms, "session_id": "s1",
                   **_DEFAULTS[kind], **fields})  # fmt: skip


def beat(at_ms: int, **fields: Any) -> Any:
    """A heartbeat."""
    return ev(e.RoomHeartbeat, at_ms, **fields)


def ask(at_ms: int, text: str = "这件衣服多少钱？", **fields: Any) -> Any:
    """A viewer's question."""
    return ev(e.ViewerComment, at_ms, text=text, **fields)


def say(at_ms: int, text: str = "今天天气不错我们慢慢聊", **fields: Any) -> Any:
    """A segment of the host's speech."""
    return ev(e.HostSpeech, at_ms, text=text, **fields)


def challenged(at_ms: int, **result: Any) -> list[Any]:
    """A challenge of its own, and its result in the same moment: failed, unless `result` says otherwise."""
    name = f"c{next(ids)}"
    return [ev(e.ChallengeIssued, at_ms, challenge_id=name), ev(e.ChallengeResult, at_ms, challenge_id=name, **result)]


def beats(until_ms: int, *, from_ms: int = 0, every_ms: int = 20 * SECOND, **fields: Any) -> list[Any]:
    """Heartbeats from `from_ms` to `until_ms`, both included."""
    return [beat(at_ms, **fields) for at_ms in range(from_ms, until_ms + 1, every_ms)]


def in_time(*groups: Iterable[Any]) -> list[Any]:
    """Events of all groups by event time; ties keep the order given."""
    return sorted((event for group in groups for event in group), key=lambda event: event.at_ms)


def feed(room: Room, events: Iterable[Any], first_offset: int | None = None) -> list[Status]:
    """Apply events as the processor does, without rules; returns what became of each."""
    statuses = []
    offset = room.offset + 1 if first_offset is None else first_offset
    for event in events:
        status = apply(room, event, offset, event.at_ms)
        if status is Status.SESSION_ENDED:
            room.changed = 0
            status = apply(room, event, offset, event.at_ms)
        room.offset = offset
        room.changed = 0
        offset += 1
        statuses.append(status)
    return statuses


def a_room(events: Iterable[Any] = ()) -> Room:
    """A room that has seen these events."""
    room = Room(ROOM_ID, 3)
    feed(room, events)
    return room


def reborn(room: Room, chunks: dict[int, bytes]) -> Room:
    """The room after a crash: from its snapshot; `chunks`, what was saved of its speech, is brought up to date."""
    chunks.update(snapshot.take_changed_chunks(room))
    return snapshot.decode(snapshot.encode(room), chunks)
