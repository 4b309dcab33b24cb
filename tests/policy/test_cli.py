"""`policy check` and `policy test`, as a rule author meets them."""

import json
from pathlib import Path

from click.testing import CliRunner

from tests.policy.build import a_policy, a_rule
from worker.cli.policy import policy


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(policy, args)
    return result.exit_code, result.stdout, result.stderr


def test_the_policies_that_ship_pass() -> None:
    code, out, _ = run("check")
    assert code == 0
    assert "wechat_channels" in out
    code, out, _ = run("test", "-k", "wx-soft")
    assert code == 0
    assert "0 failed" in out


def test_a_broken_policy_exits_1_and_lists_each_problem_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(a_policy(a_rule(when="nope").replace("severity: 3", "severity: 0")))
    code, _, err = run("check", str(file))
    assert code == 1
    assert err.count(f"{file}:") == 2
    code, out, _ = run("check", str(tmp_path), "--json")
    assert code == 1
    assert [p["rule"] for p in json.loads(out)["problems"]] == ["T-ONE-01", "T-ONE-01"]


def test_a_failing_test_is_shown_with_what_it_expected(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(a_policy(a_rule(expect="[notify]")))
    code, out, _ = run("test", str(file))
    assert code == 1
    assert "expected notify" in out
    assert "1 passed, 1 failed" in out
    code, out, _ = run("test", str(file), "--json")
    assert json.loads(out)["failed"] == 1


def test_wrong_usage_exits_2(tmp_path: Path) -> None:
    assert run("check", str(tmp_path / "none.yaml"))[0] == 2
    assert run("check", str(tmp_path))[0] == 2
    assert run("test", "-k", "NO-SUCH-RULE")[0] == 2
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\x00")
    assert run("check", str(tmp_path))[0] == 2


EXEMPT = (
    "[{host: h-1, reason: a pilot, until_ms: 1700000000000}, {shop: s-1, reason: a pilot, until_ms: 4000000000000}]"
)


def test_an_exemption_that_has_ended_is_warned_about_and_listed(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(a_policy(a_rule(), a_rule("T-TWO-02"), head=f"exemptions: {EXEMPT}\n"))
    code, _, err = run("check", str(file))
    assert code == 0
    assert err == f"warning: {file}:5:14: the exemption of host h-1 ended at 2023-11-14 22:13:20 UTC; remove it\n"
    assert len(json.loads(run("check", str(file), "--json")[1])["warnings"]) == 1
    (row,) = json.loads(run("ls", "--policies", str(tmp_path), "--json")[1])["policies"]
    assert (row["exemptions"], row["exemptions_ended"]) == (2, 1)
    assert "2 (1" in run("ls", "--policies", str(tmp_path))[1]


def test_diff_says_who_is_exempt_and_who_no_more(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(a_policy(a_rule(exemptions="[{room: r-1, reason: a test, until_ms: 5}]")))
    new.write_text(a_policy(a_rule(pause="{rooms: 9}"), head="exemptions: [{host: h-1, reason: pilot, until_ms: 7}]\n"))
    code, out, _ = run("diff", str(old), str(new))
    assert code == 1
    assert out.splitlines() == [
        "policy wechat_channels: host h-1 is exempt until_ms 7: pilot",
        "rule T-ONE-01: room r-1 is exempt no more",
        "rule T-ONE-01: pause.rooms 200 → 9",
        "3 differences",
    ]


def test_help_shows_examples() -> None:
    for command in ("check", "test"):
        assert "stream-audit policy" in run(command, "--help")[1]
