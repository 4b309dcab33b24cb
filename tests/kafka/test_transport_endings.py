"""How a worker process ends: cleanly on SIGTERM, and with code 1, a reason and no commit on anything else."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.kafka.test_transport_delivery import committed, write
from tests.support.kafka import KafkaCluster

Names = Callable[[str], str]
NOTHING = -1001  # librdkafka's word for no committed offset


@contextmanager
def worker(kafka: KafkaCluster, topic: str, group: str, scenario: str) -> Iterator[subprocess.Popen[str]]:
    """A worker process that has processed its first batch."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.transport_worker", kafka.bootstrap, topic, group, scenario],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("processed"):
                break
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def topic(kafka: KafkaCluster, topic_name: Names) -> str:
    name = kafka.create_topic(topic_name("events"), 1)
    write(kafka, name, [b"x"] * 10)
    return name


def test_sigterm_commits_and_ends_with_code_0_before_its_deadline(kafka: KafkaCluster, topic: str) -> None:
    with worker(kafka, topic, f"{topic}-group", "normal") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert committed(kafka, f"{topic}-group", topic) == 10


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ("flush-fails", "OSError: the snapshot did not arrive"),
        ("flush-hangs", "DeadlineError: the flush before a commit did not end within 0.5 s"),
        ("put-out", "GenerationLostError"),
    ],
)
def test_a_flush_that_must_not_go_on_ends_the_process(
    kafka: KafkaCluster, topic: str, scenario: str, reason: str
) -> None:
    with worker(kafka, topic, f"{topic}-group", scenario) as process:
        _, log = process.communicate(timeout=90)
        assert process.returncode == 1
        assert reason in log
    assert committed(kafka, f"{topic}-group", topic) == NOTHING, "what was not flushed must be read again"


def test_a_batch_that_does_not_end_meets_the_deadline_of_the_revocation(kafka: KafkaCluster, topic: str) -> None:
    group = f"{topic}-group"
    with (
        worker(kafka, topic, group, "batch-hangs") as first,
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.transport_worker", kafka.bootstrap, topic, group, "normal"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as second,
    ):
        try:
            _, log = first.communicate(timeout=90)
            assert first.returncode == 1
            assert "DeadlineError: a running batch did not end within 1 s" in log
            assert second.stdout is not None
            assert any(line == "processed 10\n" for line in second.stdout), "the next owner reads it again"
        finally:
            second.kill()


def test_a_shutdown_that_hangs_is_ended_by_its_deadline(kafka: KafkaCluster, topic: str) -> None:
    with worker(kafka, topic, f"{topic}-group", "stop-hangs") as process:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=90)
        assert process.returncode == 1
        assert "DeadlineError: shutdown did not end within 6 s" in log
