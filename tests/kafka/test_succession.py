"""An upgrade from state version 3 on a real Kafka: export, then a new worker that judges the same week of log again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from tests.kafka.test_history_export import export, lay, left_by_the_old_release
from tests.kafka.test_upgrade import Beside
from tests.support import state3
from tests.support.altering import alter
from tests.support.engine import Log, Sent, Worker
from tests.support.kafka import KafkaCluster
from tests.support.state3 import DAY_MS, NOW_MS, PARTITIONS, WEEK_MS, Kept, partition_of
from tests.tools.test_succession import broadcast, place, review
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.tools.replay import Replay
from worker.tools.roomlog import LogRecord
from worker.topics import (
    APPEND_TIME,
    EVENTS_TOPIC,
    HISTORY_TOPIC,
    IDENTITIES_TOPIC,
    REQUESTS_TOPIC,
    ROOMS_TOPIC,
    TIMESTAMP_TYPE,
    VIOLATIONS_TOPIC,
)

OLD_IDS = {violation["violation_id"] for violation in state3.violations()}


@pytest.fixture
def old(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Log:
    """What the old release left: its changelogs, and the last week of a room log with its producers' time."""
    log = left_by_the_old_release(Log(kafka, topic_name("") + ".", partitions=PARTITIONS))
    alter(kafka, log.topic(EVENTS_TOPIC), TIMESTAMP_TYPE, "CreateTime")
    for name in (EVENTS_TOPIC, IDENTITIES_TOPIC):
        lay(log, log.topic(name), state3.topic(name))
    gone = []
    for partition in range(PARTITIONS):
        first = next(r.offset for r in partition_of(EVENTS_TOPIC, partition) if r.timestamp > NOW_MS - WEEK_MS)
        gone.append(TopicPartition(log.topic(EVENTS_TOPIC), partition, first))
    for done in kafka.admin.delete_records(gone).values():
        done.result(30)
    return log


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "sample.yaml").write_text(state3.policies())
    return {"POLICIES_DIR": str(tmp_path / "policies")}


def tell(log: Log, events: Iterable[dict[str, Any]]) -> None:
    """Write events to the partitions that their rooms have."""
    kept = []
    for event in events:
        room_id = event["room_id"]
        where = place(room_id.removeprefix("wechat_channels:"))
        kept.append(Kept(where, 0, event["at_ms"], room_id.encode(), json.dumps(event).encode(), ()))
    lay(log, log.topic(EVENTS_TOPIC), kept)


def violations(log: Log) -> list[dict[str, Any]]:
    return [json.loads(sent.value or b"") for sent in log.read(VIOLATIONS_TOPIC)]


def replayed(log: Log) -> list[bytes]:
    """What a replay makes of the history and the log as they lie there."""

    def lines(name: str, topic: str) -> list[LogRecord]:
        found: list[Sent] = log.read(name)
        return [LogRecord(s.partition, s.offset, s.timestamp, s.key, s.value, s.headers, topic) for s in found]

    run = Replay(Judge(load_policies({"sample.yaml": state3.policies()})), topic=log.topic(EVENTS_TOPIC))
    out = run.run([*lines(HISTORY_TOPIC, HISTORY_TOPIC), *lines(EVENTS_TOPIC, "")])
    return sorted(record.value or b"" for step in out for record in step.of(VIOLATIONS_TOPIC))


TOLD = {f"wechat_channels:{room}" for room in ("waiting", "old", "twice")}
LATER = {f"wechat_channels:later-{partition}" for partition in range(PARTITIONS)}


def told(log: Log) -> None:
    """What happens once the old release has stopped. A room in each partition is the first with the broker's time,
    which is of another year than the sample: all before it is bounded by it, and counts as of its own time."""
    reviews = [review(room, "escalated", "overturned") for room in ("waiting", "old")]
    tell(log, [*reviews, *broadcast("twice", NOW_MS + DAY_MS, 12)])
    alter(log.kafka, log.topic(EVENTS_TOPIC), TIMESTAMP_TYPE, APPEND_TIME)
    for partition, room_id in enumerate(sorted(LATER)):
        event = next(iter(broadcast(room_id.removeprefix("wechat_channels:"), NOW_MS + 2 * DAY_MS, 1)))
        kept = Kept(partition, 0, event["at_ms"], room_id.encode(), json.dumps(event).encode(), ())
        lay(log, log.topic(EVENTS_TOPIC), [kept])


def test_an_upgrade_says_nothing_twice_and_loses_nothing(old: Log, settings: dict[str, str], tmp_path: Path) -> None:
    assert export(old).exit_code == 0
    new = Beside(old.kafka, old.prefix, partitions=PARTITIONS).create_changelogs()
    ends = new.ends()
    told(new)
    with Worker(new, tmp_path, **settings) as worker:
        new.wait_quiet(worker)
        assert worker.metric("actions_withheld_total") > 0
        assert worker.term() == 0, worker.log()
    found = violations(new)
    assert OLD_IDS.isdisjoint(violation["violation_id"] for violation in found)
    said = {(v["room_id"].removeprefix("wechat_channels:"), v["transition"], v["step"]) for v in found}
    assert {("waiting", "withdrawn", 1), ("old", "withdrawn", 1), ("twice", "opened", 2)} <= said
    assert {v["supersedes"] for v in found if v["transition"] == "withdrawn"} <= OLD_IDS
    assert {(sent.key or b"").decode() for sent in new.read(ROOMS_TOPIC)} <= TOLD | LATER
    assert {(sent.key or b"").decode() for sent in new.read(REQUESTS_TOPIC)} <= TOLD | LATER
    answers = [sent for sent in new.read(EVENTS_TOPIC) if sent.offset >= ends[sent.partition]]
    assert {(sent.key or b"").decode() for sent in answers} == TOLD | LATER, (
        "no one is answered for what was told before"
    )
    assert replayed(new) == sorted(sent.value or b"" for sent in new.read(VIOLATIONS_TOPIC))


def test_a_worker_that_is_killed_in_the_silence_stays_silent(
    old: Log, settings: dict[str, str], tmp_path: Path
) -> None:
    assert export(old).exit_code == 0
    new = Beside(old.kafka, old.prefix, partitions=PARTITIONS).create_changelogs()
    told(new)
    small = {"BATCH_RECORDS": "100", "FETCH_MAX_BYTES": "65536"}
    with Worker(new, tmp_path, **small, **settings) as worker:
        new.wait_committed(0.01, workers=[worker])
        worker.kill9()
    with Worker(new, tmp_path, **settings) as worker:
        new.wait_quiet(worker)
        assert worker.term() == 0, worker.log()
    found = violations(new)
    assert OLD_IDS.isdisjoint(violation["violation_id"] for violation in found)
    assert {violation["room_id"] for violation in found} <= TOLD


def test_an_export_that_was_cut_off_keeps_the_next_release_from_starting(
    old: Log, settings: dict[str, str], tmp_path: Path
) -> None:
    some = (state3.FOLDER.parents[2] / "schemas" / HISTORY_TOPIC / "v1" / "valid" / "room.json").read_bytes()
    lay(old, old.topic(HISTORY_TOPIC), [Kept(0, 0, 0, b"room:wechat_channels:r1", some, ())])
    new = Beside(old.kafka, old.prefix, partitions=PARTITIONS).create_changelogs()
    told(new)
    with Worker(new, tmp_path, **settings) as worker:
        assert worker.wait() == 1
        assert "the export was cut off" in worker.log()
    assert violations(new) == []
