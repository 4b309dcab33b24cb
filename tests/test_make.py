"""What `make` promises to those who change things: what needs Java, and that every check reports."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from vulture import Vulture

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[1]
PROGRAMS = ("bash", "sh", "env", "git", "make", "uname", "false", "true", "touch", "sed", "head")


@pytest.fixture
def without_java(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH holds what `make` needs, and neither Java nor Maven."""
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found, name
        (tmp_path / name).symlink_to(found)
    outer = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTEST_", "ARGS"))
    }
    return {**outer, "PATH": str(tmp_path)}


def run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False)


def make(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `make` in the checkout; the environment of this run counts as installed."""
    return run(["make", "--old-file", ".venv/.dev", *arguments], env)


def run_pytest(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments], env)


def test_all_tests_ask_for_java_before_anything_runs(without_java: dict[str, str]) -> None:
    done = make("test", env=without_java)
    assert done.returncode != 0
    assert "needs Java 17 or newer" in done.stderr
    assert "make test-fast" in done.stderr
    assert "pytest" not in done.stdout


def test_chosen_tests_do_not_ask_make_for_java(without_java: dict[str, str]) -> None:
    done = make("test", "ARGS=-k label", "BIN=true #", env=without_java)
    assert done.returncode == 0, done.stderr


def test_tests_without_kafka_run_without_java(without_java: dict[str, str]) -> None:
    done = run_pytest("-n", "0", "tests/test_settings.py", env=without_java)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("processes", ["0", pytest.param("2", marks=pytest.mark.slow)])
def test_a_chosen_test_on_kafka_ends_the_run_before_the_first(processes: str, without_java: dict[str, str]) -> None:
    files = ("tests/test_settings.py", "tests/kafka/test_probes.py")
    done = run_pytest("-n", processes, "--dist", "loadfile", *files, env=without_java)
    assert done.returncode != 0
    assert "need `java`, which is not on PATH" in done.stdout
    assert "no tests ran" in done.stdout


def test_kafka_left_out_needs_no_java(without_java: dict[str, str]) -> None:
    files = ("tests/test_settings.py", "tests/kafka/test_topics_cli.py")
    done = run_pytest("-n", "0", "-m", "not kafka", *files, env=without_java)
    assert done.returncode == 0, done.stdout


def test_every_check_runs_and_reports_when_one_fails(without_java: dict[str, str], tmp_path: Path) -> None:
    done = make("check", f"BIN={tmp_path}", 'CHECKS="true 1" "false 2" "true 3"', env=without_java)
    assert done.returncode != 0
    assert done.stdout.endswith("passed  true 1\nFAILED  false 2\npassed  true 3\n")


def test_checks_that_all_pass_end_well(without_java: dict[str, str], tmp_path: Path) -> None:
    done = make("check", f"BIN={tmp_path}", 'CHECKS="true 1" "true 2"', env=without_java)
    assert done.returncode == 0, done.stderr


def test_commits_are_checked_by_what_make_check_runs_and_nothing_is_fetched() -> None:
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = [hook["entry"] for hook in config["repos"][0]["hooks"]]
    checks = re.search(r"^CHECKS := (.+)$", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M)
    assert checks
    wanted = [check.removesuffix(" .") for check in re.findall(r'"([^"]+)"', checks[1])]
    assert [hook.removeprefix(".venv/bin/").removesuffix(" --force-exclude") for hook in hooks] == wanted
    done = run([sys.executable, "-m", "pre_commit", "validate-config"], env=dict(os.environ))
    assert done.returncode == 0, done.stdout


def test_vulture_is_told_to_pass_over_nothing_that_is_used() -> None:
    told = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["vulture"]
    looked = Vulture(ignore_decorators=told["ignore_decorators"])
    looked.scavenge([str(REPOSITORY / path) for path in told["paths"]])
    assert set(told["ignore_names"]) - {found.name for found in looked.get_unused_code()} == set()
