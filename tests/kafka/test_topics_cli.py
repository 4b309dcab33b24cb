"""`topics check | apply` against a real broker, run as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from confluent_kafka.admin import NewPartitions

from tests.support.altering import alter
from tests.support.kafka import KafkaCluster, free_ports, wait_until
from worker.cli.topics import topics
from worker.resources import SCHEMAS_DIR


@pytest.fixture(scope="module")
def kafka() -> Any:
    """A broker of its own: these tests own topics of fixed names."""
    with KafkaCluster(brief=True) as cluster:
        yield cluster


def run(command: str, kafka: KafkaCluster, *more: str) -> Result:
    size = ("--partitions", "3", "--replication-factor", "1")
    return CliRunner().invoke(topics, [command, "--bootstrap", kafka.bootstrap, *size, *more])


def differences(result: Result) -> list[tuple[str, str, str]]:
    return [(d["topic"], d["what"], d["found"]) for d in json.loads(result.stdout)["differences"]]


def test_from_an_empty_broker_to_one_that_fits_and_back_to_one_that_does_not(kafka: KafkaCluster) -> None:
    names = sorted(path.parent.name for path in SCHEMAS_DIR.glob("*/topic.yaml"))

    before = run("check", kafka, "--json")
    assert before.exit_code == 1
    assert differences(before) == [(name, "topic", "missing") for name in names]

    dry = run("apply", kafka, "--dry-run")
    assert dry.exit_code == 0
    assert "missing" in dry.output
    assert not set(names) & set(kafka.admin.list_topics(timeout=10).topics)

    applied = run("apply", kafka)
    assert applied.exit_code == 0
    assert applied.output.splitlines() == [f"created {name}" for name in names]
    wait_until(lambda: run("check", kafka).exit_code == 0, timeout_s=60, what="a broker as wanted")
    there = kafka.admin.list_topics(timeout=10).topics
    sizes = {name: len(there[name].partitions) for name in names}
    assert sizes == dict.fromkeys(names, 3) | {"live.audit.policies": 1}
    again = run("apply", kafka)
    assert (again.exit_code, again.output) == (0, "nothing to do\n")

    alter(kafka, "live.audit.violations", "retention.ms", "1000")
    kafka.admin.create_partitions([NewPartitions("live.audit.rooms", 5)])["live.audit.rooms"].result(10)
    wanted = [("live.audit.rooms", "partitions", "5"), ("live.audit.violations", "retention.ms", "1000")]
    wait_until(lambda: differences(run("check", kafka, "--json")) == wanted, timeout_s=60, what="both differences")
    after = run("apply", kafka, "--json")
    assert after.exit_code == 1
    assert differences(after) == wanted
    assert json.loads(after.output)["created"] == []
    assert differences(run("check", kafka, "--json")) == wanted


def test_a_log_that_keeps_its_producers_clocks_is_altered_and_nothing_else(kafka: KafkaCluster) -> None:
    run("apply", kafka)
    events, name = "live.room.events", "message.timestamp.type"
    wait_until(lambda: not [d for d in differences(run("check", kafka, "--json")) if d[0] == events],
               timeout_s=60, what="a room log as wanted")  # fmt: skip
    alter(kafka, events, name, "CreateTime")
    alter(kafka, events, "retention.ms", "86400000")
    found = [(events, name, "CreateTime"), (events, "retention.ms", "86400000")]

    def of_events(result: Result) -> list[tuple[str, str, str]]:
        return [d for d in differences(result) if d[0] == events]

    assert of_events(run("check", kafka, "--json")) == found
    assert of_events(run("apply", kafka, "--dry-run", "--json")) == found
    applied = run("apply", kafka)
    assert f"altered {events}: {name} from CreateTime to LogAppendTime" in applied.output
    assert applied.exit_code == 1, "retention is altered by hand"
    wait_until(lambda: of_events(run("check", kafka, "--json")) == found[1:], timeout_s=60, what="append time")


def test_a_missing_changelog_gets_the_partitions_that_its_source_already_has(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    for name, source in (("source", None), ("source-changelog", "source")):
        written = yaml.safe_load((SCHEMAS_DIR / "live.audit.rooms" / "topic.yaml").read_text()) | {"topic": name}
        written.pop("same_partitions_as")
        if source:
            written["same_partitions_as"] = source
        (tmp_path / name).mkdir()
        (tmp_path / name / "topic.yaml").write_text(yaml.safe_dump(written))
    kafka.create_topic("source", 2)
    result = run("apply", kafka, "--schemas", str(tmp_path))
    assert "created source-changelog" in result.output
    changelog = "source-changelog"
    wait_until(
        lambda: len(kafka.admin.list_topics(changelog, timeout=10).topics[changelog].partitions) == 2,
        timeout_s=60,
        what="a changelog of 2 partitions",
    )


def test_an_unreachable_broker_is_a_failure_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.tools.brokertopics.TIMEOUT_S", 1.0)
    (nobody,) = free_ports(1)
    result = CliRunner().invoke(topics, ["check", "--bootstrap", f"127.0.0.1:{nobody}"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: no answer from the broker")


def test_a_folder_without_topic_files_is_a_failure_that_names_the_option(tmp_path: Path) -> None:
    result = CliRunner().invoke(topics, ["check", "--bootstrap", "127.0.0.1:1", "--schemas", str(tmp_path)])
    assert result.exit_code == 1
    assert "--schemas" in result.output
