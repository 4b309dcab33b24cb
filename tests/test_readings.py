"""What a worker's counters become at a scrape: labels that a person reads, and no more of them than are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from worker.audit.evidence import Level
from worker.engine.readings import of_rooms
from worker.engine.rooms import RoomAgent
from worker.lab.simulate import at_ms_of, simulate
from worker.policy.judge import Judge
from worker.records import OutRecord
from worker.state.outbox import Outbox
from worker.state.outputs import Identity
from worker.state.stores import Stores
from worker.tools.policyfiles import read_policies
from worker.topics import EVENTS_TOPIC

MINUTE_MS = 60_000


class Record(NamedTuple):
    """A record as a broker would hand it out."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def engine() -> RoomAgent:
    """Everything that judges, with partition 0 assigned and nobody to send to."""

    async def send(topic: str, partition: int, records: Sequence[OutRecord]) -> int:
        raise AssertionError("nothing is flushed here")

    async def tails(starts: Mapping[int, int]) -> dict[int, set[Identity]]:
        return {}

    made = RoomAgent(
        topic=EVENTS_TOPIC, stores=Stores("changelog", 100),
        outbox=Outbox(send, lambda error: None), judge=Judge(read_policies()), read_tails=tails,
        committed=lambda partition: None, now_s=lambda: 0.0,
    )  # fmt: skip
    made.assign({0})
    return made


def records(platforms: Sequence[str]) -> Iterator[Record]:
    """The first minutes of one room a platform, in each of which an AI marker was tampered with."""
    offset = 0
    for platform in platforms:
        for event in simulate("tampered", 1, duration_ms=10 * MINUTE_MS, platform=platform, ends=False):
            yield Record(offset, at_ms_of(event), str(event["room_id"]).encode(), orjson.dumps(event))
            offset += 1


def judged(*platforms: str) -> dict[tuple[str, ...], Any]:
    """`violations_total` after rooms of `platforms` were judged."""
    worker = engine()
    worker.processors[0].process(records(platforms))
    return dict(of_rooms(worker)["violations_total"])  # type: ignore[arg-type]


def test_violations_count_by_the_platform_on_which_the_room_is() -> None:
    found = judged("kuaishou", "jd", "other")
    of_rule = {labels[0]: count for labels, count in found.items() if labels[1:] == ("CN-TAMPER-01", "live", "0")}
    assert of_rule == {"kuaishou": 1, "jd": 1}


def test_a_platform_that_the_contract_does_not_name_makes_no_label() -> None:
    assert {labels[0] for labels in judged("kuaishou", "no_such_platform")} == {"kuaishou"}


def test_levels_are_read_by_name() -> None:
    worker = engine()
    store = worker.stores.by_partition[0]
    store.by_level.update({("PLAY", int(level)): 1 for level in Level if level} | {("NONINT", 2): 5})
    assert of_rooms(worker)["rooms_by_level"] == {
        ("PLAY", "watch"): 1, ("PLAY", "label"): 1, ("PLAY", "limit"): 1, ("PLAY", "restrict"): 1,
        ("NONINT", "label"): 5,
    }  # fmt: skip


def test_every_source_and_reason_is_there_before_anything_happens() -> None:
    found = of_rooms(engine())
    sources = {("gateway",): 0, ("speech",): 0, ("looks",): 0, ("challenges",): 0, ("markers",): 0}
    assert found["late_events_total"] == found["clock_ahead_total"] == sources
    assert found["blocks_closed_total"] == {("yes",): 0, ("no",): 0}
    assert found["blocks_unclear_total"] == {("late",): 0, ("clamped",): 0, ("clocks",): 0}
