"""`policy backtest`: two replays side by side."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from worker.cli import cli
from worker.lab import roomlog
from worker.lab.simulate import simulate
from worker.settings import POLICIES_DIR

MINUTES_MS = 60_000


def backtest(*args: object) -> Result:
    return CliRunner().invoke(cli, ["policy", "backtest", *map(str, args)])


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("logs")
    for number, archetype in enumerate(("software_seller", "software_seller", "responsive")):
        roomlog.write(folder / f"{number}.jsonl", simulate(archetype, number + 1, duration_ms=15 * MINUTES_MS))
    return sorted(folder.glob("*.jsonl"))


@pytest.fixture(scope="module")
def shadowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped policies, but WX-SOFT-01 in shadow, in force only in the far future."""
    folder = tmp_path_factory.mktemp("policies")
    shutil.copytree(POLICIES_DIR, folder, dirs_exist_ok=True)
    file = folder / "wechat_channels.yaml"
    head, rule = file.read_text(encoding="utf-8").split("- id: WX-SOFT-01\n")
    head = head.replace("effective_from_ms: 0", "effective_from_ms: 4000000000000")
    file.write_text(f"{head}- id: WX-SOFT-01\n    rollout: {{mode: shadow, percent: 100}}\n{rule}", encoding="utf-8")
    return folder


def row(found: dict[str, list[dict[str, object]]], rule: str) -> dict[str, object]:
    return next(row for row in found["rules"] if row["rule"] == rule)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_rule_that_goes_into_shadow_loses_its_rooms_and_actions(
    logs: list[Path], shadowed: Path, processes: int
) -> None:
    result = backtest(*logs, "--new", shadowed, "--processes", processes, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["events"] == sum(len(path.read_bytes().splitlines()) for path in logs)
    assert found["rooms_live"] == {"old": 2, "new": 0, "gained": 0, "lost": 2}
    soft = row(found, "WX-SOFT-01")
    rooms = [f"wechat_channels:software_seller-{seed}" for seed in (1, 2)]
    assert soft["live"] == {"old": 2, "new": 0, "gained": 0, "lost": 2, "rooms_gained": [], "rooms_lost": rooms}
    assert soft["shadow"] == {"old": 0, "new": 2, "gained": 2, "lost": 0, "rooms_gained": rooms, "rooms_lost": []}
    replayed = CliRunner().invoke(cli, ["replay", *map(str, logs), "--json"])
    steps = [v["count"] for v in json.loads(replayed.stdout)["violations"] if v["rule"] == "WX-SOFT-01"]
    assert sum(steps) >= sum(a["old"] for a in found["actions"]) > 0
    assert sum(a["new"] for a in found["actions"]) == 0


def test_the_same_policies_change_nothing_and_the_words_claim_nothing(logs: list[Path]) -> None:
    result = backtest(*logs, "--old", POLICIES_DIR, "--new", POLICIES_DIR, "--processes", 1)
    assert result.exit_code == 0, result.output
    assert "would fire in 2 rooms, before in 2: 0 gained, 0 lost" in result.stdout
    assert "false" not in result.stdout.lower()


def test_only_records_of_the_range_are_judged(logs: list[Path], shadowed: Path) -> None:
    first = next(iter(roomlog.read(logs[0]))).timestamp
    result = backtest(logs[0], "--new", shadowed, "--to", "1970-01-02T00:00", "--json")
    assert json.loads(result.stdout)["events"] == 0
    assert first > 0


def test_wrong_usage_and_what_cannot_be_read(logs: list[Path], shadowed: Path, tmp_path: Path) -> None:
    assert backtest("--new", shadowed).exit_code == 2
    assert backtest(logs[0], "--bootstrap", "127.0.0.1:1", "--new", shadowed).exit_code == 2
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "p.yaml").write_text("policy: [")
    assert backtest(logs[0], "--new", bad).exit_code == 2
    missing = backtest(tmp_path / "gone.jsonl", "--new", shadowed)
    assert missing.exit_code == 1
    assert "gone.jsonl" in missing.stderr
