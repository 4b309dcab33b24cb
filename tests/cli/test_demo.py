"""`demo`: the real worker over the embedded broker; what it says live is what a replay of the log says, to the byte."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def _stream_audit(*args: object) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "worker", *map(str, args)]
    return subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Sixteen rooms, half an hour of event time, as fast as the worker can."""
    out = tmp_path_factory.mktemp("demo")
    done = _stream_audit("demo", "--out", out, "--minutes", 30, "--speed", 50_000, "--json")
    assert done.returncode == 0, done.stderr
    assert "not durable" in done.stderr or "nothing it holds is durable" in done.stderr
    assert "\x1b" not in done.stderr, "no terminal, no escape sequences"
    return out, json.loads(done.stdout)


def test_every_event_fed_is_accounted_for_by_the_worker(shown: tuple[Path, dict[str, Any]]) -> None:
    _, summary = shown
    accounting = dict(summary["accounting"])
    assert accounting.pop("read") == summary["events"] == sum(accounting.values())
    assert summary["dead_letters"] == 0


def test_honest_rooms_are_untouched_and_facts_are_found_within_half_an_hour(
    shown: tuple[Path, dict[str, Any]],
) -> None:
    _, summary = shown
    assert summary["honest_rooms"] == 9
    assert summary["honest_rooms_touched"] == []
    found = {(room.partition(":")[2], rule) for room, rules in summary["violations"].items() for rule in rules}
    assert found >= {
        ("avatar_watermark-1", "WX-AVATAR-01"),
        ("avatar_watermark-1", "CN-LABEL-01"),
        ("avatar_unregistered-1", "DY-REG-01"),
        ("software_seller-1", "WX-SOFT-01"),
        ("persona_elite-1", "DY-PERSONA-03"),
        ("tampered-1", "CN-TAMPER-01"),
    }


def test_a_replay_of_the_log_gives_the_records_that_the_worker_emitted_to_the_byte(
    shown: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, _ = shown
    again = tmp_path / "violations.jsonl"
    done = _stream_audit("replay", out / "log.jsonl.zst", "-o", again)
    assert done.returncode == 1, done.stderr
    live, replayed = ((path / "violations.jsonl").read_bytes().splitlines() for path in (out, tmp_path))
    assert len(live) >= 6
    assert sorted(live) == sorted(replayed)


def test_the_explain_command_that_the_summary_names_works(shown: tuple[Path, dict[str, Any]]) -> None:
    _, summary = shown
    name, *args = summary["explain"].split()
    assert name == "stream-audit"
    done = _stream_audit(*args)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "recomputed: identical" in done.stdout
