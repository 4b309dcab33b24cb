"""`demo`: the real worker over the embedded broker; what it says live is what a replay of the log says, to the byte."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kafka import wait_until
from worker.cli.demo import _times
from worker.lab.demo.cast import CAST, cast
from worker.lab.simulate import truth
from worker.tools.roomlog import read

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


@pytest.mark.parametrize("rooms", range(3, 2 * len(CAST)))
def test_any_three_rooms_or_more_show_guilty_and_honest_ones(rooms: int) -> None:
    assert {truth(name, seed).honest for name, seed in cast(rooms, 1)} == {True, False}


def test_shadow_rules_on_honest_rooms_are_counted_apart(shown: tuple[Path, dict[str, Any]]) -> None:
    out, summary = shown
    lines = [json.loads(line) for line in (out / "violations.jsonl").read_bytes().splitlines()]
    opened = [line["value"] for line in lines if line["value"]["transition"] == "opened"]
    honest = {f"{truth(name, seed).room_id}" for name, seed in cast(16, 1) if truth(name, seed).honest}
    expected: dict[str, list[str]] = {}
    for violation in opened:
        if violation["mode"] == "shadow" and violation["room_id"] in honest:
            expected.setdefault(violation["room_id"], []).append(violation["rule"]["id"])
    assert expected, "a simulated room that no shadow rule opens on would show nothing here"
    assert summary["shadow_on_honest_rooms"] == expected


@pytest.fixture
def playing(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A demo of three rooms that plays for an hour, once its worker reads and its log has reached the disk."""
    command = [sys.executable, "-m", "worker", "demo", "--rooms", "3", "--minutes", "60", "--speed", "1", "--json"]
    environment = {**os.environ, "NO_COLOR": "1"}
    with subprocess.Popen(
        [*command, "--out", str(tmp_path)], cwd=REPO, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as demo:  # fmt: skip
        try:
            log = tmp_path / "log.jsonl.zst"
            wait_until(lambda: log.exists() and log.stat().st_size > 0, timeout_s=60, what="the room log")
            yield demo
        finally:
            demo.kill()


def _worker_of(demo: "subprocess.Popen[str]") -> int:
    """The process id of the demo's worker."""
    children = [
        int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _state(stat)[1:] == [str(demo.pid)]
    ]
    assert len(children) == 1
    return children[0]


def _state(stat: Path) -> list[str]:
    """State and parent of a process; nothing once it is gone."""
    try:
        return stat.read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return []


def _has_ended(pid: int) -> bool:
    return _state(Path(f"/proc/{pid}/stat"))[:1] in ([], ["Z"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_worker_too_and_leaves_a_whole_log(
    playing: "subprocess.Popen[str]", tmp_path: Path, number: signal.Signals
) -> None:
    worker = _worker_of(playing)
    playing.send_signal(number)
    stdout, stderr = playing.communicate(timeout=60)
    assert playing.returncode == 1, stderr
    assert _has_ended(worker)
    assert "interrupted; stopping the worker" in stderr
    assert len(list(read(tmp_path / "log.jsonl.zst"))) == json.loads(stdout)["events"] > 0


def test_a_demo_that_is_killed_leaves_no_worker_behind(playing: "subprocess.Popen[str]", tmp_path: Path) -> None:
    worker = _worker_of(playing)
    playing.kill()
    wait_until(lambda: _has_ended(worker), timeout_s=30, what="the end of the worker")
    lines = (tmp_path / "worker.log").read_text().splitlines()
    assert "the demo that started this worker has ended, and its broker with it" in lines


def test_keep_tells_the_broker_and_what_to_try_and_it_works(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "worker", "demo", "--rooms", "3", "--minutes", "30", "--speed", "50000", "--keep"]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path)], cwd=REPO, env={**os.environ, "NO_COLOR": "1"}, text=True,
        stdout=subprocess.PIPE,
    ) as demo:  # fmt: skip
        try:
            assert demo.stdout is not None
            said = []
            for line in demo.stdout:
                said.append(line.strip())
                if line.strip().startswith("curl "):
                    break
            text = "\n".join(said)
            assert "Violations (live rules)" in text
            assert "Kafka is at 127.0.0.1:" in text
            (explain, letters) = (line for line in said if "--bootstrap" in line)
            for suggested in (explain, letters):
                done = _stream_audit(*suggested.split()[1:])
                assert done.returncode == 0, done.stdout + done.stderr
            (from_files,) = (line for line in said if "--from" in line)
            assert _stream_audit(*from_files.split()[1:]).returncode == 0, "the files are whole while the demo stays"
            demo.terminate()
            assert demo.wait(60) == 0
        finally:
            demo.kill()


def test_a_rule_that_opened_more_than_once_is_named_once_with_its_count() -> None:
    assert _times(["CN-FLEET-01", "CN-DVH-01", "CN-FLEET-01"]) == "CN-FLEET-01 ×2, CN-DVH-01"
