"""`dlq replay` against a real broker: what goes out, what stays, and that nothing goes out twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.kafka.test_dlq_cli import Read
from tests.support.kafka import REPOSITORY, KafkaCluster, wait_until
from worker.cli.dlq import dlq
from worker.ingress.reject import Reason, Reject, dead_letter
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.judge import Judge
from worker.tools.kafkalog import KafkaLog
from worker.tools.policyfiles import read_policies
from worker.tools.roomlog import LogRecord
from worker.topics import DEAD_LETTERS_TOPIC

START_MS = 1_718_672_400_000  # 2024-06-18T01:00:00Z
BAD = b"rubbish"


def event(number: int, room: str) -> bytes:
    head = {"type": "viewer.joined", "id": f"e{number}", "room_id": room, "at_ms": START_MS + number * 60_000}
    return json.dumps({**head, "viewer_id": "v1"}).encode()


HEADERS = (("trace", b"t"), ("null", None))
OPENED = {"platform": "jd", "region": "CN", "host_id": "h", "started_at_ms": START_MS, "selling": True, "shop_ids": []}
NOTHING = {"replayed before": 0, "replayed and refused again": 0, "would be refused again": 0, "to send": 0}


def left_behind() -> list[bytes]:
    """A room opens, and hears of a viewer of another session: out of session, however often it is told."""
    head = {"room_id": "jd:r0", "session_id": "s"}
    events = [
        {**head, **OPENED, "type": "room.opened", "id": "a", "at_ms": START_MS},
        {
            **head,
            "type": "viewer.joined",
            "id": "b",
            "at_ms": START_MS + 1_000,
            "viewer_id": "v1",
            "session_id": "former",
        },
    ]
    return [json.dumps(event).encode() for event in events]


@dataclass
class Topics:
    """Two partitions of letters whose records would be taken now, but for every fifth."""

    kafka: KafkaCluster
    letters: str
    events: str

    def refuse(self, *numbers: int, reason: Reason = Reason.UNKNOWN_TYPE, partition: int | None = None) -> None:
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap})
        for number in numbers:
            room = f"jd:r{number % 2}"
            value = BAD if number % 5 == 4 else event(number, room)
            at = number % 2 if partition is None else partition
            record = Read(1000 + number, START_MS + number * 60_000, room.encode(), value, HEADERS)
            rejected = Reject(reason, "a detail")
            letter = dead_letter(record, rejected, topic=self.events, partition=at, worker_version="0")
            producer.produce(self.letters, letter.value, letter.key, number % 2,
                             timestamp=letter.timestamp_ms, headers=letter.headers)  # fmt: skip
        assert producer.flush(30) == 0

    def judge(self, worker: PartitionProcessor) -> int:
        """Lets a worker of partition 0 read what is new there, and writes its letters; how many they are."""
        out = worker.process(record for record in self.came() if record.partition == 0)
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap})
        for letter in out.of(DEAD_LETTERS_TOPIC):
            producer.produce(self.letters, letter.value, letter.key, 0,
                             timestamp=letter.timestamp_ms, headers=list(letter.headers))  # fmt: skip
        assert producer.flush(30) == 0
        return len(out.of(DEAD_LETTERS_TOPIC))

    def replay(self, *arguments: str, send: bool = True) -> dict[str, object]:
        result = self.run(*arguments, *(["--send"] if send else []), "--json")
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))

    def run(self, *arguments: str) -> Result:
        options = ["--bootstrap", self.kafka.bootstrap, "--dead-letters", self.letters, "--rate", "10000"]
        return CliRunner().invoke(dlq, ["replay", *options, *arguments], env={"COLUMNS": "200"})

    @contextmanager
    def running(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """A run with --send in a process of its own, which does not outlive the block."""
        words = ["dlq", "replay", "--bootstrap", self.kafka.bootstrap, "--dead-letters", self.letters, "--send"]
        with subprocess.Popen(
            [sys.executable, "-m", "worker", *words, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=REPOSITORY, env={**os.environ, **environment},
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    def came(self) -> list[LogRecord]:
        with KafkaLog(self.kafka.bootstrap) as log:
            return list(log.read(self.events))


@pytest.fixture
def topics(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Topics:
    letters = kafka.create_topic(topic_name("dlq"), 2, message_timestamp_before_max_ms=2**62, retention_ms=-1)
    made = Topics(kafka, letters, kafka.create_topic(topic_name("live.room.events"), 2))
    made.refuse(*range(6))
    made.refuse(*range(6, 10), reason=Reason.MISSING_FIELD)
    return made


def test_without_send_nothing_is_sent_and_the_table_says_what_would_be(topics: Topics) -> None:
    result = topics.run()
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "8 records would be replayed: add --send"
    assert topics.came() == []


def test_records_go_where_they_came_from_as_they_came_but_for_what_would_be_refused_again(topics: Topics) -> None:
    said = topics.replay()
    assert (said["sent"], said["left"]) == (8, 0)
    assert said["classes"] == {
        "missing_field": {**NOTHING, "would be refused again": 1, "to send": 3},
        "unknown_type": {**NOTHING, "would be refused again": 1, "to send": 5},
    }
    came = topics.came()
    assert sorted((r.partition, r.key, r.value) for r in came) == sorted(
        (n % 2, f"jd:r{n % 2}".encode(), event(n, f"jd:r{n % 2}")) for n in range(10) if n % 5 != 4
    )
    first = next(r for r in came if r.partition == 0)
    assert list(first.headers) == [*HEADERS, ("dlq.replay_of", f"{topics.letters}:0:0".encode())]
    assert first.timestamp > START_MS + 3_600_000


def test_a_second_run_sends_nothing_and_a_third_only_what_is_new(topics: Topics) -> None:
    assert topics.replay()["sent"] == 8
    assert topics.replay()["sent"] == 0
    topics.refuse(12)
    assert topics.replay()["sent"] == 1
    assert len(topics.came()) == 9


def test_what_its_room_refuses_again_is_sent_again_only_when_asked_for(topics: Topics) -> None:
    worker = PartitionProcessor(topic=topics.events, partition=0, rooms=MemoryRooms(), judge=Judge(read_policies()))
    producer = Producer({"bootstrap.servers": topics.kafka.bootstrap})
    for value in left_behind():
        producer.produce(topics.events, value, b"jd:r0", 0)
    assert producer.flush(30) == 0
    assert topics.judge(worker) == 1
    only = ("--class", "out_of_session")

    assert topics.replay(*only)["sent"] == 1
    assert topics.judge(worker) == 1
    said = topics.replay(*only)
    assert said["sent"] == 0
    assert said["classes"] == {"out_of_session": {**NOTHING, "replayed before": 1, "replayed and refused again": 1}}
    assert topics.run(*only).output.splitlines()[-1] == (
        "0 records would be replayed: add --send; 1 were replayed before and refused again (--again)"
    )
    ls = ["ls", "--bootstrap", topics.kafka.bootstrap, "--dead-letters", topics.letters, "--json", *only]
    rows = json.loads(CliRunner().invoke(dlq, ls).output)["records"]
    assert [(row["replayed"], row["refused_again"]) for row in rows] == [(True, False), (False, True)]

    assert topics.replay(*only, "--again")["sent"] == 1
    assert topics.judge(worker) == 1
    said = topics.replay(*only)
    assert said["sent"] == 0
    assert said["classes"] == {"out_of_session": {**NOTHING, "replayed before": 2, "replayed and refused again": 1}}


def test_a_letter_that_was_written_twice_is_replayed_once(topics: Topics) -> None:
    topics.refuse(2)
    assert topics.replay()["sent"] == 8
    topics.refuse(2)
    assert topics.replay()["sent"] == 0


def test_a_limit_is_kept_and_the_next_run_goes_on(topics: Topics) -> None:
    said = topics.replay("--limit", "3")
    assert (said["sent"], said["left"]) == (3, 5)
    assert topics.replay("--limit", "100")["sent"] == 5
    assert len({r.value for r in topics.came()}) == len(topics.came()) == 8


def opened_by_its_reader(pipe: Path, process: subprocess.Popen[str]) -> int:
    """The writing end of a pipe, once the process reads it: there the process waits."""
    ends: list[int] = []

    def opened() -> bool:
        assert process.poll() is None, process.communicate()
        try:
            ends.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody reads yet
            return False
        return True

    wait_until(opened, timeout_s=60, what=f"a reader of {pipe}")
    return ends[0]


def test_a_run_sends_nothing_that_another_sent_while_it_waited(topics: Topics, tmp_path: Path) -> None:
    """Each client of a run reads the password's file: the run waits before its second one, which sends."""
    pipe = tmp_path / "password"
    os.mkfifo(pipe)
    with topics.running("--json", STREAM_AUDIT_SASL_PASSWORD_FILE=str(pipe)) as late:
        first = opened_by_its_reader(pipe, late)
        pipe.unlink()
        os.mkfifo(pipe)  # another pipe: the second reader cannot be taken for the first
        os.close(first)
        second = opened_by_its_reader(pipe, late)
        assert topics.replay()["sent"] == 8
        os.close(second)
        said, complaint = late.communicate(timeout=90)
    assert late.returncode == 0, complaint
    assert json.loads(said)["sent"] == 0
    assert len(topics.came()) == 8


def test_what_a_killed_run_left_open_is_undone_before_letters_are_read(topics: Topics) -> None:
    killed = Producer({
        "bootstrap.servers": topics.kafka.bootstrap, "transactional.id": f"stream-audit-dlq-replay-{topics.letters}",
    })  # fmt: skip
    killed.init_transactions(30)
    killed.begin_transaction()
    for partition in range(2):
        killed.produce(topics.letters, None, None, partition)
        killed.produce(topics.events, event(0, "jd:r0"), b"jd:r0", partition)
    killed.flush(30)
    topics.refuse(10, 11)  # behind what nobody can read
    assert topics.replay()["sent"] == 10
    assert len(topics.came()) == 10


def test_a_run_ends_with_a_sentence_when_another_begins_even_one_with_nothing_to_send(topics: Topics) -> None:
    topics.refuse(*range(10, 50))
    with topics.running("--rate", "1") as early:
        wait_until(lambda: len(topics.came()) > 0, timeout_s=60, what="the first record")
        assert topics.replay("--room", "nobody")["sent"] == 0
        _, complaint = early.communicate(timeout=90)
    assert early.returncode == 1
    assert "were replayed, then another `dlq replay --send` began" in complaint
    topics.replay()
    assert len({record.value for record in topics.came()}) == len(topics.came()) == 40


def end_of(kafka: KafkaCluster, topic: str, isolation: str) -> int:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "ends", "isolation.level": isolation})
    end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)[1]
    consumer.close()
    return int(end)


def test_a_run_that_ends_early_leaves_no_transaction_open(topics: Topics) -> None:
    """The last record is too large for the client that should send it."""
    record = Read(1, START_MS + 3_600_000, b"h", b"x" * 1_000_000)
    rejected = Reject(Reason.WRONG_TYPE, "a detail")
    letter = dead_letter(record, rejected, topic=topics.letters, partition=0, worker_version="0")
    producer = Producer({"bootstrap.servers": topics.kafka.bootstrap, "message.max.bytes": 2_000_000})
    producer.produce(topics.letters, letter.value, letter.key, 0, timestamp=letter.timestamp_ms, headers=letter.headers)
    assert producer.flush(30) == 0
    result = topics.run("--send", "--rate", "10")
    assert result.exit_code == 1
    assert "0 of 9 were replayed, then the broker said: " in result.output
    ends = [end_of(topics.kafka, topics.events, level) for level in ("read_committed", "read_uncommitted")]
    assert ends[0] == ends[1] > 0


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (["--class", "missing_field"], 3),
        (["--class", "missing_field", "--class", "unknown_type"], 8),
        (["--room", "jd:r1"], 4),
        (["--partition", "0", "--offsets", "1:2"], 1),  # the letter at offset 2 would be refused again
        (["--since", "2024-06-18T01:05:00"], 4),
        (["--since", "2024-06-18T01:01:00", "--until", "2024-06-18T01:03:00"], 2),
        (["--topic", "another.topic"], 0),
    ],
)
def test_filters_choose_what_is_sent(topics: Topics, options: list[str], sent: int) -> None:
    assert topics.replay(*options)["sent"] == sent
    assert len(topics.came()) == sent


def test_ls_shows_what_was_replayed_and_counts_no_notes(topics: Topics) -> None:
    topics.replay("--room", "jd:r0")
    ls = ["ls", "--bootstrap", topics.kafka.bootstrap, "--dead-letters", topics.letters, "--json"]
    listed = json.loads(CliRunner().invoke(dlq, ls).output)
    assert listed["read"] == 10
    assert sum(row["replayed"] for row in listed["records"]) == 4


def test_a_partition_that_is_no_more_ends_the_command_with_a_sentence_before_anything_is_sent(topics: Topics) -> None:
    topics.refuse(10, partition=7)
    result = topics.run("--send")
    assert result.exit_code == 1
    assert "has no partition 7" in result.output and "leave it out with" in result.output
    assert topics.came() == []


@pytest.mark.parametrize("arguments", [["--offsets", "9:1"], ["--offsets", "x"], ["--since", "soon"], ["--rate", "0"]])
def test_wrong_usage_of_replay_is_exit_code_2(topics: Topics, arguments: list[str]) -> None:
    assert topics.run(*arguments).exit_code == 2
