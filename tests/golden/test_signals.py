"""Golden signals: a room log in; the fact `signals`, or what is said of detectors, from change to change out."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.golden.signals import DETECTORS, LOGS, SOURCES, expected, read
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.inputs import as_json, of_room
from worker.policy.judge import Judge
from worker.tools.policyfiles import read_policies
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, ROOMS_TOPIC


def _signals(of: str) -> list[dict[str, Any]]:
    """The signals that have a value, with the offset and the event time at which that changed."""
    rooms = MemoryRooms()
    processor = PartitionProcessor(topic=EVENTS_TOPIC, partition=0, rooms=rooms, judge=Judge(read_policies()))
    changes: list[dict[str, Any]] = []
    for record in read(of):
        out = processor.process([record])
        assert not out.of(DEAD_LETTERS_TOPIC)
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


def _said_of_detectors(of: str, read_off: Callable[[dict[str, Any]], dict[str, Any]]) -> list[dict[str, Any]]:
    """What is read off the room's records of a log, where that changed."""
    rooms = MemoryRooms()
    processor = PartitionProcessor(topic=EVENTS_TOPIC, partition=0, rooms=rooms, judge=Judge(read_policies()))
    changes: list[dict[str, Any]] = []
    for record in processor.process(read(of)).of(ROOMS_TOPIC):
        found = read_off(json.loads(record.value or b""))
        if not changes or {name: changes[-1][name] for name in found} != found:
            changes.append({"at_ms": record.timestamp_ms, **found})
    return changes


def _as_reviewed(of: str, found: list[dict[str, Any]], rewrite_golden: bool) -> None:
    lines = [json.dumps(change) for change in found]
    if rewrite_golden:
        expected(of).write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert lines == expected(of).read_text(encoding="utf-8").splitlines()


def _of_the_picture(room: dict[str, Any]) -> dict[str, Any]:
    return {"detectors": room["detectors"], "visual": room["signals"].get("visual")}


def _of_one_detector(room: dict[str, Any]) -> dict[str, Any]:
    """What it said last, what the picture bets, how far that came, and what was made of it."""
    return {
        "last": room["detectors"]["last"],
        "uncalibrated_looks": room["detectors"]["uncalibrated_looks"],
        "signals": {name: signal["value"] for name, signal in room["signals"].items()},
        "AI": room["families"].get("AI"),
        "episodes": [[one["rule"], one["certainty"], one["mode"]] for one in room["episodes"]],
    }


def test_detectors_that_disagree_are_averaged_and_the_record_says_how_far_apart_they_are(rewrite_golden: bool) -> None:
    found = _said_of_detectors("disagreement", _of_the_picture)
    _as_reviewed("disagreement", found, rewrite_golden)
    apart = [change for change in found if change["detectors"]["disagreement"]["visual"] == 1.0]
    assert apart[0]["visual"]["value"] == 0.5, "neither the maximum nor the product"
    assert found[-1]["visual"]["value"] == 1.0, "the one that is left has the whole weight"


def test_a_detector_of_motion_bets_for_the_picture_and_asks_for_a_label_in_the_end(rewrite_golden: bool) -> None:
    found = _said_of_detectors("motion", _of_one_detector)
    _as_reviewed("motion", found, rewrite_golden)
    assert found[-1]["signals"] == {"voice": None, "visual": 1.0}
    assert [change["AI"]["level"] for change in found if change["AI"]][-1] == "label"
    assert found[-1]["episodes"] == [["CN-LABEL-01", "suspected", "live"]]


def test_a_detector_of_scripts_is_shown_and_bets_nowhere_however_high_it_is(rewrite_golden: bool) -> None:
    found = _said_of_detectors("script", _of_one_detector)
    _as_reviewed("script", found, rewrite_golden)
    (last,) = found[-1]["last"]
    assert (last["modality"], last["high"]) == ("script", last["looks"])
    assert found[-1]["uncalibrated_looks"] == 12
    assert all(change["AI"] is None and not change["signals"] and not change["episodes"] for change in found)


def test_no_file_lies_about_without_a_signal() -> None:
    assert set(LOGS.iterdir()) == {
        LOGS / f"{of}{suffix}" for of in (*SOURCES, *DETECTORS) for suffix in (".jsonl.zst", ".expected.jsonl")
    }
