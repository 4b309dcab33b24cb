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


def test_help_shows_examples() -> None:
    for command in ("check", "test"):
        assert "stream-audit policy" in run(command, "--help")[1]
