"""`statement`: both statements of one violation, for people and as JSON."""

import json
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner

from worker.cli import cli

GOLDEN = Path(__file__).parents[1] / "golden" / "rooms"


def _file(room: str) -> Path:
    return GOLDEN / f"{room}.expected.jsonl"


def _id(room: str, rule: str) -> str:
    for line in _file(room).read_bytes().splitlines():
        record: dict[str, Any] = msgspec.json.decode(line)
        if record["value"]["rule"]["id"] == rule:
            return str(record["headers"]["ce_id"])
    raise LookupError(rule)


def _run(room: str, rule: str, *more: str) -> Any:
    return CliRunner().invoke(cli, ["statement", _id(room, rule), "--from", str(_file(room)), *more])


def test_both_statements_of_a_mainland_room() -> None:
    shown = _run("wx_plugin_avatar_ladder", "WX-AVATAR-01")
    assert shown.exit_code == 0, shown.output
    for words in ("DECISION_VISIBILITY_CONTENT_DEMOTED", "The DSA does not reach CN", "事实", "依据", "申诉途径"):
        assert words in shown.stdout
    found = json.loads(_run("wx_plugin_avatar_ladder", "WX-AVATAR-01", "--json").stdout)
    assert found["dsa"]["puid"] == found["violation_id"]
    assert (found["dsa_applies"], found["dsa_absent"]) == (False, None)
    assert set(found["chinese"]) == {"事实", "依据", "处置建议及期限", "申诉途径"}


def test_a_room_in_the_union_gets_the_database_s_statement_alone() -> None:
    found = json.loads(_run("eu_tt_avatar_watermark", "EU-50-01", "--json").stdout)
    assert (found["dsa_applies"], found["dsa"]["territorial_scope"], found["chinese"]) == (True, ["DE"], None)


def test_a_request_for_review_restricts_nothing_and_says_so() -> None:
    shown = _run("wx_software_seller", "WX-SOFT-01")
    assert shown.exit_code == 0
    assert "recommends review: no restriction" in shown.stdout
    assert "提交人工复核" in shown.stdout


def test_an_unknown_id_is_a_failure_and_two_places_are_wrong_usage() -> None:
    missing = CliRunner().invoke(cli, ["statement", "zzzz", "--from", str(_file("wx_software_seller"))])
    assert (missing.exit_code, "no violation zzzz" in missing.stderr) == (1, True)
    both = ["statement", "x", "--from", str(GOLDEN), "--bootstrap", "127.0.0.1:1"]
    assert CliRunner().invoke(cli, both).exit_code == 2
