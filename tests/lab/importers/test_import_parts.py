"""Several files of one broadcast."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.lab.importers.made_up import START_MS, bililive, srt_cue
from worker.cli.import_ import import_
from worker.lab.importers import ImportRefusedError, Job, Summary, import_recording
from worker.lab.importers.parts import start_in_name
from worker.lab.importers.recording import BEFORE, DUPLICATE

PART_S = 1_800


def comment(at_s: float, start_s: int, text: str = "多少钱", uid: int = 7) -> str:
    sent = START_MS + round((start_s + at_s) * 1_000)
    return f'<d p="{at_s:.3f},1,25,16777215,{sent},0,{uid},0" uid="{uid}" user="客">{text}</d>'


def part(start_s: int, *comments: str) -> str:
    start = datetime.fromtimestamp(START_MS / 1_000 + start_s, UTC).isoformat()
    return bililive(*comments, start=start)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two parts of 25 minutes; the second begins half an hour after the first."""
    place = tmp_path / "recording"
    place.mkdir()
    first = part(0, *(comment(n, 0, "第一段", n) for n in range(10, 1_500, 10)))
    second = part(PART_S, *(comment(n, PART_S, "第二段", n) for n in range(10, 1_500, 10)))
    (place / "甲店-20260529-042640-000.xml").write_text(first)
    (place / "甲店-20260529-045640-001.xml").write_text(second)
    (place / "甲店.flv").write_text("no chat")
    return place


def events(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def call(out: Path, *args: str) -> Any:
    return CliRunner().invoke(import_, [*args, "-o", str(out), "--json"])


@pytest.mark.parametrize("way", ["each", "reversed", "folder", "glob"])
def test_parts_are_joined_by_absolute_time(folder: Path, tmp_path: Path, way: str) -> None:
    files = [str(path) for path in sorted(folder.glob("*.xml"))]
    given = {"each": files, "reversed": files[::-1], "folder": [str(folder)], "glob": [f"{folder}/*.xml"]}[way]
    out = tmp_path / "room.jsonl"
    done = call(out, *(word for path in given for word in ("--chat", path)))
    assert done.exit_code == 0, done.output
    comments = [e for e in events(out) if e["type"] == "viewer.comment"]
    assert [e["text"] for e in comments] == ["第一段"] * 149 + ["第二段"] * 149
    assert comments[149]["at_ms"] - START_MS == (PART_S + 10) * 1_000
    assert len({e["session_id"] for e in events(out)}) == 1


def test_what_lies_between_parts_is_neither_silence_nor_a_break(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "room.jsonl"
    assert call(out, "--chat", str(folder)).exit_code == 0
    beats = [(e["at_ms"] - START_MS) // 1_000 for e in events(out) if e["type"] == "room.heartbeat"]
    assert not [at for at in beats if 1_490 < at < PART_S]
    assert [at for at in beats if at > PART_S]
    assert not [e for e in events(out) if e["type"] in ("room.paused", "room.resumed")]


def joined(tmp_path: Path, *parts: str, **job: Any) -> tuple[Summary, list[dict[str, Any]]]:
    paths = []
    for number, text in enumerate(parts):
        paths.append(tmp_path / f"part{number}.xml")
        paths[-1].write_text(text)
    summary = import_recording(Job(chat=tuple(paths), out=tmp_path / "room.jsonl", **job))
    return summary, events(tmp_path / "room.jsonl")


def test_a_message_in_both_of_two_parts_that_overlap_counts_once(tmp_path: Path) -> None:
    first = part(0, *(comment(n, 0, f"话{n}") for n in range(10, 200, 10)))
    second = part(100, *(comment(n, 100, f"话{n + 100}") for n in range(10, 200, 10)))
    summary, found = joined(tmp_path, first, second)
    texts = [e["text"] for e in found if e["type"] == "viewer.comment"]
    assert texts == [f"话{n}" for n in range(10, 300, 10)]
    assert summary.dropped == {DUPLICATE: 9}


def test_the_same_word_again_and_again_is_no_repeat(tmp_path: Path) -> None:
    first = part(0, *(comment(n, 0, "1") for n in range(10, 200, 10)))
    second = part(210, *(comment(n, 210, "1") for n in range(10, 200, 10)))
    summary, _ = joined(tmp_path, first, second)
    assert summary.events["viewer.comment"] == 38


def test_a_message_that_came_while_the_next_part_began_is_kept(tmp_path: Path) -> None:
    first = part(0, *(comment(n, 0) for n in range(10, 200, 10)))
    late = comment(0, 239, "交界处的一条").replace('p="0.000', 'p="0.000')
    second = part(240, late, *(comment(n, 240) for n in range(10, 200, 10)))
    summary, found = joined(tmp_path, first, second)
    assert "交界处的一条" in [e.get("text") for e in found]
    assert BEFORE not in summary.dropped


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (part(20_000, comment(10, 20_000)), "begins 330 min after the part before it ends"),
        (part(2_000, comment(10, 2_000)).replace('roomid="4242"', 'roomid="9"'), "is of another room"),
    ],
)
def test_parts_of_different_rooms_or_broadcasts_are_refused(tmp_path: Path, second: str, why: str) -> None:
    first = part(0, *(comment(n, 0) for n in range(10, 1_500, 10)))
    with pytest.raises(ImportRefusedError, match=why if "330" not in why else r"begins \d+ min after"):
        joined(tmp_path, first, second)


def test_speech_of_each_part_is_shifted_by_its_chat_or_by_its_name(folder: Path, tmp_path: Path) -> None:
    names = ["甲店-20260529-042640-000.srt", "甲店-20260529-045640-001.srt"]
    for number, name in enumerate(names):
        cue = srt_cue(1, "00:00:05,000", "00:00:08,000", f"第{number}部分好的")
        (folder / name).write_text(cue)
    out = tmp_path / "room.jsonl"
    chat = [word for path in sorted(folder.glob("*.xml")) for word in ("--chat", str(path))]
    speech = [word for path in sorted(folder.glob("*.srt")) for word in ("--speech", str(path))]
    for args in ([*chat, *speech], [*chat[:2], *speech], speech):
        done = call(out, *args)
        assert done.exit_code == 0, done.output
        starts = [e["start_ms"] - START_MS for e in events(out) if e["type"] == "host.speech"]
        assert starts == [5_000, PART_S * 1_000 + 5_000]


def test_speech_of_unknown_parts_is_refused_with_both_ways_out(folder: Path, tmp_path: Path) -> None:
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"part{number}.srt")
        paths[-1].write_text(srt_cue(1, "00:00:05,000", "00:00:08,000", "好的"))
    done = call(tmp_path / "room.jsonl", "--chat", str(folder), *(w for p in paths for w in ("--speech", str(p))))
    assert done.exit_code == 1
    assert "as many --speech as --chat" in done.output
    assert "part_20260301_212000.srt" in done.output


@pytest.mark.parametrize(
    ("given", "why"), [("{}/*.xyz", "fits no file"), ("{}/empty", "has no file"), ("{}/none.xml", "does not exist")]
)
def test_a_pattern_without_files_is_wrong_usage(tmp_path: Path, given: str, why: str) -> None:
    (tmp_path / "empty").mkdir()
    done = call(tmp_path / "room.jsonl", "--chat", given.format(tmp_path))
    assert done.exit_code == 2
    assert why in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("甲店-20260301-212000-000.xml", 1_772_371_200_000), ("2026-03-01 21-20-00 上新.flv.srt", 1_772_371_200_000),
        ("20260301_2120.srt", 1_772_371_200_000), ("part001.xml", None), ("12345678901234.xml", None),
    ],
)  # fmt: skip
def test_the_start_stands_in_the_name(name: str, start: int | None) -> None:
    assert start_in_name(Path(name)) == start
