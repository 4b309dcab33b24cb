"""Golden rooms: a captured room log in, every violation record out, byte for byte as reviewed and committed."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import orjson
import pytest

from tests.golden.cases import ASKED, CASES, ROOMS, Case
from worker.policy.judge import Judge
from worker.tools.policyfiles import read_policies
from worker.tools.replay import Replay, violation_line
from worker.tools.roomlog import LogRecord, read
from worker.topics import REQUESTS_TOPIC, ROOMS_TOPIC, VIOLATIONS_TOPIC


def _judge(log: Path) -> bytes:
    return _judged(read(log))[0]


def _judged(records: Iterable[LogRecord]) -> tuple[bytes, bytes]:
    """Violations and requests, a line each."""
    run = Replay(Judge(read_policies()))
    violations, requests = [], []
    for step in run.run(records):
        violations += [violation_line(record) + b"\n" for record in step.of(VIOLATIONS_TOPIC)]
        requests += [violation_line(record) + b"\n" for record in step.of(REQUESTS_TOPIC)]
    counts = run.counts()
    assert counts.balanced()
    assert counts.dead_lettered == 0
    return b"".join(violations), b"".join(requests)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_golden_room_gives_its_violations_to_the_byte(case: Case, rewrite_golden: bool) -> None:
    found = _judge(case.log)
    if rewrite_golden:
        case.expected.write_bytes(found)
    assert found.decode().splitlines() == case.expected.read_text(encoding="utf-8").splitlines()
    assert found == case.expected.read_bytes()


@pytest.mark.parametrize("case", [case for case in CASES if case.name in ASKED], ids=lambda case: case.name)
def test_a_golden_room_is_asked_for_the_same_to_the_byte(case: Case, rewrite_golden: bool) -> None:
    found = _judged(read(case.log))[1]
    if rewrite_golden:
        case.requests.write_bytes(found)
    assert found.decode().splitlines() == case.requests.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_expected_of_a_golden_room_is_what_the_policies_say(case: Case) -> None:
    """Rewriting cannot change what a room is guilty of: the rules stand in `cases`, by hand."""
    opened = []
    for line in case.expected.read_bytes().splitlines():
        violation = msgspec.json.decode(line)["value"]
        if violation["transition"] == "opened":
            opened.append(("~" if violation["mode"] == "shadow" else "") + violation["rule"]["id"])
    assert sorted(opened) == sorted(case.opened)


@pytest.mark.parametrize("case", [case for case in CASES if case.climbs], ids=lambda case: case.name)
def test_a_golden_room_climbs_the_ladders_that_are_said_here(case: Case) -> None:
    named = {step.split()[0] for step in case.climbs}
    taken = []
    for line in case.expected.read_bytes().splitlines():
        violation = msgspec.json.decode(line)["value"]
        if violation["rule"]["id"] in named and violation["transition"] in ("opened", "escalated"):
            actions = " ".join(action["action"] for action in violation["actions"])
            taken.append(f"{violation['rule']['id']} {violation['step']} {actions}")
    assert sorted(taken) == sorted(case.climbs)


@pytest.mark.parametrize("name", ["wx_avatar_watermark_channels_shop", "wx_plugin_avatar_ladder"])
def test_a_shop_still_on_the_old_system_and_one_on_the_new_are_judged_alike(name: str) -> None:
    """The same room, its shop once on 视频号小店 and once on 微信小店: nothing differs but the name of the system."""
    (case,) = (case for case in CASES if case.name == name)
    records = list(read(case.log))
    assert any(b"channels_shop" in (record.value or b"") for record in records)
    moved = [r._replace(value=(r.value or b"").replace(b"channels_shop", b"wechat_shop")) for r in records]
    (before, _), (after, _) = _judged(records), _judged(moved)
    assert before != after
    assert before.replace(b"channels_shop", b"wechat_shop") == after


def test_no_file_lies_about_without_a_case() -> None:
    known = {path for case in CASES for path in (case.log, case.expected)}
    known |= {case.requests for case in CASES if case.name in ASKED}
    assert set(ROOMS.iterdir()) == known


@pytest.mark.parametrize(("name", "least", "most"), [("wx_fed_recording", 0.3, 1.0), ("dy_bot_viewers", 0.0, 0.0)])
def test_the_share_of_bots_prompts_is_in_the_rooms_record(name: str, least: float, most: float) -> None:
    (log,) = (case.log for case in CASES if case.name == name)
    records = [record for step in Replay(Judge(read_policies())).run(read(log)) for record in step.of(ROOMS_TOPIC)]
    shares = [orjson.loads(record.value or b"{}")["signals"].get("fake_viewers") for record in records]
    found = [share["value"] for share in shares if share is not None]
    assert found and least <= found[-1] <= most
