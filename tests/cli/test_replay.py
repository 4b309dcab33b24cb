"""`replay` and `explain`: the same bytes as the processor gives, and the way back from a violation to its log."""

import json
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from worker.cli import cli
from worker.lab.simulate import simulate
from worker.policy.wire import as_document
from worker.resources import POLICIES_DIR
from worker.tools import roomlog

REPO = Path(__file__).parents[2]
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`seller.jsonl` (guilty by a fact), `avatar.jsonl.zst` (by statistics), `honest.jsonl`."""
    folder = tmp_path_factory.mktemp("logs")
    roomlog.write(folder / "seller.jsonl", simulate("software_seller", 1, duration_ms=HOUR_MS // 4))
    roomlog.write(folder / "avatar.jsonl.zst", simulate("llm_avatar", 1, duration_ms=5 * HOUR_MS // 2))
    roomlog.write(folder / "honest.jsonl", simulate("responsive", 1, duration_ms=HOUR_MS // 4))
    return folder


def _run(*args: object) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def _ids(path: Path, rule: str) -> list[str]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["headers"]["ce_id"] for line in lines if line["value"]["rule"]["id"] == rule]


def test_an_honest_room_ends_with_code_0_and_every_record_accounted_for(logs: Path) -> None:
    result = _run("replay", logs / "honest.jsonl", "--rooms", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    lines = len((logs / "honest.jsonl").read_text().splitlines())
    accounting = found["accounting"]
    assert accounting.pop("read") == lines == sum(accounting.values())
    assert [room["room_id"] for room in found["rooms"]] == ["wechat_channels:responsive-1"]
    assert found["violations"] == []


def test_a_guilty_room_ends_with_code_1_and_its_violations_in_the_file(logs: Path, tmp_path: Path) -> None:
    out = tmp_path / "violations.jsonl"
    result = _run("replay", logs / "seller.jsonl", logs / "honest.jsonl", "-o", out)
    assert result.exit_code == 1
    assert "WX-SOFT-01" in result.stdout
    assert "responsive" not in result.stdout, "without --rooms only rooms with violations are listed"
    (first, *_) = [json.loads(line) for line in out.read_text().splitlines()]
    assert first["headers"]["ce_id"] == first["value"]["violation_id"]
    assert first["headers"]["ce_type"] == "live.audit.violation.opened.v1"
    assert first["key"] == "wechat_channels:software_seller-1"


def test_standard_input_to_standard_output_in_a_real_process(logs: Path) -> None:
    with (logs / "seller.jsonl").open("rb") as log:
        done = subprocess.run(
            [sys.executable, "-m", "worker", "replay", "-", "-o", "-"],
            stdin=log, cwd=REPO, capture_output=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["value"]["rule"]["id"] for line in lines} == {"WX-SOFT-01"}
    assert b"read 6" in done.stderr or b"read " in done.stderr


def test_published_policies_hold_from_their_event_time_on_and_bad_ones_are_named(logs: Path, tmp_path: Path) -> None:
    shipped = (POLICIES_DIR / "wechat_channels.yaml").read_text(encoding="utf-8")
    start_ms = min(record.timestamp for record in roomlog.read(logs / "seller.jsonl"))
    path, out = tmp_path / "policies.jsonl", tmp_path / "violations.jsonl"
    with roomlog.Writer(path) as log:
        for offset, (version, since_ms) in enumerate(((2, start_ms + 60_000), (2, start_ms + 120_000))):
            text = shipped.replace("version: 1", f"version: {version}")
            document = as_document("p", text.replace("effective_from_ms: 0", f"effective_from_ms: {since_ms}"))
            log.record(roomlog.LogRecord(0, offset, start_ms, b"wechat_channels", document.encode()))
    result = _run("replay", logs / "seller.jsonl", "--policy-log", path, "-o", out)
    assert result.exit_code == 1
    assert "policy refused: live.audit.policies@1:3:13: version 2 is not above 2" in result.stderr
    said = [json.loads(line)["value"] for line in out.read_bytes().splitlines()]
    named = {(v["policy"]["version"], v["control"]["policies"]) for v in said if v["rule"]["id"] == "WX-SOFT-01"}
    assert named == {(2, 0)}
    source = ("explain", _ids(out, "WX-SOFT-01")[0], "--from", out, "--from", logs / "seller.jsonl")
    assert "recomputed: identical" in _run(*source, "--policy-log", path).stdout
    assert "value.control.policies" in _run(*source).stdout, "without the topic another version judges"


def test_dead_letters_are_counted_by_reason_and_can_be_replayed(logs: Path, tmp_path: Path) -> None:
    good = (logs / "honest.jsonl").read_bytes().splitlines()[:200]
    bad = [b'{"type":"nonsense","id":"x","room_id":"a","at_ms":1}', b'{"type":"viewer.joined","id":"y"}']
    path, letters = tmp_path / "mixed.jsonl", tmp_path / "letters.jsonl"
    path.write_bytes(b"\n".join([*good, *bad]) + b"\n")
    result = _run("replay", path, "--dead-letters", letters, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["dead_letters"] == {"missing_field": 1, "unknown_type": 1}
    assert found["accounting"]["dead_lettered"] == 2
    again = list(roomlog.read(letters))
    assert [record.value for record in again] == bad
    assert [record.offset for record in again] == [200, 201]
    assert dict(again[0].headers)["dlq.error.class"] == b"unknown_type"


def test_a_log_read_twice_is_judged_once(logs: Path, tmp_path: Path) -> None:
    """At-least-once delivery: records at or below the applied offset are replays."""
    records = [roomlog.LogRecord(0, r.offset, r.timestamp, r.key, r.value) for r in roomlog.read(logs / "honest.jsonl")]
    path = tmp_path / "twice.jsonl"
    with roomlog.Writer(path) as log:
        for record in records + records:
            log.record(record)
    found = json.loads(_run("replay", path, "--json").stdout)
    assert found["accounting"]["replay_skipped"] == len(records)


def test_a_log_full_of_rubbish_trips_the_breaker_and_ends_with_code_1(tmp_path: Path) -> None:
    path = tmp_path / "rubbish.jsonl"
    path.write_text('{"type":"nonsense"}\n' * 2_000)
    result = _run("replay", path)
    assert result.exit_code == 1
    assert "rejected" in result.stderr or "in a row" in result.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["replay"], "Missing argument"),
        (["replay", "-", "--json", "-o", "-"], "standard output"),
        (["replay", "-", "--policies", "/nowhere"], "does not exist"),
    ],
)
def test_wrong_usage_ends_with_code_2(args: list[str], words: str) -> None:
    result = _run(*args)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_bad_line_is_counted_and_shown_and_ends_a_strict_replay(logs: Path, tmp_path: Path) -> None:
    path = tmp_path / "room.jsonl"
    first, *more = (logs / "seller.jsonl").read_bytes().splitlines(keepends=True)
    path.write_bytes(b"\xef\xbb\xbf" + first + b"<xml>\n" + b"".join(more) + b'{"type":"viewer.com')
    result = _run("replay", path)
    assert result.exit_code == 1
    assert "WX-SOFT-01 live" in result.stdout, "what comes after the line is judged"
    assert "lines that are no records, left out: 1" in result.stderr
    assert f"{path}:2: neither an event" in result.stderr
    assert f"{path}:{len(more) + 3} is cut off" in result.stderr
    found = json.loads(_run("replay", path, "--json").stdout)
    assert found["accounting"]["read"] == len(more) + 1
    assert (found["bad_lines"]["count"], found["cut_off"]) == (1, [f"{path}:{len(more) + 3}"])
    strict = _run("replay", path, "--strict")
    assert strict.exit_code == 1
    assert "read 1 = applied 1" in strict.stdout, "what comes before the line is judged"
    assert f"Error: {path}:2: neither an event" in strict.stderr


def test_an_empty_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    result = _run("replay", tmp_path / "empty.jsonl")
    assert result.exit_code == 0
    assert "empty.jsonl is empty" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        "replay GONE", "replay HERE --policies GONE", "replay HERE --policy-log GONE", "replay HERE -o GONE/x",
        "explain x --from GONE", "explain x", "explain x --from HERE --policies GONE", "statement x --from GONE",
        "statement x", "import --chat GONE -o x.jsonl", "import --chat HERE -o GONE/x.jsonl",
        "simulate loop -o GONE/x.jsonl", "evaluate --log GONE --truth HERE", "evaluate --log HERE --truth GONE",
        "evaluate --report --results GONE", "policy check GONE",
        "policy test GONE", "policy diff GONE HERE", "policy backtest GONE --new .", "policy backtest HERE --new GONE",
        "policy push GONE --bootstrap x:1", "policy ls --policies GONE", "topics check --bootstrap x:1 --schemas GONE",
    ],
)  # fmt: skip
def test_a_file_that_is_not_there_ends_with_code_2_and_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.jsonl").write_text("{}\n")
    result = _run(*command.replace("GONE", "gone.jsonl").replace("HERE", "here.jsonl").split())
    assert result.exit_code == 2
    assert ("gone.jsonl" if "GONE" in command else "build/demo") in result.stderr


def test_explain_finds_its_way_past_bad_lines(logs: Path, tmp_path: Path) -> None:
    out, log = tmp_path / "violations.jsonl", tmp_path / "log.jsonl"
    _run("replay", logs / "seller.jsonl", "-o", out)
    out.write_bytes(b"\xef\xbb\xbf" + out.read_bytes() + b'{"topic":"live.aud')
    first, *more = (logs / "seller.jsonl").read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([first, b"<xml>\n", *more[:-1]]))
    (violation_id,) = {json.loads(line)["headers"]["ce_id"] for line in out.read_text("utf-8-sig").splitlines()[:1]}
    result = _run("explain", violation_id, "--from", out, "--from", log)
    assert "lines that are no records, left out: 2" in result.stderr
    assert "recomputed: different" in result.stdout, "the offsets behind the bad line are other ones"


def test_explain_recomputes_a_violation_to_the_byte_and_its_nats_add_up(logs: Path, tmp_path: Path) -> None:
    out = tmp_path / "violations.jsonl"
    _run("replay", logs / "seller.jsonl", logs / "avatar.jsonl.zst", "-o", out)
    for rule, log in (("CN-LABEL-01", "avatar.jsonl.zst"), ("WX-SOFT-01", "seller.jsonl")):
        violation_id = _ids(out, rule)[0]
        result = _run("explain", violation_id[:10], "--from", out, "--from", logs / log)
        assert result.exit_code == 0, result.output
        assert "recomputed: identical" in result.stdout
        assert rule in result.stdout
    result = _run("explain", _ids(out, "CN-LABEL-01")[0], "--from", out, "--from", logs / "avatar.jsonl.zst")
    assert "adds up; past the threshold" in result.stdout
    answer = json.loads(
        _run(
            "explain", _ids(out, "CN-LABEL-01")[0], "--from", out, "--from", logs / "avatar.jsonl.zst", "--json"
        ).stdout
    )
    shares = answer["violation"]["evidence"]
    assert {"start", "time", "voice", "visual"} == {share["signal"] for share in shares}
    assert sum(share["nats"] for share in shares) == pytest.approx(answer["violation"]["log_e"])


def test_explain_names_every_difference_when_the_violation_was_altered(logs: Path, tmp_path: Path) -> None:
    out = tmp_path / "violations.jsonl"
    _run("replay", logs / "seller.jsonl", "-o", out)
    line = orjson.loads(out.read_bytes().splitlines()[0])
    line["value"]["facts"]["software_promotion"]["mentions"] = 99
    out.write_bytes(orjson.dumps(line) + b"\n")
    result = _run("explain", line["headers"]["ce_id"], "--from", out, "--from", logs / "seller.jsonl")
    assert result.exit_code == 1
    assert "recomputed: different" in result.stdout
    assert "value.facts.software_promotion.mentions: 99 → " in result.stdout


def test_explain_says_when_the_log_does_not_lead_there(logs: Path, tmp_path: Path) -> None:
    out, short = tmp_path / "violations.jsonl", tmp_path / "short.jsonl"
    _run("replay", logs / "seller.jsonl", "-o", out)
    violation_id = _ids(out, "WX-SOFT-01")[0]
    short.write_bytes(b"\n".join((logs / "seller.jsonl").read_bytes().splitlines()[:20]) + b"\n")
    result = _run("explain", violation_id, "--from", out, "--from", short)
    assert (result.exit_code, "recomputed: missing" in result.stdout) == (1, True)
    result = _run("explain", violation_id, "--from", out)
    assert (result.exit_code, "recomputed: no log" in result.stdout) == (1, True)
    result = _run("explain", "zzzz", "--from", out)
    assert (result.exit_code, "no violation zzzz" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "text",
    ['{"replayChatItemAction": {"actions": []}}\n', "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n", "{"],
    ids=["chat", "subtitles", "cut"],
)
def test_a_recording_in_place_of_a_room_log_ends_with_code_1_and_the_way_on(text: str, tmp_path: Path) -> None:
    (tmp_path / "recording").write_text(text)
    result = _run("replay", tmp_path / "recording")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-2].startswith("Error: ")
    assert "`stream-audit import`" in result.stderr.splitlines()[-1]


def test_a_log_of_which_one_event_can_be_judged_is_a_room_log(logs: Path, tmp_path: Path) -> None:
    first = (logs / "honest.jsonl").read_text().splitlines()[0]
    (tmp_path / "log.jsonl").write_text("{}\n" + first + "\n")
    result = _run("replay", tmp_path / "log.jsonl")
    assert result.exit_code == 0
    assert "stream-audit import" not in result.stderr
