"""The record of a room is valid whatever the room has been through."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.audit import build as audit
from tests.policy.build import T0, a_judge, a_room, a_rule, closed, set_ai, set_level
from worker.audit.events import FleetMatched
from worker.audit.evidence import Level, new_family, step
from worker.audit.facts import Certainty
from worker.audit.room import BLOCK_MS, Room
from worker.egress.rooms import encode_room

VALIDATOR = Draft202012Validator(json.loads(Path("schemas/live.audit.rooms/v1.schema.json").read_text()))


def body_of(room: Room) -> dict[str, Any]:
    record = encode_room(room)
    assert record.value is not None
    assert record.key == room.room_id.encode()
    assert record == encode_room(room)
    body: dict[str, Any] = json.loads(record.value)
    errors = [f"{e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(body)]
    assert errors == []
    return body


def test_a_room_of_which_nothing_is_known_has_no_descriptor() -> None:
    body = body_of(Room("r"))
    assert (body["descriptor"], body["session_id"], body["state"]) == (None, None, "live")


def test_a_live_room_shows_levels_signals_and_open_episodes() -> None:
    room = a_room()
    set_ai(room, Certainty.CONFIRMED)
    set_level(room, "AI", Level.LIMIT)
    (opened,) = a_judge(a_rule()).evaluate(room, T0)
    body = body_of(room)
    assert body["families"]["AI"]["level"] == "limit"
    assert body["episodes"][0]["violation_id"] == opened.violation_id
    assert body["episodes"][0]["certainty"] == "confirmed"
    assert body["descriptor"]["selling"] is True


def test_a_closed_room_has_no_open_episode() -> None:
    judge, room = a_judge(a_rule()), a_room()
    set_ai(room, Certainty.CONFIRMED)
    judge.evaluate(room, T0)
    closed(room)
    judge.evaluate(room, T0 + 1)
    body = body_of(room)
    assert (body["state"], body["episodes"]) == ("closed", [])


def test_coverage_is_the_share_of_blocks_with_data() -> None:
    room = a_room()
    family = new_family("NONINT", T0)
    for i in range(4):
        step(family, T0 + (i + 1) * BLOCK_MS, (1.0, None if i % 2 else 1.0))
    family.since_ms = T0
    room.session.families = {"NONINT": family}
    body = body_of(room)
    assert body["signals"]["unanswered"] == {"value": 1.0, "blocks": family.blocks[0], "at_ms": T0 + 4 * BLOCK_MS}
    assert body["signals"]["excitation"]["value"] is None
    assert body["coverage"]["excitation"] == family.blocks[1] / 4


def test_strata_are_shown_when_they_can_tell_and_left_out_when_they_abstain() -> None:
    strata = {"unbroken", "concurrency", "shared_script"}
    room = audit.a_room(audit.beats(audit.HOUR))
    assert strata.isdisjoint(body_of(room)["signals"])
    audit.feed(
        room,
        [
            audit.ev(FleetMatched, audit.HOUR + 1, kind="script", permitted=True),
            audit.ev(FleetMatched, audit.HOUR + 2, kind="voice", permitted=False),
            *audit.beats(4 * audit.HOUR, from_ms=audit.HOUR + 3),
        ],
    )
    signals = body_of(room)["signals"]
    assert {name: signals[name]["value"] for name in strata & signals.keys()} == {
        "concurrency": 1.0,
        "shared_script": 0.0,
    }
    audit.feed(room, audit.beats(4 * audit.HOUR + audit.MINUTE, from_ms=4 * audit.HOUR + 1))
    assert body_of(room)["signals"]["unbroken"]["value"] == 1.0


def test_a_room_names_the_sources_of_its_last_block_and_how_long_its_watermark_waits() -> None:
    beats = audit.beats(6 * audit.MINUTE)
    assert "last_block" not in body_of(audit.a_room(beats[:4]))
    body = body_of(audit.a_room(beats))
    assert body["last_block"] == {"unclear": [], "late": [], "missing": ["speech", "looks"]}
    assert body["hold_ms"] == 0
    late = [audit.say(t * audit.SECOND) for t in range(10, 60, 10)]
    room = audit.a_room(audit.beats(4 * audit.MINUTE))
    audit.feed(room, [*late, audit.beat(4 * audit.MINUTE + 1)])
    assert body_of(room)["hold_ms"] > 0
    audit.feed(room, audit.beats(11 * audit.MINUTE, from_ms=4 * audit.MINUTE + 2))
    body = body_of(room)
    assert (body["last_block"]["unclear"], body["last_block"]["late"]) == (["late"], ["speech"])
    assert body["last_block"]["missing"] == ["looks"]
