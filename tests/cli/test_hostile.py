"""Every command before hostile input: nothing from outside commands the terminal, and nothing poses as a verdict."""

import json
import logging
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from tests.lab.importers.made_up import srt_cue, tweet, twitch
from tests.policy.build import a_policy, a_rule
from worker.__main__ import show_safely
from worker.cli import COMMANDS, cli, load
from worker.cli.run import _JsonLines, _PlainLines
from worker.ingress.reject import Reason, Reject, dead_letter
from worker.lab.mockcluster import MockCluster
from worker.lab.simulate import simulate
from worker.tools import roomlog
from worker.tools.roomlog import LogRecord
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, POLICIES_TOPIC, VIOLATIONS_TOPIC

LIE = "recomputed: identical"
HOSTILE = f"\x1b[2K\r\n{LIE}\n\x9b1m\u202e\u200b\u2028[b]"
GOLDEN = Path(__file__).parents[1] / "golden" / "rooms" / "wx_plugin_avatar_ladder.expected.jsonl"
POLICIES = Path(__file__).parents[2] / "worker" / "policies"
KEPT = {"region", "transition", "mode", "level", "family", "certainty", "action", "because", "signal"}
"""Fields of a violation that are words of a list."""


class Given(NamedTuple):
    """Hostile files and a broker full of hostile records."""

    folder: Path
    log: Path
    violations: Path
    violation_id: str
    bootstrap: str


def _spoilt(value: Any, name: str = "") -> Any:
    """A violation in which every text that may be anything is hostile."""
    if isinstance(value, dict):
        return {key: _spoilt(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_spoilt(inner, name) for inner in value]
    return value + HOSTILE if isinstance(value, str) and name not in KEPT else value


def _spoilt_line() -> dict[str, Any]:
    line: dict[str, Any] = json.loads(GOLDEN.read_bytes().splitlines()[0])
    excerpt = {"at_ms": 0, "kind": "speech", "offset": 1, "text": " " * 70 + LIE}
    value = {**line["value"], "excerpts": [*line["value"]["excerpts"], excerpt]}
    return {**line, "key": line["key"] + HOSTILE, "value": _spoilt(value)}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    folder = tmp_path_factory.mktemp("hostile")
    log = folder / f"log{LIE}\x1b[2K.jsonl"
    events = simulate("software_seller", 1, duration_ms=900_000)
    with roomlog.Writer(log) as out:
        for n, event in enumerate(events):
            room_id = str(event["room_id"]) + HOSTILE * (n % 50 == 9)
            spoilt: dict[str, object] = {name: f"{event[name]}{HOSTILE}" for name in ("text", "title") if name in event}
            out.event({**event, **spoilt, "room_id": room_id})
        out.line(b"no record \x1b[2K")
    truth = {"room_id": "wechat_channels:software_seller-1", "archetype": HOSTILE, "seed": 1, "honest": False,
             "title": HOSTILE, "expects": [HOSTILE], "guilty_at_ms": None}  # fmt: skip
    (folder / "truth.jsonl").write_text(json.dumps(truth) + "\n")
    line = _spoilt_line()
    (folder / "violations.jsonl").write_text(json.dumps(line) + "\n")
    (folder / "chat.json").write_text(twitch(tweet(1, HOSTILE), tweet(90)))
    (folder / "speech.srt").write_text(srt_cue(1, "00:00:10,000", "00:00:55,000", HOSTILE))
    rule = a_rule(expect="[notify]")
    (folder / "bad.yaml").write_text(a_policy(rule.replace("severity: 3", f"severity: {json.dumps(HOSTILE)}")))
    (folder / "good.yaml").write_text(a_policy(rule))
    with MockCluster() as cluster:
        _fill(cluster, line, list(roomlog.read(log, faults=roomlog.Faults())))
        yield Given(folder, log, folder / "violations.jsonl", line["headers"]["ce_id"], cluster.bootstrap)


def _fill(cluster: MockCluster, line: dict[str, Any], records: list[LogRecord]) -> None:
    for topic in (EVENTS_TOPIC, VIOLATIONS_TOPIC, POLICIES_TOPIC, DEAD_LETTERS_TOPIC):
        cluster.create_topic(topic, 1)
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    headers = {name: text.encode() for name, text in line["headers"].items()}
    producer.produce(VIOLATIONS_TOPIC, json.dumps(line["value"]).encode(), line["key"].encode(), 0, headers=headers)
    for record in records[:100]:
        producer.produce(EVENTS_TOPIC, record.value, record.key, 0, timestamp=record.timestamp)
    producer.produce(POLICIES_TOPIC, f"policy: {json.dumps(HOSTILE)}".encode(), HOSTILE.encode(), 0)
    for reason, topic in ((Reason.NOT_JSON, EVENTS_TOPIC), (Reason.NOT_JSON, HOSTILE)):
        record = LogRecord(0, 5, 1_772_413_200_000, HOSTILE.encode(), HOSTILE.encode(), ((HOSTILE, HOSTILE.encode()),))
        letter = dead_letter(record, Reject(reason, HOSTILE), topic=topic, partition=0, worker_version=HOSTILE)
        for named in (letter.headers, [("dlq.error.class", HOSTILE.encode()), *letter.headers[1:]]):
            producer.produce(DEAD_LETTERS_TOPIC, letter.value, letter.key, 0, headers=named)
    assert producer.flush(20) == 0


Arguments = Callable[[Given], list[str | Path]]
CASES: dict[str, list[Arguments]] = {
    "run": [lambda g: ["--check"]],
    "demo": [lambda g: ["--out", g.log]],
    "replay": [
        lambda g: [g.log, "--rooms"],
        lambda g: [g.log, "--strict"],
        lambda g: [g.log, "--json"],
        lambda g: [g.folder / "good.yaml", "--policy-log", g.folder / "bad.yaml"],
        lambda g: [g.folder / HOSTILE],
    ],
    "import": [
        lambda g: ["--chat", g.folder / "chat.json", "--speech", g.folder / "speech.srt", "-o", g.folder / "r.jsonl"],
        lambda g: ["--chat", g.log, "-o", g.folder / "r.jsonl"],
        lambda g: ["--chat", g.folder / "chat.json", "-o", g.folder / HOSTILE / "r.jsonl"],
    ],
    "simulate": [
        lambda g: [HOSTILE, "-o", g.folder / "s.jsonl"],
        lambda g: ["loop", "-o", g.folder / HOSTILE / "s"],
        lambda g: ["--scene", HOSTILE],
        lambda g: ["--list"],
    ],
    "evaluate": [
        lambda g: ["--log", g.log, "--truth", g.folder / "truth.jsonl"],
        lambda g: ["--log", g.log, "--truth", g.log],
        lambda g: ["--archetypes", HOSTILE],
    ],
    "explain": [
        lambda g: [g.violation_id, "--from", g.violations, "--from", g.log],
        lambda g: [g.violation_id, "--from", g.violations, "--from", g.log, "--json"],
        lambda g: [g.violation_id, "--bootstrap", g.bootstrap],
        lambda g: [HOSTILE, "--from", g.log],
    ],
    "statement": [
        lambda g: [g.violation_id, "--from", g.violations],
        lambda g: [g.violation_id, "--bootstrap", g.bootstrap, "--json"],
    ],
    "policy check": [lambda g: [g.folder / "bad.yaml"], lambda g: [g.folder / "bad.yaml", "--json"]],
    "policy test": [lambda g: [g.folder / "good.yaml"], lambda g: [g.folder / "bad.yaml"], lambda g: ["-k", HOSTILE]],
    "policy diff": [lambda g: [g.folder / "good.yaml", g.folder / "bad.yaml"]],
    "policy backtest": [lambda g: [g.log, "--new", g.folder], lambda g: [g.log, "--new", POLICIES]],
    "policy push": [lambda g: [g.folder / "bad.yaml", "--bootstrap", g.bootstrap]],
    "policy ls": [lambda g: ["--bootstrap", g.bootstrap], lambda g: ["--bootstrap", g.bootstrap, "--json"]],
    "topics check": [lambda g: ["--bootstrap", g.bootstrap], lambda g: ["--bootstrap", HOSTILE]],
    "topics apply": [lambda g: ["--bootstrap", g.bootstrap, "--dry-run"]],
    "history export": [lambda g: ["--app-id", HOSTILE, "--bootstrap", g.bootstrap],
                       lambda g: ["--app-id", "old", "--bootstrap", HOSTILE, "--dry-run"]],
    "dlq ls": [lambda g: ["--bootstrap", g.bootstrap], lambda g: ["--bootstrap", g.bootstrap, "--json"]],
    "dlq show": [lambda g: ["0:1", "--value", "--bootstrap", g.bootstrap],
                 lambda g: ["0:1", "--value", "--bootstrap", g.bootstrap, "--json"]],
    "dlq replay": [lambda g: ["--bootstrap", g.bootstrap], lambda g: ["--bootstrap", g.bootstrap, "--send"]],
}  # fmt: skip


def _leaves(command: click.Command, name: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for part, inner in command.commands.items():
            yield from _leaves(inner, f"{name} {part}")
    else:
        yield name


def test_no_command_is_left_out() -> None:
    assert set(CASES) == {leaf for name, entry in COMMANDS.items() for leaf in _leaves(load(name, entry), name)}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("name", "at"), [(name, at) for name, cases in CASES.items() for at in range(len(cases))])
def test_nothing_from_outside_reaches_the_terminal_as_it_came(
    given: Given, monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    monkeypatch.setenv("STREAM_AUDIT_BROKERS", HOSTILE)
    monkeypatch.setattr("worker.tools.brokertopics.TIMEOUT_S", 1.0)  # the mock cluster never describes a topic
    # With colours, as a terminal has them; without, click would take escapes away before this could see them.
    result = CliRunner().invoke(cli, [*name.split(), *map(str, CASES[name][at](given))], color=True)
    assert result.exit_code in (0, 1, 2)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    said = result.stdout + result.stderr
    assert said
    _is_safe(said)


@pytest.mark.parametrize("before", [[], ["replay"], ["policy"], ["policy", "check"]])
@pytest.mark.parametrize("argument", [HOSTILE, f"--{HOSTILE}", f"--help={HOSTILE}", f"-{HOSTILE}"])
def test_a_hostile_name_for_a_command_or_an_option_is_shown_safely(before: list[str], argument: str) -> None:
    result = CliRunner().invoke(cli, [*before, argument], color=True)
    assert result.exit_code == 2
    _is_safe(result.stderr)


def test_a_traceback_is_shown_safely(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError as problem:
        show_safely(type(problem), problem, problem.__traceback__)
    said = capsys.readouterr().err
    assert "ValueError" in said
    _is_safe(said)


@pytest.mark.parametrize("formatter", [_PlainLines("%(levelname)s %(name)s: %(message)s"), _JsonLines()])
def test_a_log_line_is_safe(formatter: logging.Formatter) -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record = logging.LogRecord(f"x{HOSTILE}", logging.ERROR, "", 0, "the room %s", (HOSTILE,), sys.exc_info())
    said = formatter.format(record)
    assert "ValueError" in said
    _is_safe(said)


def _is_safe(said: str) -> None:
    assert not {c for c in said if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"}} - {"\n"}
    assert not [line for line in said.splitlines() if line.startswith(LIE)]


@pytest.mark.parametrize("value", [{}, 7, {"log": {}}, {"room_id": 1, "log": {"partition": "0"}, "region": []}])
@pytest.mark.parametrize("command", ["explain", "statement"])
def test_a_record_that_is_no_violation_ends_with_a_sentence(tmp_path: Path, command: str, value: Any) -> None:
    path, log = tmp_path / "violations.jsonl", tmp_path / "log.jsonl"
    line = json.loads(GOLDEN.read_bytes().splitlines()[0])
    path.write_text(json.dumps({**line, "value": value}) + "\n")
    roomlog.write(log, [{"type": "x", "room_id": "1", "at_ms": 1}])
    result = CliRunner().invoke(cli, [command, line["headers"]["ce_id"], "--from", str(path), "--from", str(log)])
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True), result.exception
    assert "no violation that this version can read" in result.stderr


@pytest.mark.parametrize("command", [["simulate", "loop", "-o", "-"], ["replay", str(GOLDEN), "-o", "-"]])
def test_records_that_are_kept_to_the_byte_are_not_written_to_a_terminal(command: list[str]) -> None:
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "worker", *command], stdout=theirs, stderr=subprocess.PIPE, text=True, check=False,
            cwd=POLICIES.parents[1],
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, "standard output is a terminal" in done.stderr) == (2, True)
