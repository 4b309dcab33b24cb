"""`dlq ls | show` against a real broker holding real dead letters."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from tests.support.kafka import KafkaCluster
from worker.cli.dlq import dlq
from worker.ingress.reject import Reason, Reject, dead_letter

COMMENT = '{"type": "viewer.comment", "text": "主播多少钱"}'
START_MS = 1_718_672_400_000  # 2024-06-18T01:00:00Z


class Read(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def refuse(kafka: KafkaCluster, to: str, count: int) -> None:
    """`count` dead letters over 2 partitions, alternately missing_field and key_mismatch.

    They stand a minute apart in 2024, so `to` must keep records of any age.
    """
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    errors: list[object] = []
    for i in range(count):
        reason = Reason.MISSING_FIELD if i % 2 == 0 else Reason.KEY_MISMATCH
        value = COMMENT.encode() if i % 2 == 0 else b"\xff\x00\x1b[31m"
        record = Read(1000 + i, START_MS + i * 60_000, b"jd:r1", value)
        topic = "live.room.events" if i % 3 else "live.host.registry"
        letter = dead_letter(record, Reject(reason, "a detail"), topic=topic, partition=7, worker_version="0.1.0")
        producer.produce(
            to, letter.value, letter.key, i % 2, timestamp=letter.timestamp_ms, headers=letter.headers,
            on_delivery=lambda error, _: errors.append(error),
        )  # fmt: skip
    assert producer.flush(30) == 0
    assert errors == [None] * count


@pytest.fixture(scope="module")
def letters(kafka: KafkaCluster) -> str:
    """These commands only read: all tests look at the same letters."""
    topic = kafka.create_topic(f"dlq-{uuid.uuid4().hex[:8]}", 3, message_timestamp_before_max_ms=2**62, retention_ms=-1)
    refuse(kafka, topic, 20)
    return topic


def run(kafka: KafkaCluster, topic: str, *arguments: str) -> Result:
    return CliRunner().invoke(
        dlq, [*arguments, "--bootstrap", kafka.bootstrap, "--dead-letters", topic], env={"COLUMNS": "200"}
    )


def test_ls_prints_the_newest_last_and_counts_all(kafka: KafkaCluster, letters: str) -> None:
    result = run(kafka, letters, "ls", "--limit", "3", "--json")
    assert result.exit_code == 0, result.output
    listed = json.loads(result.stdout)
    assert listed["counts"] == {"missing_field": 10, "key_mismatch": 10}
    assert [row["original_offset"] for row in listed["records"]] == ["1017", "1018", "1019"]
    assert listed["records"][-1] == {
        "partition": 1, "offset": 9, "time": "2024-06-18T01:19:00.000+00:00", "class": "key_mismatch",
        "stage": "decode", "original_topic": "live.room.events",
        "original_partition": "7", "original_offset": "1019", "bytes": 7, "replayed": False, "refused_again": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "matching"),
    [
        (["--class", "missing_field"], 10),
        (["--topic", "live.host.registry"], 7),
        (["--since", "2024-06-18T01:15:00"], 5),
        (["--since", "2024-06-18T09:15:00+08:00", "--class", "key_mismatch"], 3),
        (["--since", "30m"], 0),
    ],
)
def test_ls_filters(kafka: KafkaCluster, letters: str, options: list[str], matching: int) -> None:
    result = run(kafka, letters, "ls", "--json", *options)
    assert sum(json.loads(result.stdout)["counts"].values()) == matching


def test_ls_reads_no_more_than_it_is_told_and_says_so(kafka: KafkaCluster, letters: str) -> None:
    result = run(kafka, letters, "ls", "--scan", "9")
    assert result.output.splitlines()[-1] == "6 of 6 dead letters match; 14 older ones were not read (--scan)"


def test_ls_prints_a_table_without_values(kafka: KafkaCluster, letters: str) -> None:
    result = run(kafka, letters, "ls")
    assert "live.room.events 7:1019" in result.output
    assert "主播" not in result.output
    assert "10 missing_field" in result.output


def test_an_empty_topic_is_no_failure(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> None:
    result = run(kafka, kafka.create_topic(topic_name("empty"), 2), "ls")
    assert (result.exit_code, result.output) == (0, "0 of 0 dead letters match\n")


def test_show_prints_headers_and_keeps_the_value_back(kafka: KafkaCluster, letters: str) -> None:
    result = run(kafka, letters, "show", "0:3")
    assert result.exit_code == 0, result.output
    assert "dlq.original.offset: 1006" in result.output
    assert "dlq.error.message: a detail" in result.output
    assert "主播" not in result.output


def test_show_prints_text_as_text_and_bytes_as_hex(kafka: KafkaCluster, letters: str) -> None:
    assert f"value: {COMMENT}" in run(kafka, letters, "show", "0:3", "--value").output
    hexed = run(kafka, letters, "show", "1:3", "--value").output
    assert "value: hex ff 00 1b 5b 33 31 6d" in hexed
    assert "\x1b" not in hexed


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("9:0", "has no partition 9"), ("0:10", "holds offsets 0 to 9, not 10"), ("2:0", "not 0")],
)
def test_show_of_a_place_without_a_record_fails(kafka: KafkaCluster, letters: str, place: str, sentence: str) -> None:
    result = run(kafka, letters, "show", place)
    assert result.exit_code == 1
    assert sentence in result.output


def test_a_missing_topic_is_a_failure_with_a_sentence(kafka: KafkaCluster) -> None:
    result = run(kafka, "no-such-topic", "ls")
    assert result.exit_code == 1
    assert "no-such-topic" in result.output


@pytest.mark.parametrize("arguments", [["show", "first"], ["ls", "--since", "yesterday"], ["ls", "--class", "bad"]])
def test_wrong_usage_is_exit_code_2(kafka: KafkaCluster, arguments: list[str]) -> None:
    assert run(kafka, "x", *arguments).exit_code == 2
