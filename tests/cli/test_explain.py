"""`explain --bootstrap`: violation and log from a broker that speaks Kafka's protocol."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from tests.support.headers import header
from worker.cli import cli
from worker.lab.mockcluster import MockCluster
from worker.policy.feed import PolicyFeed
from worker.policy.judge import Judge
from worker.policy.wire import as_document
from worker.resources import POLICIES_DIR
from worker.tools.policyfiles import read_policies
from worker.tools.replay import Replay
from worker.tools.roomlog import LogRecord, read
from worker.topics import EVENTS_TOPIC, POLICIES_TOPIC, VIOLATIONS_TOPIC

GOLDEN = Path(__file__).parents[1] / "golden" / "rooms"
PARTITION = 2


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_violation_in_kafka_is_recomputed_from_the_log_in_kafka() -> None:
    """Two rooms share the partition; the violation's own room is judged from its session's first record on."""
    rooms = [list(read(GOLDEN / f"{name}.jsonl")) for name in ("wx_software_seller", "wx_responsive")]
    records = sorted((record for room in rooms for record in room), key=lambda record: record.timestamp)
    records = [record._replace(partition=PARTITION, offset=i) for i, record in enumerate(records)]
    violations = [v for step in Replay(Judge(read_policies())).run(records) for v in step.of(VIOLATIONS_TOPIC)]
    with MockCluster() as cluster:
        for topic in (EVENTS_TOPIC, VIOLATIONS_TOPIC):
            cluster.create_topic(topic, 4)
        producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 3})
        for record in records:
            producer.produce(EVENTS_TOPIC, record.value, record.key, PARTITION, timestamp=record.timestamp)
        for v in violations:
            producer.produce(VIOLATIONS_TOPIC, v.value, v.key, PARTITION, timestamp=v.timestamp_ms, headers=v.headers)
        assert producer.flush(20) == 0
        wanted = header(violations[0], "ce_id").decode()
        result = CliRunner().invoke(cli, ["explain", wanted, "--bootstrap", cluster.bootstrap])
        assert result.exit_code == 0, result.output
        assert "recomputed: identical" in result.stdout
        result = CliRunner().invoke(cli, ["explain", "zzzz", "--bootstrap", cluster.bootstrap])
        assert (result.exit_code, "looked in live.audit.violations" in result.stderr) == (1, True)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_violation_under_a_published_policy_is_recomputed_under_it() -> None:
    """The policies' topic is read when the record says that it was in force; without it, another severity comes out."""
    records = list(read(GOLDEN / "wx_software_seller.jsonl"))
    shipped = (POLICIES_DIR / "wechat_channels.yaml").read_text("utf-8")
    text = shipped.replace("version: 1\n", "version: 2\n").replace("severity: 4", "severity: 5")
    text = text.replace("effective_from_ms: 0\n", f"effective_from_ms: {records[0].timestamp}\n")
    document = as_document("wechat_channels.yaml", text).encode()
    published_ms = records[0].timestamp - 120_000
    feed = PolicyFeed(read_policies())
    assert feed.take(LogRecord(0, 0, published_ms, b"wechat_channels", document, ()), topic=POLICIES_TOPIC) == ()
    records = [record._replace(partition=PARTITION, offset=i) for i, record in enumerate(records)]
    violation = next(v for step in Replay(Judge(feed.book)).run(records) for v in step.of(VIOLATIONS_TOPIC))
    assert b'"severity":5' in (violation.value or b"")
    with MockCluster() as cluster:
        for topic, partitions in ((EVENTS_TOPIC, 4), (VIOLATIONS_TOPIC, 4), (POLICIES_TOPIC, 1)):
            cluster.create_topic(topic, partitions)
        producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
        for record in records:
            producer.produce(EVENTS_TOPIC, record.value, record.key, PARTITION, timestamp=record.timestamp)
        producer.produce(
            VIOLATIONS_TOPIC, violation.value, violation.key, PARTITION, timestamp=violation.timestamp_ms,
            headers=violation.headers,
        )  # fmt: skip
        producer.produce(POLICIES_TOPIC, document, b"wechat_channels", 0, timestamp=published_ms)
        assert producer.flush(20) == 0
        wanted = header(violation, "ce_id").decode()
        result = CliRunner().invoke(cli, ["explain", wanted, "--bootstrap", cluster.bootstrap])
        assert result.exit_code == 0, result.output
        assert "recomputed: identical" in result.stdout
        empty = ["--policy-log", "/dev/null"]
        result = CliRunner().invoke(cli, ["explain", wanted, "--bootstrap", cluster.bootstrap, *empty])
        assert result.exit_code == 1
        assert "severity" in result.stdout


def test_files_and_kafka_exclude_each_other() -> None:
    result = CliRunner().invoke(cli, ["explain", "x", "--bootstrap", "127.0.0.1:1", "--from", str(GOLDEN)])
    assert result.exit_code == 2
