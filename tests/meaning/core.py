"""Ask the worker's own core about the log of one room, record by record.

This module and those that compare are all of `tests.meaning` that knows the worker. It drives the partition's
processor with the bytes of one record at a time, so it knows only what stands in the room afterwards, what went out,
and what was counted. Who moves a field of the room moves it here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, NamedTuple

from tests.meaning.episodes import Decision as Expected
from tests.meaning.log import Record
from tests.meaning.rules import CERTAINTIES
from worker.audit.evidence import FAMILIES
from worker.audit.room import BLOCK_MS, Phase, Room, block_start
from worker.partition.append_time import APPENDED, CREATED, AppendTimes
from worker.partition.rooms import Counts, MemoryRooms, PartitionProcessor
from worker.policy.book import PolicyBook
from worker.policy.inputs import CONSTANTS, VARIABLES, of_room
from worker.policy.judge import ALWAYS, LOOK_AT_ALL, Judge
from worker.policy.model import Decision
from worker.records import Record as Arrived
from worker.tools.policyfiles import read_policies
from worker.topics import EVENTS_TOPIC, VIOLATIONS_TOPIC

READ = tuple(name for name in VARIABLES if name not in CONSTANTS)
"""Every value that a rule may read: `fact.field`, `held.fact`, `level.family`, and `signals`."""

FATES = {"applied": "applied", "duplicate": "duplicate", "late": "late", "foreign": "foreign",
         "dead_lettered": "rejected"}  # fmt: skip
"""What the core counts → what the contract calls it."""


class Line(NamedTuple):
    """A record as a broker hands it out; its timestamp may be its producer's."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_type: int = APPENDED


class Said(NamedTuple):
    """A violation record, as far as the contract speaks of it."""

    offset: int
    rule: str
    mode: str
    transition: str
    step: int
    certainty: int
    session_id: str
    actions: tuple[str, ...]

    @classmethod
    def of(cls, decision: Expected) -> "Said":
        """What the other judge says, in the same words."""
        d = decision
        return cls(d.offset, d.rule, d.mode, d.transition, d.step, d.certainty, d.session_id, d.actions)


@dataclass(frozen=True, slots=True)
class Standing:
    """Which session a room is in. `state`: undescribed, live or closed. `first`: the offset at which it began."""

    session_id: str
    first: int
    state: str


@dataclass(frozen=True, slots=True)
class After:
    """One record of the log, and how the core's room stands after it.

    Attributes:
        status: what became of the record, in the words of the contract.
        standing: the session that the room is in; None before there is a room.
        append, newest, watermark: A, M and W in ms; None where the core keeps no such time.
        values: what rules would read now, by the names of `READ`.
        looked: ids of the rules that were looked at on the air; None when no rule was.
        said: the violations that left.
        bets: how many bets the signals have made that join speech with what the gateway tells.
        block: start of the open block, ms.
        levels: of the families of evidence.
    """

    offset: int
    status: str
    standing: Standing | None = None
    append: int | None = None
    newest: int | None = None
    watermark: int | None = None
    values: Mapping[str, Any] | None = None
    looked: frozenset[str] | None = None
    said: tuple[Said, ...] = ()
    bets: int = 0
    block: int = 0
    levels: Mapping[str, int] = field(default_factory=dict)


class WatchedJudge(Judge):
    """The worker's judge, which also notes at which rules it looked."""

    looked: frozenset[str] | None = None

    def evaluate(self, room: Room, now_ms: int) -> list[Decision]:
        """Judge as the worker does."""
        changed = room.changed
        active = self.book.active(room.session.platform, room.session.region, room.max_at_ms)
        if changed & (active.mask | ALWAYS) and room.session.phase != Phase.CLOSED:
            every = changed & LOOK_AT_ALL
            rules = zip(active.rules, active.masks, strict=True)
            looked = frozenset(rule.id for rule, mask in rules if every or changed & mask)
            self.looked = looked | (self.looked or frozenset())
        return super().evaluate(room, now_ms)


@cache
def book() -> PolicyBook:
    """The policies that ship."""
    return read_policies()


def phase_ms(room_id: str) -> int:
    """Where the core lets a room's blocks begin."""
    return block_start(room_id, 1 << 50) % BLOCK_MS


def follow(records: Sequence[Record], *, values: bool = True) -> list[After]:
    """Give the core the log of one room. `values`: also what rules would read after each record."""
    rooms, judge = MemoryRooms(), WatchedJudge(book())
    processor = PartitionProcessor(topic=EVENTS_TOPIC, partition=0, rooms=rooms, judge=judge)
    followed = []
    for record, line in zip(records, _appended(records), strict=True):
        room_id = str(record.event["room_id"])
        before, judge.looked = _counted(processor.counts), None
        out = processor.process([line])
        said = [said_in(record.value or b"") for record in out.of(VIOLATIONS_TOPIC)]
        status = next(fate for fate, n in _counted(processor.counts).items() if n > before[fate])
        after = After(record.offset, status, looked=judge.looked, said=tuple(said))
        room = rooms.live.get(room_id)
        followed.append(after if room is None else _stand(after, room, values))
    return followed


def _appended(records: Sequence[Record]) -> Sequence[Arrived]:
    """The records with their append times, as the partition lets them in on a worker whose clock is late enough."""
    lines = [
        Line(r.offset, r.timestamp_ms, str(r.event["room_id"]).encode(), json.dumps(r.event).encode(),
             timestamp_type=CREATED if r.created else APPENDED)
        for r in records
    ]  # fmt: skip
    baseline_ms = next((r.timestamp_ms for r in records if not r.created), None)
    if baseline_ms is None:  # such a log waits for ever; the contract says no more of it
        return lines
    admitted, wait = AppendTimes(baseline_ms=baseline_ms).admit(lines, now_ms=1 << 62)
    assert wait is None
    return admitted


def _counted(counts: Counts) -> dict[str, int]:
    return {fate: int(getattr(counts, name, 0)) for name, fate in FATES.items()}


def _stand(after: After, room: Room, values: bool) -> After:
    """Note how a room stands."""
    session = room.session
    state = "closed" if session.phase == Phase.CLOSED else "live" if session.began_ms else "undescribed"
    family = session.families.get("NONINT")
    return replace(
        after,
        standing=Standing(session.id, session.first_offset, state),
        append=room.appended_ms,
        newest=room.max_at_ms,
        watermark=room.watermark_ms,
        values=of_room(room, room.appended_ms).values(READ) if values else None,
        bets=sum(family.blocks) if family is not None else 0,
        block=session.block_start_ms,
        levels={name: room.level(name) for name in FAMILIES},
    )


def said_in(value: bytes) -> Said:
    """What a violation record says."""
    said = json.loads(value)
    actions = [action["action"] for action in said["actions"]]
    if said.get("review_sample"):
        actions = actions[:-1]  # a sample of all that leaves; the contract does not speak of it
    return Said(
        said["log"]["last_offset"], said["rule"]["id"], said["mode"], said["transition"], said["step"],
        CERTAINTIES[said["certainty"].upper()], said["session_id"], tuple(actions),
    )  # fmt: skip
