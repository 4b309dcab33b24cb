"""A violation record says everything, adds up, is valid, and is the same to the byte each time."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.policy.build import MINUTE, T0, a_judge, a_room, a_rule, closed, reviewed, set_ai, set_level
from tests.support.headers import header
from worker.audit.events import Shop
from worker.audit.evidence import Level
from worker.audit.facts import BLOCK_BIT, REVIEW_BIT, Certainty, Frame
from worker.audit.marks import Excerpt
from worker.audit.room import Room
from worker.egress.violation import encode_violation
from worker.policy.actions import ACTIONS
from worker.policy.model import Control, Decision
from worker.records import OutRecord

SCHEMA = json.loads(Path("schemas/live.audit.violations/v1.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
STATISTICAL = a_rule(when='level("AI") >= LIMIT')


def record_of(room: Room, decision: Decision) -> OutRecord:
    return encode_violation(
        room,
        decision,
        topic="live.room.events",
        partition=3,
        first_offset=7,
        last_offset=120,
        control=Control(policies=42),
    )


def decided(rule: str, room: Room) -> Decision:
    room.changed |= BLOCK_BIT
    (decision,) = a_judge(rule).evaluate(room, T0)
    return decision


def a_full_room() -> Room:
    room = a_room()
    room.session.operator_id = "op:1"
    room.session.shop_ids = [Shop("channels_shop", "1"), Shop("wechat_shop", "2")]
    room.session.excerpts = tuple(Excerpt(T0 - i, "host.speech", "字" * 300, 90 + i) for i in range(7))
    set_ai(room, Certainty.CONFIRMED)
    set_level(room, "AI", Level.LIMIT)
    return room


def body_of(record: OutRecord) -> dict[str, Any]:
    assert record.value is not None
    body: dict[str, Any] = json.loads(record.value)
    errors = [f"{e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(body)]
    assert errors == []
    return body


@pytest.mark.parametrize(
    "rule",
    [
        a_rule(),
        STATISTICAL,
        a_rule(ladder="[[{action: interrupt_live, for: 2h}, limit_commerce]]"),
        a_rule(rollout="{mode: shadow, percent: 100}"),
        a_rule(when="ai_presenter.certainty >= POSSIBLE || " + " || ".join(
            ("tamper.certainty > NONE", "idle.minutes > 5", "registration.known", "driven.replies", "label.visible",
             "likeness.certainty > NONE", "persona.certainty > NONE", "product_media.synthetic", "frame.known",
             "fleet.size > 2", "software_promotion.selling", "recorded.certainty > NONE", '"x" in history.upheld')
        )),
    ],
    ids=["facts", "statistics", "reviewer", "shadow", "every fact"],
)  # fmt: skip
@pytest.mark.parametrize("region", ["CN", "US"])
def test_every_record_is_valid(rule: str, region: str) -> None:
    room = a_full_room()
    decision = decided(rule, room)
    room.session.region = region
    body = body_of(record_of(room, decision))
    assert body["statement"]["facts_text"]


def test_clearing_and_withdrawing_are_valid_too_and_name_what_they_replace() -> None:
    judge, room = a_judge(a_rule()), a_full_room()
    (opened,) = judge.evaluate(room, T0)
    reviewed(room, opened.violation_id, "overturned", "appeal")
    room.changed |= REVIEW_BIT
    (withdrawn,) = judge.evaluate(room, T0 + MINUTE)
    body = body_of(record_of(room, withdrawn))
    assert (body["supersedes"], body["transition"]) == (opened.violation_id, "withdrawn")
    assert "经人工复核" in body["statement"]["facts_text"]
    assert body["statement"]["automated_decision"] is False

    judge, room = a_judge(STATISTICAL), a_full_room()
    judge.evaluate(room, T0)
    closed(room)
    (cleared,) = judge.evaluate(room, T0 + MINUTE)
    assert body_of(record_of(room, cleared))["actions"] == []


def test_the_same_decision_gives_the_same_bytes() -> None:
    first, second = (record_of(room, decided(STATISTICAL, room)) for room in (a_full_room(), a_full_room()))
    assert first == second


def test_cloud_event_headers_say_what_the_body_says() -> None:
    room = a_full_room()
    record = record_of(room, decided(a_rule(), room))
    headers = dict(record.headers)
    body = body_of(record)
    assert header(record, "ce_id").decode() == body["violation_id"]
    assert headers["ce_type"] == b"live.audit.violation.opened.v1"
    assert headers["ce_source"] == b"urn:stream-audit:wechat_channels"
    assert headers["ce_subject"] == record.key == b"wechat_channels:r1"
    assert headers["ce_time"] == b"2024-06-18T03:00:00.000Z"
    assert header(record, "ce_dataschema").decode() == SCHEMA["$id"]
    assert headers["content-type"] == b"application/json"
    assert (record.topic, record.timestamp_ms) == ("live.audit.violations", T0)


def test_evidence_adds_up_to_log_e_exactly() -> None:
    room = a_full_room()
    body = body_of(record_of(room, decided(STATISTICAL, room)))
    assert sum(e["nats"] for e in body["evidence"]) == body["log_e"]
    assert body["log_e"] > body["threshold"]
    assert (body["family"], body["level"]) == ("AI", "limit")


def test_excerpts_are_few_and_short() -> None:
    room = a_full_room()
    excerpts = body_of(record_of(room, decided(a_rule(), room)))["excerpts"]
    assert len(excerpts) == 5
    assert {len(e["text"]) for e in excerpts} == {120}


def test_a_mainland_statement_is_chinese_and_says_facts_ground_and_redress() -> None:
    room = a_full_room()
    statement = body_of(record_of(room, decided(a_rule(), room)))["statement"]
    assert "已确认主播由人工智能生成或呈现（依据：GB 45438 标识）。" in statement["facts_text"]
    assert "2024年06月18日11时00分00秒（北京时间）" in statement["facts_text"]
    assert statement["ground"].startswith("规则（现行有效")
    assert "申诉" in statement["redress"]
    assert statement["automated_detection"] is True
    assert statement["automated_decision"] is True


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("CN", "画面测量：数字人高度占38%，遮盖画面占0%，声音与嵌入视频同源。"),
        ("US", "Of the picture, as measured: avatar's height 38%, cover 0%, sound of an embedded video."),
    ],
)
def test_what_was_measured_of_the_picture_is_said_and_what_was_not_is_not(region: str, words: str) -> None:
    room = a_full_room()
    room.session.facts.frame = Frame(True, True, 0.38, cover_ratio=0.0, same_source_audio=True)
    decision = decided(a_rule(when="ai_presenter.certainty >= POSSIBLE && frame.avatar_height_ratio < 0.5"), room)
    room.session.region = region
    assert words in body_of(record_of(room, decision))["statement"]["facts_text"]


def test_elsewhere_the_statement_is_english() -> None:
    room = a_full_room()
    decision = decided(STATISTICAL, room)
    room.session.region = "US"
    text = body_of(record_of(room, decision))["statement"]["facts_text"]
    assert "Statistical evidence AI reached LIMIT" in text
    assert "at most 1e-05 per room-hour" in text
    assert text.isascii()


def test_a_statement_quotes_nobody() -> None:
    room = a_full_room()
    statement = body_of(record_of(room, decided(a_rule(), room)))["statement"]
    assert "字字" not in json.dumps(statement, ensure_ascii=False)


def test_asking_a_reviewer_is_no_automated_decision() -> None:
    room = a_full_room()
    set_ai(room, Certainty.POSSIBLE)
    body = body_of(record_of(room, decided(a_rule(ladder="[interrupt_live]"), room)))
    assert [a["action"] for a in body["actions"]] == ["review"]
    assert body["statement"]["automated_decision"] is False


def test_an_action_with_a_term_says_until_when() -> None:
    room = a_full_room()
    body = body_of(record_of(room, decided(a_rule(ladder="[{action: interrupt_live, for: 2h}]"), room)))
    assert body["actions"] == [{"action": "interrupt_live", "until_ms": T0 + 120 * MINUTE, "territory": "CN"}]


def test_schema_and_code_name_the_same_actions() -> None:
    assert set(SCHEMA["$defs"]["Action"]["enum"]) == set(ACTIONS)
