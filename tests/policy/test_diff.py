"""`policy diff`: meaning is compared, not text."""

import json
from pathlib import Path

import pytest

from tests.policy.build import a_policy, a_rule
from tests.policy.test_cli import run
from worker.policy.diff import compare


def words(old: str, new: str) -> list[str]:
    return [change.words() for change in compare({"old.yaml": old}, {"new.yaml": new})]


def test_spacing_order_comments_and_what_is_the_default_anyway_are_no_difference() -> None:
    one = a_policy(a_rule("T-ONE-01"), a_rule("T-TWO-01", cooldown="30m", escalate_after="1h"))
    other = a_policy(
        a_rule("T-TWO-01", escalate_after="3600s", scope="selling", rollout="{percent: 100, mode: live}"),
        a_rule("T-ONE-01", when="ai_presenter.certainty  >=   POSSIBLE # surely"),
    )
    assert words(one, other) == []
    defaults = "defaults: {cooldown: 5m, caps: {per_day: 9, on_exceed: park}}\n"
    own = a_policy(a_rule(cooldown="5m", caps="{per_day: 9}"))
    assert words(a_policy(head=defaults), own) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {"rollout": "{mode: shadow, percent: 100}"}, "rollout.mode live → shadow (recommends nothing any more)"),
        ({"rollout": "{mode: live, percent: 1}"}, {"rollout": "{mode: live, percent: 10}"},
         "rollout.percent 1 → 10 (adds rooms)"),
        ({"rollout": "{mode: live, percent: 9}"}, {"rollout": "{mode: live, percent: 1}"},
         "rollout.percent 9 → 1 (takes rooms away)"),
        ({}, {"caps": "{per_hour: 5}"}, "caps.per_hour none → 5 (more is parked)"),
        ({"caps": "{per_hour: 5}"}, {"caps": "{per_hour: 6}"}, "caps.per_hour 5 → 6 (more may go through)"),
        ({"caps": "{per_hour: 5}"}, {}, "caps.per_hour 5 → none (more may go through)"),
        ({}, {"when": "idle.minutes > 5"}, "when ai_presenter.certainty >= POSSIBLE → idle.minutes > 5"),
        ({}, {"when": "|\n      idle.minutes > 5\n      && idle.certainty >= POSSIBLE"},
         "when ai_presenter.certainty >= POSSIBLE → idle.minutes > 5 && idle.certainty >= POSSIBLE"),
        ({}, {"ladder": "[{action: notify, for: 2h}]"},
         'ladder ["reduce_live_recommendation", "reduce_account_recommendation", "limit_commerce"] → '
         '[{"action": "notify", "for": "2h"}]'),
        ({}, {"expect": "[notify]"}, "tests changed"),
    ],
)  # fmt: skip
def test_a_changed_field_is_said_with_what_it_means(before: dict[str, str], after: dict[str, str], said: str) -> None:
    found = words(a_policy(a_rule(**before)), a_policy(a_rule(**after)))
    assert len(found) == 1
    assert found[0].removeprefix("rule T-ONE-01: ") == said


def test_rules_and_policies_that_come_and_go_are_named(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, files in (
        (old, {"a": a_policy(a_rule("T-ONE-01"), a_rule("T-TWO-01"))}),
        (new, {"a": a_policy(a_rule("T-ONE-01"), version=2), "b": a_policy(a_rule("T-B-01"), name="b")}),
    ):
        folder.mkdir()
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text)
    code, out, _ = run("diff", str(old), str(new))
    assert code == 1
    assert out.splitlines() == [
        "policy b added", "rule T-B-01 added: A rule", "policy wechat_channels: version 1 → 2",
        "rule T-TWO-01 removed: A rule", "4 differences",
    ]  # fmt: skip
    code, out, _ = run("diff", str(old), str(new), "--json")
    assert [c["what"] for c in json.loads(out)["changes"]] == ["added", "added", "changed", "removed"]
    assert run("diff", str(old), str(old))[:2] == (0, "the same rules\n")
    (new / "c.yaml").write_text("a: [")
    assert run("diff", str(old), str(new))[0] == 2
