"""Scenes of rooms that may share identities, judged together as a deployment judges them.

Room partitions and identity partitions are driven in turns of event time: what rooms tell of themselves goes to the
matching, and its answers stand in the rooms' logs before the next turn. Who is told of a fleet, when, and whether the
fleet is permitted, is what comes out.
"""

from collections.abc import Iterator
from zlib import crc32

import orjson
from msgspec import Struct, field

from worker.audit.announce import PERIOD_MS
from worker.audit.evidence import MS_PER_HOUR
from worker.egress.identities import partition_key
from worker.lab.evaluate.rooms import batches, shipped_judge
from worker.lab.simulate import SPARSE, Event, at_ms_of
from worker.lab.simulate.scenes import SCENES
from worker.lab.simulate.stage import MINUTE_MS, host_of
from worker.partition.identities import Kept, MatchProcessor, Placed
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.records import OutRecord
from worker.tools.roomlog import LogRecord
from worker.topics import EVENTS_TOPIC, IDENTITIES_TOPIC, REGISTRY_TOPIC, VIOLATIONS_TOPIC

PARTITIONS = 3
TURN_MS = 5_000
WITHIN_MIN = 2 * PERIOD_MS / MINUTE_MS
"""Two identity periods: by then every room of a farm is to be told."""
FARM_RULE = "CN-FLEET-01"
SHARED: dict[str, tuple[str, ...]] = {
    "avatar_farm": ("operator", "ip", "voice"),
    "official_rooms": ("operator", "device", "ip"),
    "strangers": (),
}
"""What the rooms of a scene share, and are to be told of."""


class SceneJob(Struct, frozen=True):
    """A scene to judge for so many minutes."""

    scene: str
    seed: int
    minutes: int


class SceneOutcome(Struct):
    """What became of a scene.

    Attributes:
        honest: none of its rooms should be told of a fleet that is not permitted.
        told_min: by kind of identity and room, when it was first told of a fleet that is not permitted: minutes from
            when the room opened.
        permitted: by kind, the rooms that were told of a permitted fleet.
        reviews: rooms in which the rule about farms opened, live or in shadow.
    """

    job: SceneJob
    honest: bool
    rooms: int = 0
    events: int = 0
    told_min: dict[str, dict[str, float]] = field(default_factory=dict)
    permitted: dict[str, set[str]] = field(default_factory=dict)
    reviews: set[str] = field(default_factory=set)

    @property
    def hours(self) -> float:
        """Room-hours."""
        return room_hours(self.job)


def room_hours(job: SceneJob) -> float:
    """How long the rooms of a scene are open, in all."""
    length_ms = job.minutes * MINUTE_MS
    return sum(max(0, length_ms - member.opens_ms) for member in SCENES[job.scene].cast(job.seed)) / MS_PER_HOUR


class Memory:
    """Matches in a dictionary and nowhere else."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.dirty: set[str] = set()
        self.activation = 0


class Deployment:
    """Partitions of rooms and of identities, with their logs in between, in memory."""

    def __init__(self) -> None:
        self._rooms = [
            PartitionProcessor(topic=EVENTS_TOPIC, partition=p, rooms=MemoryRooms(), judge=shipped_judge())
            for p in range(PARTITIONS)
        ]
        self._matching = [
            MatchProcessor(partition=p, rooms_partitions=PARTITIONS, matches=Memory()) for p in range(PARTITIONS)
        ]
        self._waiting: list[list[LogRecord]] = [[] for _ in range(PARTITIONS)]
        self._ends: dict[tuple[str, int], int] = {}
        self.opened: list[tuple[str, str]] = []  # (room, rule), live or in shadow

    def write(self, event: Event) -> None:
        """Put an event of a room's gateway into the room log."""
        key = str(event["room_id"]).encode()
        self._append(crc32(key) % PARTITIONS, key, orjson.dumps(event), at_ms_of(event))

    def register(self, host_id: str, **known: object) -> None:
        """Put a host into the registry; the answers go into the rooms' logs."""
        key = host_id.encode()
        value = orjson.dumps({"host_id": host_id, **known})
        self._answer(self._match(REGISTRY_TOPIC, key, key, value, 0))

    def turn(self) -> list[Event]:
        """Judge what waits; returns the answers, which wait now."""
        answers = []
        for partition, processor in enumerate(self._rooms):
            waiting, self._waiting[partition] = self._waiting[partition], []
            out = processor.process(waiting)
            for record in out.of(VIOLATIONS_TOPIC):
                violation = orjson.loads(record.value or b"")
                if violation["transition"] == "opened":
                    self.opened.append((violation["room_id"], violation["rule"]["id"]))
            for said in out.of(IDENTITIES_TOPIC):
                assert said.key is not None, "an identity has one"
                placed = self._match(
                    IDENTITIES_TOPIC, partition_key(said.key), said.key, said.value, said.timestamp_ms or 0
                )
                answers += self._answer(placed)
        return answers

    def _match(self, topic: str, placed_by: bytes, key: bytes, value: bytes | None, at_ms: int) -> list[Placed]:
        partition = crc32(placed_by) % PARTITIONS
        record = LogRecord(partition, self._next(topic, partition), at_ms, key, value)
        return self._matching[partition].process([record], topic)

    def _answer(self, placed: list[Placed]) -> list[Event]:
        for one in placed:
            out: OutRecord = one.record
            assert out.topic == EVENTS_TOPIC and out.key is not None, f"a dead letter: {out}"
            self._append(one.partition, out.key, out.value, out.timestamp_ms or 0)
        return [orjson.loads(one.record.value or b"") for one in placed]

    def _append(self, partition: int, key: bytes, value: bytes | None, at_ms: int) -> None:
        offset = self._next(EVENTS_TOPIC, partition)
        self._waiting[partition].append(LogRecord(partition, offset, at_ms, key, value))

    def _next(self, topic: str, partition: int) -> int:
        offset = self._ends.get((topic, partition), 0)
        self._ends[topic, partition] = offset + 1
        return offset


def judge_scene(job: SceneJob) -> SceneOutcome:
    """Play a scene through a deployment, at a sparse pace: identities are told by the clock, not by the comment."""
    scene, deployment = SCENES[job.scene], Deployment()
    truths, members = scene.truths(job.seed), scene.cast(job.seed)
    honest = all(truth.honest for truth in truths)
    outcome = SceneOutcome(job, honest, rooms=len(truths))
    opened_ms = {
        truth.room_id: scene.starts_ms + member.opens_ms for truth, member in zip(truths, members, strict=True)
    }
    for truth, member in zip(truths, members, strict=True):
        if member.setting.brand_id:
            deployment.register(
                host_of(truth.room_id), platform=truth.room_id.split(":")[0], avatar_registered=False,
                driver_verified=True, likeness_consent=True, updated_at_ms=scene.starts_ms,
                brand_id=member.setting.brand_id,
            )  # fmt: skip
    for batch in batches(scene.play(job.seed, duration_ms=job.minutes * MINUTE_MS, pace=SPARSE), TURN_MS):
        for event in batch:
            deployment.write(event)
        outcome.events += len(batch)
        for kind, room_id, permitted, at_ms in _told(deployment.turn()):
            if permitted:
                outcome.permitted.setdefault(kind, set()).add(room_id)
            else:
                told = outcome.told_min.setdefault(kind, {})
                told.setdefault(room_id, (at_ms - opened_ms[room_id]) / MINUTE_MS)
    deployment.turn()
    outcome.reviews = {room_id for room_id, rule in deployment.opened if rule == FARM_RULE}
    return outcome


def _told(answers: list[Event]) -> Iterator[tuple[str, str, bool, int]]:
    for answer in answers:
        if answer["type"] == "fleet.matched" and int(str(answer["size"])) >= 2:  # else it has parted
            yield str(answer["kind"]), str(answer["room_id"]), bool(answer["permitted"]), at_ms_of(answer)
