"""Golden scenes: rooms that share identities, through both agents; what their logs are told is reviewed by eye."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.circle import Circle
from worker.policy.judge import Judge
from worker.tools.policyfiles import read_policies
from worker.tools.roomlog import read

SCENES = Path(__file__).with_name("scenes")
ANSWERS = ("registration.state", "fleet.matched", "restriction.tested")


def _told(log: Path) -> list[str]:
    """Every answer, by room and in the order of its log; then what each rule opened."""
    circle = Circle(Judge(read_policies()))
    circle.play(json.loads(record.value or b"") for record in read(log))
    answers: list[dict[str, Any]] = [answer for kind in ANSWERS for answer in circle.told(kind)]
    answers.sort(key=lambda answer: (answer["room_id"], answer["at_ms"]))
    opened = [
        {"room_id": v["room_id"], "rule": v["rule"]["id"], "transition": v["transition"]} for v in circle.violations
    ]
    return [json.dumps(line, ensure_ascii=False) for line in [*answers, *opened]]


@pytest.mark.parametrize("name", ["avatar_farm"])
def test_a_golden_scene_is_told_the_same_to_the_byte(name: str, rewrite_golden: bool) -> None:
    expected = SCENES / f"{name}.expected.jsonl"
    found = _told(SCENES / f"{name}.jsonl.zst")
    if rewrite_golden:
        expected.write_text("\n".join(found) + "\n", encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8").splitlines()
