"""What a room reaches, and when: the same room by right clocks and under a fault.

`ROOMS` are the golden rooms and a room of every simulated kind. `course` gives the log of one to the worker's core and
notes when each reading first got so high: levels, certainties, what accuses of the label, and rules, by a right clock.
A fault may delay that. It may not hasten it, nor reach more: `excess` tells where it does.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from tests.golden.cases import CASES
from tests.meaning.core import Line, book, said_in
from tests.meaning.log import MINUTE
from tests.meaning.rooms import T0, Faults, Happening, appended, source_of
from worker.audit.evidence import FAMILIES
from worker.audit.room import Room
from worker.lab.simulate import ARCHETYPES, at_ms_of, simulate
from worker.partition.append_time import APPENDED
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.inputs import ACCUSING
from worker.policy.judge import Judge
from worker.policy.model import Decision
from worker.tools import roomlog
from worker.topics import EVENTS_TOPIC, VIOLATIONS_TOPIC

TAIL = 6 * MINUTE
"""A bent room ends so long before the same by right clocks, whose log must tell of all that W then passes."""
BUSTLE = frozenset({"viewer.liked", "viewer.joined", "viewer.left", "viewer.followed", "viewer.shared"})
"""Types that fill a log and are no evidence."""

First = dict[tuple[str, int], int]
"""(name of a reading, how high) → the minute in which it first was so high."""


class Bent(NamedTuple):
    """A room whose log is bent. `honest`: it is one of an honest kind, or a golden one in which no rule opens."""

    name: str
    honest: bool
    happened: Callable[[], Sequence[Happening]]


@cache
def played(archetype: str, minutes: int, seed: int = 1) -> tuple[Happening, ...]:
    """A simulated room as the worker's laboratory plays it."""
    events = simulate(archetype, seed, duration_ms=minutes * MINUTE, started_at_ms=T0, ends=False)
    return tuple(Happening(at_ms_of(e), source_of(e), e) for e in events if e["type"] not in BUSTLE)


@cache
def captured(log: Path) -> tuple[Happening, ...]:
    """A golden room."""
    events = [json.loads(record.value or b"") for record in roomlog.read(log)]
    return tuple(Happening(at_ms_of(e), source_of(e), e) for e in events if e["type"] not in BUSTLE)


def by_voice(archetype: str, minutes: int) -> Sequence[Happening]:
    """A simulated room in which nothing but speech answers."""
    return [h for h in played(archetype, minutes) if h.event["type"] not in ("host.reply", "host.action")]


BY_VOICE = ("responsive", "scripted_human", "avatar_driven")
HONEST_MINUTES, GUILTY_MINUTES = 60, 90


@cache
def rooms() -> Mapping[str, Bent]:
    """Every room by name: golden ones, and one of every simulated kind."""
    found = [
        Bent(f"golden/{case.name}", not case.opened and ARCHETYPES[case.archetype].honest, partial(captured, case.log))
        for case in CASES
    ]
    for name, kind in ARCHETYPES.items():
        minutes = HONEST_MINUTES if kind.honest else GUILTY_MINUTES
        found.append(Bent(f"simulated/{name}", kind.honest, partial(played, name, minutes)))
    found += [Bent(f"by voice/{name}", True, partial(by_voice, name, HONEST_MINUTES)) for name in BY_VOICE]
    return {room.name: room for room in found}


class Noted(Judge):
    """The worker's judge, which also notes how high each reading of its room has been."""

    def __init__(self) -> None:
        super().__init__(book())
        self.peaks: dict[str, int] = {}

    def evaluate(self, room: Room, now_ms: int) -> list[Decision]:
        """Judge as the worker does."""
        if room.changed:
            for name, value in readings(room).items():
                if value > self.peaks.get(name, 0):
                    self.peaks[name] = value
        return super().evaluate(room, now_ms)


def readings(room: Room) -> dict[str, int]:
    """What accuses a room now, as far as rules may read it; the more, the higher."""
    facts = room.session.facts
    found = {f"level.{name}": room.level(name) for name in FAMILIES}
    found.update({f"{name}.certainty": getattr(facts, name).certainty for name in ACCUSING})
    if facts.ai_presenter.certainty:  # a person needs no label
        found["label.visible = false"] = int(facts.label.visible is False)
        found["label.continuous = false"] = int(facts.label.continuous is False)
    return found


def course(happened: Sequence[Happening], faults: Faults) -> First:
    """Give the core the log of a room under faults; the minute in which each reading first was so high."""
    judge, found = Noted(), First()
    processor = PartitionProcessor(topic=EVENTS_TOPIC, partition=0, rooms=MemoryRooms(), judge=judge)
    minutes: dict[int, list[Line]] = {}
    start = happened[0].at
    for offset, (at, event) in enumerate(appended(happened, faults)):
        wrong = faults.leader[2] if faults.leader and faults.leader[0] <= offset < faults.leader[1] else 0
        line = Line(offset, at + wrong, str(event["room_id"]).encode(), json.dumps(event).encode(),
                    timestamp_type=APPENDED)  # fmt: skip
        minutes.setdefault((at - start) // MINUTE, []).append(line)
    for minute, lines in sorted(minutes.items()):
        out = processor.process(lines)
        reached = dict(judge.peaks)
        for record in out.of(VIOLATIONS_TOPIC):
            said = said_in(record.value or b"")
            if said.transition in ("opened", "escalated"):
                reached[f"rule {said.rule} {said.mode}: step"] = said.step + 1
                reached[f"rule {said.rule} {said.mode}: certainty"] = said.certainty
        for name, value in reached.items():
            for height in range(1, value + 1):
                found.setdefault((name, height), minute)
    return found


class Excess(NamedTuple):
    """A reading that was higher than by right clocks. `right`: the minute in which that was reached; None: never."""

    reading: str
    height: int
    minute: int
    right: int | None


SLACK, BLOCK = 1, 6
"""Minutes by which a fault may hasten what right clocks reach, too: what a fast clock takes off a source's own delay,
and a block, for evidence of what is true. Blocks hold other looks where clocks differ."""
OF_BLOCKS = ("level.", "ai_presenter.")


def excess(right: First, wrong: First, mirror: int = 0) -> list[Excess]:
    """Where a room under a fault was higher than the same room by right clocks up to then."""
    found = []
    for (reading, height), minute in sorted(wrong.items()):
        by_right = right.get((reading, height))
        slack = BLOCK if reading.startswith(OF_BLOCKS) else SLACK
        if by_right is None or by_right > minute + slack - mirror // MINUTE:
            found.append(Excess(reading, height, minute, by_right))
    return found


def cut(happened: Sequence[Happening]) -> list[Happening]:
    """The room without its end."""
    length = happened[-1].at - happened[0].at
    until = happened[-1].at - min(TAIL, length // 4)
    return [h for h in happened if h.at < until]
