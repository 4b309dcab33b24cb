"""`stream-audit history export` on a real Kafka: what a release of state version 3 left, and whatever may be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Producer

from tests.support import state3
from tests.support.engine import Log
from tests.support.kafka import KafkaCluster, wait_until
from tests.support.state3 import IDENTITIES_CHANGELOG, ROOMS_CHANGELOG, Kept
from worker.audit.past import Activation, Past, PastRoom
from worker.cli import cli
from worker.ingress.history import decode_past
from worker.ingress.reject import Reject
from worker.topics import EVENTS_TOPIC, HISTORY_TOPIC, IDENTITIES_TOPIC


def lay(log: Log, name: str, records: Iterable[Kept]) -> None:
    """Write records to the partitions where they lay."""
    producer = Producer({"bootstrap.servers": log.kafka.bootstrap, "enable.idempotence": True})
    for kept in records:
        producer.produce(
            name, kept.value, kept.key, kept.partition, headers=list(kept.headers), timestamp=kept.timestamp
        )
    assert producer.flush(30) == 0


@pytest.fixture
def log(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Log:
    return Log(kafka, topic_name("") + ".", partitions=state3.PARTITIONS)


def left_by_the_old_release(log: Log) -> Log:
    log.create()
    lay(log, log.changelog, state3.topic(ROOMS_CHANGELOG))
    lay(log, log.identities_changelog, state3.topic(IDENTITIES_CHANGELOG))
    return log


def export(log: Log, *options: str, app_id: str = "") -> Result:
    where = ["--bootstrap", log.kafka.bootstrap, "--app-id", app_id or log.app_id, "--prefix", log.prefix]
    return CliRunner().invoke(cli, ["history", "export", *where, *options])


def summary(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def history(log: Log) -> dict[int, list[Past]]:
    found: dict[int, list[Past]] = {partition: [] for partition in range(log.partitions)}
    for sent in log.read(HISTORY_TOPIC):
        past = decode_past(sent.key, sent.value)
        assert not isinstance(past, Reject)
        found[sent.partition].append(past)
    return found


@contextmanager
def member(log: Log) -> Iterator[None]:
    """A member of the old release's group."""
    consumer = Consumer({"bootstrap.servers": log.kafka.bootstrap, "group.id": log.app_id})
    consumer.subscribe([log.topic(EVENTS_TOPIC)])
    try:
        wait_until(lambda: consumer.poll(0.2) is not None or bool(consumer.assignment()), timeout_s=60, what="a member")
        yield
    finally:
        consumer.close()


def test_what_people_decided_is_written_where_the_next_release_looks_for_it(log: Log) -> None:
    left_by_the_old_release(log)
    before = log.read(log.changelog)
    found = summary(export(log, "--json"))
    assert (found["rooms"], found["upheld"], found["episodes"], found["hosts"], found["platforms"]) == (8, 4, 8, 1, 1)
    assert found["stopped"][f"{EVENTS_TOPIC}[2]"] == len(state3.partition_of(EVENTS_TOPIC, 2))
    assert found["stopped"][f"{IDENTITIES_TOPIC}[1]"] == len(state3.partition_of(IDENTITIES_TOPIC, 1))
    written = history(log)
    for partition, pasts in written.items():
        rooms = {past.room_id for past in pasts if isinstance(past, PastRoom)}
        assert rooms <= {(r.key or b"").decode() for r in state3.partition_of(ROOMS_CHANGELOG, partition)}
        ends = [past for past in pasts if isinstance(past, Activation)]
        assert [(end.source, end.partition) for end in ends] == [("rooms", partition), ("identities", partition)]
        assert pasts[-len(ends) :] == ends, "where the release stopped is written last"
    assert log.read(log.changelog) == before, "the old state stays as it was"


def test_a_second_export_changes_nothing(log: Log) -> None:
    left_by_the_old_release(log)
    first = summary(export(log, "--json"))
    ends = log.ends(HISTORY_TOPIC)
    second = summary(export(log, "--json"))
    assert (second["written"], second["unchanged"]) == (0, first["written"])
    assert log.ends(HISTORY_TOPIC) == ends


def test_a_dry_run_says_what_there_is_and_writes_nothing(log: Log) -> None:
    left_by_the_old_release(log)
    result = export(log, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "16 records would be written" in result.stdout
    assert sum(log.ends(HISTORY_TOPIC).values()) == 0


def test_a_release_that_still_runs_is_not_exported(log: Log) -> None:
    left_by_the_old_release(log)
    with member(log):
        result = export(log)
        assert result.exit_code == 1
        assert "has 1 members: stop its workers first" in result.output
        assert summary(export(log, "--dry-run", "--json"))["rooms"] == 8
    wait_until(lambda: export(log).exit_code == 0, timeout_s=60, what="the group to be empty")


def test_what_is_wrong_is_said_and_nothing_is_written(log: Log) -> None:
    left_by_the_old_release(log)
    result = export(log, app_id="someone-else")
    assert result.exit_code == 1
    assert f"there is no topic someone-else-rooms-changelog at {log.kafka.bootstrap}" in result.output
    core = next(r for r in state3.topic(ROOMS_CHANGELOG) if r.key == b"wechat_channels:running")
    cut = core._replace(value=(core.value or b"")[:-1])
    lay(log, log.changelog, [cut])
    result = export(log)
    assert result.exit_code == 1
    assert "key wechat_channels:running" in result.output
    assert "cut or altered" in result.output
    assert sum(log.ends(HISTORY_TOPIC).values()) == 0


def test_topics_that_do_not_fit_are_refused(log: Log) -> None:
    left_by_the_old_release(log)
    log.kafka.create_topic(f"other{log.app_id}-rooms-changelog", 4, cleanup_policy="compact")
    log.kafka.create_topic(f"other{log.app_id}-identities-changelog", 3, cleanup_policy="compact")
    result = export(log, app_id=f"other{log.app_id}")
    assert result.exit_code == 1
    assert f"{log.topic(EVENTS_TOPIC)} has 3 partitions and other{log.app_id}-rooms-changelog 4" in result.output


def test_a_broker_that_is_not_there_is_said() -> None:
    result = CliRunner().invoke(cli, ["history", "export", "--bootstrap", "127.0.0.1:1", "--app-id", "old"])
    assert result.exit_code == 1
    assert "no answer from the broker at 127.0.0.1:1" in result.output
