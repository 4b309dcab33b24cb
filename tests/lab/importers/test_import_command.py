"""`stream-audit import` on the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.lab.importers.made_up import srt_cue, tweet, twitch, youtube
from worker.cli.import_ import import_


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    chat, speech, salt = tmp_path / "chat.json", tmp_path / "speech.srt", tmp_path / "salt"
    chat.write_text(twitch(tweet(1, "how much?"), tweet(90)))
    speech.write_text(srt_cue(1, "00:00:10,000", "00:00:55,000", "it is nine"))
    salt.write_text("do-not-print-this-salt")
    return {"chat": str(chat), "speech": str(speech), "salt": str(salt), "out": str(tmp_path / "room.jsonl.zst")}


def call(*args: str) -> Result:
    return CliRunner().invoke(import_, args)


def test_it_prints_what_was_written_and_the_next_command(files: dict[str, str]) -> None:
    done = call("--chat", files["chat"], "--speech", files["speech"], "--salt-file", files["salt"], "-o", files["out"])
    assert done.exit_code == 0, done.output
    assert "viewer.comment" in done.output
    assert "speech in 50% of it" in done.output
    assert f"stream-audit replay {files['out']}" in done.output
    assert "do-not-print" not in done.output
    assert "how much?" not in done.output


def test_json_is_one_object_and_nothing_else(files: dict[str, str]) -> None:
    done = call("--chat", files["chat"], "-o", files["out"], "--json")
    summary = json.loads(done.stdout)
    assert summary["events"]["viewer.comment"] == 2
    assert summary["formats"] == {"chat": "twitchdownloader"}
    assert summary["end_ms"] - summary["start_ms"] == 90_000


def test_a_refusal_exits_one_and_names_the_file(files: dict[str, str], tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text("nothing known")
    done = call("--chat", str(bad), "-o", files["out"])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {bad}: not a format")
    assert not Path(files["out"]).exists()


@pytest.mark.parametrize(
    "args",
    [
        [], ["--region", "CHN"], ["--room-id", "no spaces"], ["--started-at", "yesterday"],
        ["--chat-format", "pigeon"], ["-o", "room.txt"], ["--chat", "/does/not/exist"],
    ],
)  # fmt: skip
def test_wrong_usage_exits_two(files: dict[str, str], args: list[str]) -> None:
    given = [] if not args else ["--chat", files["chat"]]
    assert call(*given, "-o", files["out"], *args).exit_code == 2


def test_help_shows_an_example() -> None:
    assert "stream-audit import --chat" in call("--help").output
    assert import_.name == "import"


def test_bad_lines_are_shown_with_their_number(files: dict[str, str], tmp_path: Path) -> None:
    chat = tmp_path / "live_chat.json"
    chat.write_text("".join(youtube(n * 1_000) for n in range(1, 41)) + "{bad\n")
    assert "line 41" in call("--chat", str(chat), "-o", files["out"]).output


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (["--since", "0:30"], [30]), (["--until", "0:00:59"], [1]), (["--since", "0:10", "--until", "1:29"], []),
        (["--since", "2026-05-28T20:27:40Z"], [30]),
    ],
)  # fmt: skip
def test_a_part_of_the_recording_is_cut_out(tmp_path: Path, given: list[str], left: list[int]) -> None:
    out = tmp_path / "room.jsonl"
    chat = tmp_path / "chat.json"
    chat.write_text(twitch(tweet(1), tweet(90), video={"created_at": "2026-05-28T20:26:40Z"}))
    done = call("--chat", str(chat), *given, "-o", str(out), "--json")
    if not left:
        assert done.exit_code == 1
        assert "nothing lies between" in done.stderr
        return
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert summary["events"]["viewer.comment"] == 1
    assert summary["dropped"] == {"outside of --since and --until": 1}
