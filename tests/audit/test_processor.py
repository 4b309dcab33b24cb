"""The processor: batches of any size give the same, and stragglers after a close stop nobody."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from tests.audit.build import MINUTE, beat, ev
from tests.audit.rooms import random_log
from worker.audit import events as e
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.judge import Judge
from worker.tools.policyfiles import read_policies
from worker.topics import DEAD_LETTERS_TOPIC


@dataclass
class Record:
    """What the processor reads of a consumed record."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def records(log: list[Any]) -> list[Record]:
    return [Record(i, x.at_ms, x.room_id.encode(), msgspec.json.encode(x)) for i, x in enumerate(log)]


def run(log: list[Record], batch: int) -> tuple[Any, list[Any]]:
    processor = PartitionProcessor(topic="t", partition=0, rooms=MemoryRooms(), judge=Judge(read_policies()))
    outputs = [processor.process(log[i : i + batch]) for i in range(0, len(log), batch)]
    topics = sorted({topic for output in outputs for topic in output.topics()})
    parts = [[record for output in outputs for record in output.of(topic)] for topic in topics]
    return processor.counts, parts


def test_batches_of_any_size_lead_to_the_same_records_and_counts() -> None:
    one, two = random_log(3, minutes=6), random_log(4, minutes=6)
    for event in two:
        event.room_id = "douyin:2"
    log = records(sorted([*one, *two, ev(e.WatermarkRead, 100_000)], key=lambda event: event.at_ms))
    counts, parts = run(log, len(log))
    assert parts[0] and counts.balanced()
    for batch in (1, 7, 500):
        assert run(log, batch) == (counts, parts)


@pytest.mark.parametrize("batch", [100, 10_000])
def test_viewers_who_leave_long_after_the_close_are_dead_letters_and_stop_nobody(batch: int) -> None:
    leaving = [ev(e.ViewerLeft, 11 * MINUTE + i) for i in range(1_500)]
    counts, _ = run(records([beat(0), ev(e.RoomClosed, 1_000), *leaving]), batch)
    assert counts.dead_lettered == 1_500 and counts.balanced()


def test_foreign_records_are_counted_and_the_first_ten_of_a_session_are_letters() -> None:
    strangers = [ev(e.ViewerComment, 2_000 + i, session_id=f"x{i % 2}") for i in range(100)]
    counts, parts = run(records([beat(0), *strangers]), 7)
    assert (counts.foreign, counts.dead_lettered) == (100, 0) and counts.balanced()
    letters = [record for part in parts for record in part if record.topic == DEAD_LETTERS_TOPIC]
    about = dict(letters[0].headers)
    assert len(letters) == 20 and about["dlq.error.class"] == b"out_of_session"
    assert b"leased" in about["dlq.error.message"]
