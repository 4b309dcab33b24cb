"""`simulate`: a room log that replays, and the truth apart from it."""

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from worker.cli import cli
from worker.lab.simulate import ARCHETYPES
from worker.lab.simulate.scenes import SCENES
from worker.tools import roomlog


def test_rooms_of_several_archetypes_in_one_log_in_order_of_event_time(tmp_path: Path) -> None:
    log, truth = tmp_path / "rooms.jsonl.gz", tmp_path / "truth.jsonl"
    args = ["simulate", "quiet", "tampered", "--rooms", "2", "--minutes", "6", "-o", str(log), "--truth", str(truth)]
    assert CliRunner().invoke(cli, args).exit_code == 0
    records = list(roomlog.read(log))
    times = [record.timestamp for record in records]
    assert times == sorted(times)
    known = [json.loads(line) for line in truth.read_text().splitlines()]
    assert [(k["archetype"], k["seed"], k["honest"]) for k in known] == [
        ("quiet", 1, True), ("quiet", 2, True), ("tampered", 1, False), ("tampered", 2, False),
    ]  # fmt: skip
    assert {record.key for record in records} == {k["room_id"].encode() for k in known}
    found = json.loads(CliRunner().invoke(cli, ["replay", str(log), "--json", "--rooms"]).stdout)
    assert {room["room_id"]: room["rules"] for room in found["rooms"] if room["rules"]} == {
        "douyin:tampered-1": ["CN-TAMPER-01"],
        "douyin:tampered-2": ["CN-TAMPER-01"],
    }


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        CliRunner().invoke(cli, ["simulate", "loop", "--minutes", "5", "-o", str(tmp_path / name)])
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes() != b""


def test_every_archetype_is_listed() -> None:
    listed = json.loads(CliRunner().invoke(cli, ["simulate", "--list", "--json"]).stdout)
    assert [one["name"] for one in listed["archetypes"]] == list(ARCHETYPES)
    assert [one["name"] for one in listed["scenes"]] == list(SCENES)
    shown = CliRunner().invoke(cli, ["simulate", "--list"]).stdout
    assert all(name in shown for name in (*ARCHETYPES, *SCENES))


def test_a_scene_is_written_with_the_truth_about_every_room(tmp_path: Path) -> None:
    log, truth = tmp_path / "scene.jsonl.gz", tmp_path / "truth.jsonl"
    args = ["simulate", "--scene", "night_farm", "--minutes", "5", "-o", str(log), "--truth", str(truth)]
    assert CliRunner().invoke(cli, args).exit_code == 0
    known = [json.loads(line) for line in truth.read_text().splitlines()]
    assert len(known) == 60
    assert {record.key for record in roomlog.read(log)} == {k["room_id"].encode() for k in known[:3]}


def test_a_thinner_pace_has_fewer_events_and_as_many_rooms(tmp_path: Path) -> None:
    """Of a recording too, which has a pace of its own."""
    counts = {}
    for pace in ("full", "sparse", "thin"):
        log = tmp_path / f"{pace}.jsonl"
        args = ["simulate", "quiet", "loop", "--minutes", "30", "--pace", pace, "-o", str(log)]
        assert CliRunner().invoke(cli, args).exit_code == 0
        counts[pace] = Counter(record.key for record in roomlog.read(log))
    for room in counts["full"].keys() | counts["thin"].keys():
        full, sparse, thin = (counts[pace][room] for pace in ("full", "sparse", "thin"))
        assert full > 2 * sparse > 2.4 * thin > 0


def test_an_unknown_archetype_or_no_file_is_wrong_usage() -> None:
    result = CliRunner().invoke(cli, ["simulate", "robot", "-o", "x"])
    assert (result.exit_code, "No archetype 'robot'" in result.stderr) == (2, True)
    assert CliRunner().invoke(cli, ["simulate", "loop"]).exit_code == 2
    assert CliRunner().invoke(cli, ["simulate", "--scene", "circus", "-o", "x"]).exit_code == 2
    assert CliRunner().invoke(cli, ["simulate", "loop", "--scene", "night_farm", "-o", "x"]).exit_code == 2


def test_where_nothing_can_be_written_is_said_before_the_work_begins(tmp_path: Path) -> None:
    log = tmp_path / "rooms.jsonl"
    assert CliRunner().invoke(cli, ["simulate", "quiet", "--minutes", "1", "-o", str(log)]).exit_code == 0
    for place, why in ((tmp_path, "is a directory"), (tmp_path / "none" / "out.jsonl", "there is no directory")):
        for args in (
            ["simulate", "quiet", "-o", str(place)],
            ["simulate", "quiet", "-o", str(log), "--truth", str(place)],
            ["replay", str(log), "-o", str(place)],
            ["replay", str(log), "--dead-letters", str(place)],
        ):
            done = CliRunner().invoke(cli, args)
            assert (done.exit_code, why in done.stderr, str(place.parent) in done.stderr) == (2, True, True), args


def test_a_scene_has_its_own_number_of_rooms(tmp_path: Path) -> None:
    args = ["simulate", "--scene", "avatar_farm", "--rooms", "3", "-o", str(tmp_path / "farm.jsonl")]
    done = CliRunner().invoke(cli, args)
    assert done.exit_code == 2 and "--rooms" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["simulate", "lop", "-o", "-"], "No archetype 'lop'. Did you mean 'loop'?"),
        (["simulate", "--scene", "avatar_fram", "-o", "-"], "Did you mean 'avatar_farm'?"),
        (["evaluate", "--archetypes", "loop,standbi"], "No archetype 'standbi'. Did you mean 'standby'?"),
    ],
)
def test_a_slip_in_a_name_gets_the_nearest_one(args: list[str], words: str) -> None:
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == 2
    assert words in result.stderr
