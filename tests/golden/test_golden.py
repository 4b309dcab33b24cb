"""Golden rooms: a captured room log in, every violation record out, byte for byte as reviewed and committed."""

from pathlib import Path

import msgspec
import pytest

from tests.golden.cases import CASES, ROOMS, Case
from worker.lab.replay import Replay, read_policies, violation_line
from worker.lab.roomlog import read
from worker.policy.judge import Judge


def _judge(log: Path) -> bytes:
    run = Replay(Judge(read_policies()))
    lines = [violation_line(record) + b"\n" for step in run.run(read(log)) for record in step.violations]
    counts = run.counts()
    assert counts.balanced()
    assert counts.dead_lettered == 0
    return b"".join(lines)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_golden_room_gives_its_violations_to_the_byte(case: Case, rewrite_golden: bool) -> None:
    found = _judge(case.log)
    if rewrite_golden:
        case.expected.write_bytes(found)
    assert found.decode().splitlines() == case.expected.read_text(encoding="utf-8").splitlines()
    assert found == case.expected.read_bytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_expected_of_a_golden_room_is_what_the_policies_say(case: Case) -> None:
    """Rewriting cannot change what a room is guilty of: the rules stand in `cases`, by hand."""
    opened = []
    for line in case.expected.read_bytes().splitlines():
        violation = msgspec.json.decode(line)["value"]
        if violation["transition"] == "opened":
            opened.append(("~" if violation["mode"] == "shadow" else "") + violation["rule"]["id"])
    assert sorted(opened) == sorted(case.opened)


def test_no_file_lies_about_without_a_case() -> None:
    known = {path for case in CASES for path in (case.log, case.expected)}
    assert set(ROOMS.iterdir()) == known
