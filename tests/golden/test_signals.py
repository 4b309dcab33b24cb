"""Golden signals: a room log in, the fact `signals` from change to change out, as reviewed and committed."""

import json
from typing import Any

import pytest

from tests.golden.signals import LOGS, SOURCES, expected, read
from worker.lab.policyfiles import read_policies
from worker.policy.inputs import as_json, of_room
from worker.policy.judge import Judge
from worker.processor import EVENTS_TOPIC, MemoryRooms, PartitionProcessor


def _signals(of: str) -> list[dict[str, Any]]:
    """The signals that have a value, with the offset and the event time at which that changed."""
    rooms = MemoryRooms()
    processor = PartitionProcessor(topic=EVENTS_TOPIC, partition=0, rooms=rooms, judge=Judge(read_policies()))
    changes: list[dict[str, Any]] = []
    for record in read(of):
        out = processor.process([record])
        assert not out.dead_letters
        room = rooms.live[(record.key or b"").decode()]
        found = as_json(of_room(room, room.max_at_ms), "signals")
        if not changes or changes[-1]["signals"] != found:
            changes.append({"offset": record.offset, "at_ms": room.max_at_ms, "signals": found})
    return changes


@pytest.mark.parametrize("of", SOURCES)
def test_a_golden_room_gives_its_signals_to_the_byte(of: str, rewrite_golden: bool) -> None:
    found = [json.dumps(change) for change in _signals(of)]
    if rewrite_golden:
        expected(of).write_text("\n".join(found) + "\n", encoding="utf-8")
    assert found == expected(of).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("of", SOURCES)
def test_the_signal_that_a_room_is_golden_for_is_high_in_it(of: str) -> None:
    """Rewriting cannot change what a log shows."""
    changes = [json.loads(line)["signals"] for line in expected(of).read_text(encoding="utf-8").splitlines()]
    assert of not in changes[0], "it abstains before it speaks"
    assert max(signals.get(of, 0.0) for signals in changes) >= 1.0


def test_no_file_lies_about_without_a_signal() -> None:
    assert set(LOGS.iterdir()) == {
        LOGS / f"{of}{suffix}" for of in SOURCES for suffix in (".jsonl.zst", ".expected.jsonl")
    }
