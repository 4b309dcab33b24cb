"""Golden signals: a room log in; the fact `signals`, or what is said of detectors, from change to change out."""

import json
from typing import Any

import pytest

from tests.golden.signals import DETECTORS, LOGS, SOURCES, expected, read
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


def _said_of_detectors() -> list[dict[str, Any]]:
    """Of the room's records: what its detectors say, and what `visual` bets, where that changed."""
    rooms = MemoryRooms()
    processor = PartitionProcessor(topic=EVENTS_TOPIC, partition=0, rooms=rooms, judge=Judge(read_policies()))
    changes: list[dict[str, Any]] = []
    for record in processor.process(read("disagreement")).rooms:
        room = json.loads(record.value or b"")
        found = {"detectors": room["detectors"], "visual": room["signals"].get("visual")}
        if not changes or {name: changes[-1][name] for name in found} != found:
            changes.append({"at_ms": record.timestamp_ms, **found})
    return changes


def test_detectors_that_disagree_are_averaged_and_the_record_says_how_far_apart_they_are(rewrite_golden: bool) -> None:
    found = _said_of_detectors()
    lines = [json.dumps(change) for change in found]
    if rewrite_golden:
        expected("disagreement").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert lines == expected("disagreement").read_text(encoding="utf-8").splitlines()
    apart = [change for change in found if change["detectors"]["disagreement"]["visual"] == 1.0]
    assert apart[0]["visual"]["value"] == 0.5, "neither the maximum nor the product"
    assert found[-1]["visual"]["value"] == 1.0, "the one that is left has the whole weight"


def test_no_file_lies_about_without_a_signal() -> None:
    assert set(LOGS.iterdir()) == {
        LOGS / f"{of}{suffix}" for of in (*SOURCES, *DETECTORS) for suffix in (".jsonl.zst", ".expected.jsonl")
    }
