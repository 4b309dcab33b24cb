"""Records of a room's log, and the times that the contract gives them (CONTRACT.md, "Times")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xxhash

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

AHEAD_MS = 120 * SECOND  # how far a register's clock may order it beyond its append time
WILD_MS = 24 * HOUR  # beyond: a wrong unit, a letter

KINDS: dict[str, str] = {
    **dict.fromkeys(("room.opened", "room.heartbeat"), "descriptor"),
    **dict.fromkeys(("room.paused", "room.resumed", "room.closed"), "session"),
    **dict.fromkeys(("viewer.joined", "viewer.left", "viewer.liked", "viewer.followed", "viewer.shared",
                     "viewer.tally"), "counter"),
    **dict.fromkeys(("viewer.comment", "viewer.gift", "viewer.order", "host.reply", "host.action", "host.speech",
                     "detector.score"), "statistic"),
    **dict.fromkeys(("challenge.issued", "challenge.result"), "challenge"),
    **dict.fromkeys(("watermark.read", "provenance.read", "persona.flag", "product.media", "likeness.match"), "fact"),
    **dict.fromkeys(("label.state", "frame.measured"), "register"),
    **dict.fromkeys(("registration.state", "fleet.matched", "restriction.tested", "review.decided"), "answer"),
}  # fmt: skip
"""Event type → kind. Descriptors, session events and answers are registers, too."""

CLASSES: dict[str, str] = {
    **{name: "G" for name in KINDS if name.split(".")[0] in ("room", "viewer")},
    **dict.fromkeys(("host.reply", "host.action"), "G"),
    "host.speech": "S",
    **dict.fromkeys(("detector.score", "frame.measured"), "L"),
    **dict.fromkeys(("challenge.issued", "challenge.result"), "C"),
}
"""Event type → class of its source: gateway, speech, looks, challenges. Other types have none."""

PRIVILEGED = frozenset({"watermark.read", "provenance.read", "challenge.issued", "challenge.result",
                        "registration.state", "fleet.matched", "restriction.tested", "review.decided"})  # fmt: skip
"""Types that are signed: a clock ahead by more than 120 s is a letter, not clamped. So is a platform's label."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the broker keeps it. `created`: its batch carries CreateTime, which its producer's clock wrote."""

    offset: int
    timestamp_ms: int
    event: Mapping[str, Any]
    created: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A record with its times, all in Unix ms."""

    offset: int
    append: int  # A: the running maximum of the room's append times
    at: int  # as the producer said
    e: int  # effective time
    tells: int  # the time of what it tells: the end of what was said for speech, else e
    key: tuple[int, int]  # orders registers
    id: str
    kind: str
    cls: str
    type: str
    event: Mapping[str, Any]
    behind: int = 0  # W when it came

    def shifted(self, field: str) -> int:
        """Another time that the event carries, moved as its own was."""
        return int(self.event[field]) + self.e - self.at


def baseline_of(records: Sequence[Record]) -> int | None:
    """The append time of the partition's first LogAppendTime batch. None: it has none."""
    return next((record.timestamp_ms for record in records if not record.created), None)


def appended(record: Record, baseline_ms: int | None) -> int:
    """When the broker appended a record, at the latest."""
    if record.created and baseline_ms is not None:
        return min(record.timestamp_ms, baseline_ms)
    return record.timestamp_ms


def entry(record: Record, append: int) -> Entry:
    """Give a record its times. `append` is the room's A with this record in it."""
    event = record.event
    at = int(event["at_ms"])
    e = min(at, append)
    ended = int(event["end_ms"]) if event["type"] == "host.speech" else at
    tells = (ended if at - WILD_MS <= ended < at else at) + e - at
    rank = xxhash.xxh3_64_intdigest(str(event["id"]).encode())
    return Entry(
        record.offset, append, at, e, tells, (min(at, append + AHEAD_MS), rank), str(event["id"]),
        KINDS[event["type"]], CLASSES.get(event["type"], ""), str(event["type"]), event,
    )  # fmt: skip


def is_letter(event: Mapping[str, Any], append: int) -> bool:
    """Whether a clock is too far ahead for the record to count."""
    ahead = int(event["at_ms"]) - append
    privileged = event["type"] in PRIVILEGED or (event["type"] == "label.state" and event["by"] == "platform")
    return ahead > (AHEAD_MS if privileged else WILD_MS)
