"""Statements of reasons: every violation that restricts has one that the database takes; what it refuses is named."""

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from worker.egress.chinese import ACTIONS_ZH, BECAUSE_ZH, WHILE_IT_LASTS, chinese_statement
from worker.egress.dsa import EEA, ENUMS, REQUIRED, NoRestriction, dsa_statement, faults
from worker.policy.actions import ACTIONS
from worker.policy.model import Because

ROOMS = Path(__file__).parents[1] / "golden" / "rooms"


def violations(room: str = "*") -> list[dict[str, Any]]:
    found = []
    for path in sorted(ROOMS.glob(f"{room}.expected.jsonl")):
        found += [msgspec.json.decode(line)["value"] for line in path.read_bytes().splitlines()]
    return found


def violation(room: str, rule: str, step: int = 0) -> dict[str, Any]:
    """The last record of that step that recommends anything."""
    return [v for v in violations(room) if v["rule"]["id"] == rule and v["step"] == step and v["actions"]][-1]


def recommending(*actions: str, until_ms: int | None = None, **changed: Any) -> dict[str, Any]:
    """A violation of WX-AVATAR-01 that recommends these actions instead."""
    term = {} if until_ms is None else {"until_ms": until_ms}
    actions_ = [{"action": action, **term} for action in actions]
    return {**violation("wx_plugin_avatar_ladder", "WX-AVATAR-01"), "actions": actions_, **changed}


def test_every_golden_violation_that_restricts_has_a_statement_that_the_database_takes() -> None:
    taken = refused = 0
    for one in violations():
        try:
            made = dsa_statement(one)
        except NoRestriction:
            refused += 1
            assert all(ACTIONS[action["action"]].dsa is None for action in one["actions"])
        else:
            taken += 1
            assert faults(made) == []
            assert made["puid"] == one["violation_id"]
    assert taken >= 20
    assert refused >= 20


@pytest.mark.parametrize("action", [name for name, kind in ACTIONS.items() if kind.dsa])
def test_every_action_becomes_the_decision_that_the_one_table_says(action: str) -> None:
    made = dsa_statement(recommending(action))
    assert faults(made) == []
    kind = ACTIONS[action]
    assert kind.dsa is not None
    field, value = kind.dsa
    assert made[field] in (value, [value])


@pytest.mark.parametrize("action", [name for name, kind in ACTIONS.items() if not kind.dsa])
def test_what_restricts_nothing_needs_no_statement(action: str) -> None:
    with pytest.raises(NoRestriction, match=action):
        dsa_statement(recommending(action))


def test_what_a_rule_in_shadow_would_do_is_no_decision() -> None:
    with pytest.raises(NoRestriction, match="shadow mode recommends nothing"):
        dsa_statement(recommending(mode="shadow"))


def test_a_demoted_avatar_in_words_of_the_database() -> None:
    made = dsa_statement(violation("wx_plugin_avatar_ladder", "WX-AVATAR-01"))
    assert made["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_DEMOTED"]
    assert made["decision_ground"] == "DECISION_GROUND_INCOMPATIBLE_CONTENT"
    assert "视频号" in made["incompatible_content_ground"]
    assert made["content_type"] == ["CONTENT_TYPE_VIDEO", "CONTENT_TYPE_SYNTHETIC_MEDIA"]
    assert made["category"] == "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"
    assert made["content_date"] == made["application_date"] == "2026-03-02"
    assert (made["automated_detection"], made["automated_decision"]) == ("Yes", "AUTOMATED_DECISION_FULLY")
    assert "territorial_scope" not in made, "China is none of its countries"


def test_union_law_is_a_legal_ground_and_holds_where_the_room_is() -> None:
    made = dsa_statement(violation("eu_tt_avatar_watermark", "EU-50-01"))
    assert made["decision_ground"] == "DECISION_GROUND_ILLEGAL_CONTENT"
    assert "Article 50" in made["illegal_content_legal_ground"]
    assert made["territorial_scope"] == ["DE"]
    terms = dsa_statement(violation("eu_tt_avatar_watermark", "TT-LABEL-01"))
    assert terms["decision_ground"] == "DECISION_GROUND_INCOMPATIBLE_CONTENT"


def test_a_stolen_face_is_impersonation_and_a_person_has_a_share_in_the_decision() -> None:
    made = dsa_statement(violation("dy_deepfake", "CN-LIKE-01"))
    assert made["category"] == "STATEMENT_CATEGORY_SCAMS_AND_FRAUD"
    assert made["category_specification"] == ["KEYWORD_IMPERSONATION_ACCOUNT_HIJACKING"]
    assert made["automated_decision"] == "AUTOMATED_DECISION_PARTIALLY"
    assert "decision_monetary" not in made, "freezing was withheld for a person"


def test_a_falsified_product_misleads_consumers() -> None:
    product = {"certainty": "possible", "synthetic": True, "misleading": True, "product_id": "p"}
    made = dsa_statement(recommending("remove_content", facts={"product_media": product}))
    assert made["category"] == "STATEMENT_CATEGORY_CONSUMER_INFORMATION"
    assert made["category_specification"] == ["KEYWORD_MISLEADING_INFO_GOODS_SERVICES"]


def test_a_term_becomes_the_end_date_of_its_kind_of_restriction() -> None:
    made = dsa_statement(recommending("suspend_live", until_ms=1_775_000_000_000))
    assert made["end_date_account_restriction"] == "2026-03-31"
    assert not any(field.startswith("end_date") for field in dsa_statement(recommending("suspend_live")))


def test_of_two_monetary_decisions_the_graver_one_stands_and_visibility_keeps_both() -> None:
    made = dsa_statement(recommending("freeze_payout", "demonetise", "no_boost", "remove_content"))
    assert made["decision_monetary"] == "DECISION_MONETARY_TERMINATION"
    assert made["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_REMOVED", "DECISION_VISIBILITY_OTHER"]
    assert made["decision_visibility_other"] == "no boost"
    assert faults(made) == []


SOUND = dsa_statement(violation("wx_plugin_avatar_ladder", "WX-AVATAR-01"))
BROKEN: list[tuple[str, dict[str, Any], str]] = [
    *((f"no {field}", {field: None}, f"{field}: is required") for field in REQUIRED),
    ("no decision", {"decision_visibility": None}, "at least one of visibility"),
    ("unknown decision", {"decision_visibility": ["DECISION_VISIBILITY_HIDDEN"]}, "unknown value"),
    ("no list", {"decision_visibility": "DECISION_VISIBILITY_OTHER"}, "must be a list"),
    ("other unexplained", {"decision_visibility": ["DECISION_VISIBILITY_OTHER"]}, "decision_visibility_other: stands"),
    ("explained for nothing", {"decision_visibility_other": "why"}, "decision_visibility_other: stands"),
    ("monetary other", {"decision_monetary": "DECISION_MONETARY_OTHER"}, "decision_monetary_other: stands"),
    ("ground unexplained", {"incompatible_content_ground": None}, "incompatible_content_ground: stands exactly"),
    ("both grounds", {"illegal_content_legal_ground": "law"}, "illegal_content_legal_ground: stands exactly"),
    ("facts too long", {"decision_facts": "x" * 5_001}, "1 to 5000 characters"),
    ("ground too long", {"incompatible_content_ground": "x" * 501}, "1 to 500 characters"),
    ("puid", {"puid": "a b"}, "puid: only"),
    ("puid too long", {"puid": "a" * 501}, "1 to 500 characters"),
    ("no day", {"application_date": "2026-03-02-11"}, "application_date: must be a date"),
    ("automated", {"automated_detection": True}, "automated_detection: unknown value"),
    ("nowhere", {"territorial_scope": ["CN"]}, "territorial_scope: unknown value 'CN'"),
    ("unknown field", {"url": "x"}, "url: no such field"),
]


@pytest.mark.parametrize(("change", "words"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_what_the_database_would_refuse_is_named(change: dict[str, Any], words: str) -> None:
    assert faults(SOUND) == []
    broken = {k: v for k, v in {**copy.deepcopy(SOUND), **change}.items() if v is not None}
    assert any(words in fault for fault in faults(broken)), faults(broken)


def test_the_overlay_and_the_database_mean_the_same_countries() -> None:
    overlay = yaml.safe_load(Path("worker/policies/overlay_eu.yaml").read_text())
    assert set(overlay["applies"]["regions"]) == EEA
    assert len(EEA) == 30


def test_every_decision_of_the_table_is_one_that_the_database_knows() -> None:
    for kind in ACTIONS.values():
        assert kind.dsa is None or kind.dsa[1] in ENUMS[kind.dsa[0]]


def test_a_mainland_room_is_told_facts_ground_consequence_term_and_appeal_in_chinese() -> None:
    said = chinese_statement(violation("dy_deepfake", "CN-LIKE-01"))
    assert said is not None
    assert list(said) == ["事实", "依据", "处置建议及期限", "申诉途径"]
    assert "与特定自然人相似" in said["事实"]
    assert "深度合成管理规定" in said["依据"]
    assert said["处置建议及期限"] == "中断直播（一次性）。提交人工复核（一次性）。暂不采取：冻结货款（须经人工决定）。"
    assert "申诉" in said["申诉途径"]
    assert chinese_statement(violation("eu_tt_avatar_watermark", "EU-50-01")) is None


def test_a_term_is_said_in_beijing_time_and_nothing_is_nothing() -> None:
    said = chinese_statement(recommending("suspend_live", until_ms=1_775_000_000_000))
    assert said is not None
    assert said["处置建议及期限"].startswith("暂停直播权限（至 2026年04月01日07时33分（北京时间））")
    assert chinese_statement(recommending(withheld=[]))["处置建议及期限"] == "无。"  # type: ignore[index]


def test_every_action_and_every_reason_to_hold_one_back_has_a_chinese_name() -> None:
    assert set(ACTIONS_ZH) == set(ACTIONS)
    assert set(ACTIONS) >= WHILE_IT_LASTS
    assert set(BECAUSE_ZH) == set(Because.__args__)  # type: ignore[attr-defined]
