"""`policy backtest`: two replays side by side."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.policy.build import a_policy, a_rule
from tests.support.engine import room_log
from worker.cli import cli
from worker.lab.simulate import simulate
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.judge import Judge
from worker.records import OutRecord
from worker.resources import POLICIES_DIR
from worker.tools import roomlog
from worker.tools.backtest import Source, judge_source, throughout
from worker.topics import VIOLATIONS_TOPIC

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
    assert missing.exit_code == 2
    assert "gone.jsonl" in missing.stderr


RULE = a_rule(caps="{per_hour: 4}", cooldown="1m", clear_after="1m", escalate_after="10m", pause="{rooms: 3, times: 2}")
SHARE = a_rule(
    "T-TWO-02", when='ai_presenter.certainty >= POSSIBLE && share("label.visible", duration("2m")) < 0.7',
    given="{ai_presenter: {certainty: CONFIRMED}, share: {label.visible: 0.4}}", cooldown="1m", clear_after="1m",
)  # fmt: skip


def alone(files: dict[str, str], records: list[roomlog.LogRecord]) -> Iterator[tuple[str, ...]]:
    """What a worker with these policies says of the log, as (id, transition, actions…) by rule."""
    processor = PartitionProcessor(topic="t", partition=0, rooms=MemoryRooms(), judge=Judge(throughout(files)))
    for first in range(0, len(records), 300):
        for record in processor.process(records[first : first + 300]).of(VIOLATIONS_TOPIC):
            said = json.loads(record.value or b"")
            yield said["violation_id"], said["transition"], *(action["action"] for action in said["actions"])


@pytest.mark.slow
def test_each_side_is_what_a_worker_with_these_policies_says(tmp_path: Path) -> None:
    """With caps, pauses, shares and reviews: what is upheld releases what was parked, and starts the ladder higher."""
    old, new = ({"p": a_policy(RULE, SHARE)}, {"p": a_policy(RULE.replace("per_hour: 4", "per_hour: 9"))})
    log = reviewed(list(room_log(5, rooms=12, steps=6_000)), old, new)
    with roomlog.Writer(tmp_path / "log.jsonl") as out:
        for record in log:
            out.record(record)
    found = judge_source(Source(path=str(tmp_path / "log.jsonl")), old, new)
    assert found.events == len(log)
    for files, tally in ((old, found.old), (new, found.new)):
        said = list(alone(files, log))
        kinds = Counter(kind for _, kind, *_ in said)
        assert min(kinds[kind] for kind in ("opened", "parked", "cleared", "withdrawn")) >= 2, kinds
        assert tally.actions == Counter(action for _, _, *actions in said for action in actions)
        assert sum(tally.parked.values()) == kinds["parked"]
    assert found.old.actions != found.new.actions


def reviewed(
    events: list[tuple[bytes, bytes, int]], old: dict[str, str], new: dict[str, str]
) -> list[roomlog.LogRecord]:
    """The log, in which a person decides about every fifth record that a cap has held back under either policy."""
    log = [roomlog.LogRecord(0, n, at, key, value) for n, (key, value, at) in enumerate(events)]
    parked = [
        name for files in (old, new) for name in [n for n, kind, *_ in alone(files, log) if kind == "parked"][::5]
    ]
    rooms = {v: r.key for files in (old, new) for r, v in _violations_of(files, log)}
    for number, name in enumerate(parked):
        room_id = (rooms[name] or b"").decode()
        outcome = ("upheld", "overturned")[number % 3 == 0]
        review = {"type": "review.decided", "id": f"rv{number}", "room_id": room_id, "at_ms": events[-1][2],
                  "violation_id": name, "outcome": outcome, "by": "reviewer"}  # fmt: skip
        events.insert(3_000 + number * 60, (room_id.encode(), json.dumps(review).encode(), events[-1][2]))
    return [roomlog.LogRecord(0, n, at, key, value) for n, (key, value, at) in enumerate(events)]


def _violations_of(files: dict[str, str], log: list[roomlog.LogRecord]) -> Iterator[tuple[OutRecord, str]]:
    processor = PartitionProcessor(topic="t", partition=0, rooms=MemoryRooms(), judge=Judge(throughout(files)))
    for record in processor.process(log).of(VIOLATIONS_TOPIC):
        yield record, json.loads(record.value or b"")["violation_id"]
