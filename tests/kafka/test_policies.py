"""Policies published while workers run: all switch at the same event, bad ones stay out, replay says the same."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from tests.kafka.test_engine_run import by_room
from tests.policy.build import a_policy, a_rule
from tests.support.engine import START_MS, Log, Sent, Worker, room_log
from tests.support.kafka import KafkaCluster, wait_until
from tests.support.oracle import judge
from worker import clock
from worker.cli import cli
from worker.policy.feed import PolicyFeed
from worker.policy.judge import Judge
from worker.policy.wire import as_document
from worker.resources import POLICIES_DIR
from worker.tools.policytopic import read_topic
from worker.tools.replay import Replay
from worker.tools.roomlog import LogRecord, Writer
from worker.topics import EVENTS_TOPIC, POLICIES_TOPIC, VIOLATIONS_TOPIC

STEPS = 6_000
SWITCH_MS = START_MS + STEPS * 700 // 2
WX = (POLICIES_DIR / "wechat_channels.yaml").read_text(encoding="utf-8")


def version(number: int, since_ms: int, severity: int) -> str:
    text = WX.replace("version: 1\n", f"version: {number}\n")
    text = text.replace("effective_from_ms: 0\n", f"effective_from_ms: {since_ms}\n")
    return as_document("wechat_channels.yaml", text.replace("severity: 4", f"severity: {severity}"))


@pytest.fixture
def log(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Log:
    log = Log(kafka, topic_name("") + ".").create()
    kafka.create_topic(log.topic(POLICIES_TOPIC), 1, cleanup_policy="compact")
    return log


def publish(log: Log, document: str, at_ms: int) -> None:
    producer = Producer({"bootstrap.servers": log.kafka.bootstrap})
    producer.produce(log.topic(POLICIES_TOPIC), document.encode(), b"wechat_channels", 0, timestamp=at_ms)
    assert producer.flush(10) == 0


def wait_metric(workers: Sequence[Worker], line: str) -> None:
    def all_say_so() -> bool:
        return all(line in worker.get("metrics").splitlines() for worker in workers)

    wait_until(all_say_so, timeout_s=60, what=lambda: f"{line}\n" + "\n".join(w.log() for w in workers))


def replayed(log: Log) -> list[Sent]:
    """What `replay --policy-log` says of the room log and the policies' topic as they lie in Kafka."""
    feed = PolicyFeed(judge().book)
    for record in Log(log.kafka, log.prefix, partitions=1).read(POLICIES_TOPIC):
        feed.take(record, topic=POLICIES_TOPIC)
    assert (feed.accepted, feed.rejected) == (2, 1)
    records = (LogRecord(*sent) for sent in log.read(EVENTS_TOPIC))
    run = Replay(Judge(feed.book), topic=log.topic(EVENTS_TOPIC))
    partition_of = {record.key: record.partition for record in log.read(EVENTS_TOPIC)}
    return [
        Sent(partition_of[r.key], 0, r.timestamp_ms or 0, r.key, r.value, tuple(r.headers))
        for step in run.run(records)
        for r in step.of(VIOLATIONS_TOPIC)
    ]


def test_two_workers_switch_at_the_same_event_through_restarts_and_replay_agrees(log: Log, tmp_path: Path) -> None:
    records = list(room_log(7, rooms=40, steps=STEPS))
    publish(log, version(2, START_MS + 600_000, 5), START_MS)
    log.produce(records[:2_000])
    with Worker(log, tmp_path, POLICIES="topic") as one, Worker(log, tmp_path, POLICIES="topic") as two:
        log.wait_committed(workers=[one, two])
        wait_metric([one, two], 'stream_audit_policy_version{policy="wechat_channels"} 2.0')
        publish(log, version(3, SWITCH_MS, 9), SWITCH_MS - 70_000)
        wait_metric([one, two], "stream_audit_policy_rejected_total 1.0")
        assert "severity must be from 1 to 5, is 9" in one.log()
        publish(log, version(3, SWITCH_MS, 2), SWITCH_MS - 65_000)
        wait_metric([one, two], 'stream_audit_policy_version{policy="wechat_channels"} 3.0')
        log.produce(records[2_000:4_000])
        log.wait_committed(0.8, workers=[one, two])
        two.kill9()
        with Worker(log, tmp_path, POLICIES="topic") as heir:
            heir.wait_ready()
            log.produce(records[4_000:])
            log.wait_quiet(one)
            assert [worker.term() for worker in (one, heir)] == [0, 0]
    wanted = by_room(replayed(log))
    found = by_room(log.read(VIOLATIONS_TOPIC))
    assert list(dict.fromkeys(found)) == list(dict.fromkeys(wanted))  # repeats carry the same bytes
    of_offset = [
        sum(f'"control":{{"policies":{offset},'.encode() in (row[2] or b"") for row in wanted) for offset in (0, 1, 2)
    ]
    assert of_offset[0] > 20
    assert of_offset[1] == 0
    assert of_offset[2] > 20


def test_a_worker_without_the_topic_does_not_start_and_one_on_files_does_not_ask(log: Log, tmp_path: Path) -> None:
    bare = Log(log.kafka, log.prefix + "bare.").create()
    with Worker(bare, tmp_path, POLICIES="topic") as worker:
        assert worker.wait() == 1
        assert f"start: {bare.topic(POLICIES_TOPIC)}: topic is missing, must be 1 partitions" in worker.log()
    with Worker(bare, tmp_path) as worker:
        worker.wait_ready()
        assert worker.term() == 0


def test_a_worker_with_a_stable_name_goes_on_at_once_after_it_was_killed(log: Log, tmp_path: Path) -> None:
    """Without a name of its own the group would wait for the dead one for as long as a session: ten minutes, here."""
    publish(log, version(2, START_MS + 600_000, 5), START_MS)
    records = list(room_log(8, rooms=10, steps=800))
    named = {"INSTANCE_ID": "w0", "SESSION_TIMEOUT_S": "600", "REQUEST_TIMEOUT_S": "600"}
    endings: tuple[Callable[[Worker], object], ...] = (Worker.kill9, Worker.term, Worker.kill9, Worker.kill9)
    for number, ends in enumerate(endings):
        with Worker(log, tmp_path, POLICIES="topic", **named) as worker:
            log.produce(records[number * 200 : (number + 1) * 200])
            log.wait_committed(workers=[worker])
            ends(worker)
    assert by_room(log.read(VIOLATIONS_TOPIC)) == list(dict.fromkeys(by_room(log.read(VIOLATIONS_TOPIC))))


def policy(*args: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["policy", *map(str, args)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_push_publishes_what_is_good_and_nothing_when_one_file_is_bad(log: Log, tmp_path: Path) -> None:
    where = ("--bootstrap", log.kafka.bootstrap, "--topic", log.topic(POLICIES_TOPIC))
    soon_ms = clock.now_ms() + 600_000
    good, bad, heir = (tmp_path / name for name in ("wechat_channels.yaml", "bad.yaml", "a_heir.yaml"))
    good.write_text(WX.replace("version: 1\n", "version: 2\n").replace("from_ms: 0\n", f"from_ms: {soon_ms}\n"))
    heir.write_text(a_policy(a_rule(), name="heir", since_ms=soon_ms, head="inherits: [parent]\n"))
    parent = tmp_path / "parent.yaml"
    parent.write_text(a_policy(a_rule("T-P-01"), name="parent", since_ms=soon_ms))
    bad.write_text(a_policy(a_rule("T-BAD-01", when="nope"), name="bad", since_ms=0))

    code, _, err = policy("push", good, bad, *where)
    assert code == 1
    assert f"{bad}:2" not in err
    assert f"{bad}:3:20: effective_from_ms 0 is too early" in err
    assert "rule T-BAD-01: when: unknown name 'nope'" in err
    assert policy("push", good, "--dry-run", *where)[0] == 0
    assert read_topic(where[1], where[3]) == []

    code, out, _ = policy("push", good, heir, parent, "--json", *where)
    assert code == 0
    published = json.loads(out)["published"]
    assert [row["policy"] for row in published] == ["parent", "wechat_channels", "heir"], "parents first"
    assert [row["offset"] for row in published] == [0, 1, 2]
    code, _, err = policy("push", good, *where)
    assert (code, "version 2 is not above 2" in err) == (1, True)

    publish(log, version(1, 0, 5), clock.now_ms())
    code, out, _ = policy("ls", "--json", *where)
    listed = json.loads(out)
    states = {(row["policy"], row["version"]): row["state"] for row in listed["policies"]}
    assert (states["wechat_channels", 1], states["wechat_channels", 2]) == ("in force", "later")
    assert [row["offset"] for row in listed["refused"]] == [3]
    assert policy("ls", "--bootstrap", log.kafka.bootstrap, "--topic", log.topic("nowhere"))[0] == 1


def test_a_backtest_reads_the_topic_like_files(log: Log, tmp_path: Path) -> None:
    log.produce(room_log(3, rooms=8, steps=1_500))
    files = []
    for partition in range(log.partitions):
        files.append(tmp_path / f"{partition}.jsonl")
        with Writer(files[-1]) as out:
            for sent in log.read(EVENTS_TOPIC):
                if sent.partition == partition:
                    out.record(LogRecord(*sent))
    new = ("--new", POLICIES_DIR, "--processes", 1, "--json")
    topic = ("--bootstrap", log.kafka.bootstrap, "--topic", log.topic(EVENTS_TOPIC))
    one, other = (json.loads(policy("backtest", *where, *new)[1]) for where in (topic, files))
    for found in (one, other):
        assert found["rooms_live"]["old"] > 0
        for row in found["rules"]:
            del row["seconds"]
    assert one == other
    assert policy("backtest", *topic[:3], "nowhere", *new)[0] == 1
