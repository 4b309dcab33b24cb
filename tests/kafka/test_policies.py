"""Policies published while workers run: all switch at the same record, forged ones stay out, replay says the same."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from tests.kafka.test_engine_run import by_room
from tests.policy.build import a_policy, a_rule
from tests.support.engine import Log, Sent, Worker, room_log
from tests.support.kafka import KafkaCluster, wait_until
from tests.support.oracle import judge
from worker import clock
from worker.cli import cli
from worker.policy.feed import PolicyFeed
from worker.policy.judge import Judge
from worker.policy.signing import read_roots
from worker.policy.switch import SWITCH_KEY, Switch, read_switch, write_switch
from worker.policy.wire import as_document
from worker.resources import POLICIES_DIR
from worker.tools import publishing
from worker.tools.brokertopics import BrokerTopics
from worker.tools.keyfiles import read_key_file
from worker.tools.policytopic import Chain, Published, follow, read_topic, send_all
from worker.tools.replay import Replay
from worker.tools.roomlog import LogRecord, Writer
from worker.topics import APPEND_TIME, EVENTS_TOPIC, POLICIES_TOPIC, TIMESTAMP_TYPE, VIOLATIONS_TOPIC, Topic, plan

STEPS = 6_000
WX = (POLICIES_DIR / "wechat_channels.yaml").read_text(encoding="utf-8")
KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", TIMESTAMP_TYPE: APPEND_TIME}


def version(number: int, severity: int, since_ms: int = 0) -> str:
    text = WX.replace("version: 1\n", f"version: {number}\n")
    text = text.replace("effective_from_ms: 0\n", f"effective_from_ms: {since_ms}\n")
    return text.replace("severity: 4", f"severity: {severity}")


@pytest.fixture
def log(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Log:
    log = Log(kafka, topic_name("") + ".").create()
    kafka.create_topic(log.topic(POLICIES_TOPIC), 1, **KEPT)
    return log


def publish(log: Log, document: str, at_ms: int) -> None:
    """As an earlier release published, and as anyone may write who is not asked for a signature."""
    producer = Producer({"bootstrap.servers": log.kafka.bootstrap})
    producer.produce(log.topic(POLICIES_TOPIC), document.encode(), b"wechat_channels", 0, timestamp=at_ms)
    assert producer.flush(10) == 0


def command(*words: object, roots: str = "") -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, [*map(str, words)], env={"STREAM_AUDIT_ROOT_KEYS": roots})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def policy(*words: object, roots: str = "") -> tuple[int, str, str]:
    return command("policy", *words, roots=roots)


class Keys(NamedTuple):
    """A platform with keys: the public root key, and the file of a key of the role policy."""

    roots: str
    policy: Path


def with_keys(log: Log, folder: Path) -> Keys:
    root, key = folder / "root.pem", folder / "policy.pem"
    roots = json.loads(command("keys", "new", root, "--json")[1])["public"]
    code, out, err = command("keys", "new", key, "--role", "policy", "--root", root, *where(log), roots=roots)
    assert code == 0, out + err
    return Keys(roots, key)


def where(log: Log) -> tuple[str, ...]:
    return ("--bootstrap", log.kafka.bootstrap, "--topic", log.topic(POLICIES_TOPIC))


def push(log: Log, folder: Path, text: str, keys: Keys) -> None:
    file = folder / "wechat_channels.yaml"
    file.write_text(text, encoding="utf-8")
    code, out, err = policy("push", file, "--key", keys.policy, *where(log), roots=keys.roots)
    assert code == 0, out + err


def wait_metric(workers: Sequence[Worker], line: str) -> None:
    def all_say_so() -> bool:
        return all(line in worker.get("metrics").splitlines() for worker in workers)

    wait_until(all_say_so, timeout_s=60, what=lambda: f"{line}\n" + "\n".join(w.log() for w in workers))


def feed_of(log: Log, roots: str = "") -> PolicyFeed:
    records = read_topic(log.kafka.bootstrap, log.topic(POLICIES_TOPIC))
    return follow(judge().book, records, log.topic(POLICIES_TOPIC), read_roots(roots))[0]


def replayed(log: Log, feed: PolicyFeed) -> list[Sent]:
    """What `replay --policy-log` says of the room log and the policies' topic as they lie in Kafka."""
    records = [LogRecord(*sent) for sent in log.read(EVENTS_TOPIC)]
    run = Replay(Judge(feed.book), topic=log.topic(EVENTS_TOPIC), feed=feed)
    partition_of = {record.key: record.partition for record in records if record.key != SWITCH_KEY}
    return [
        Sent(partition_of[r.key], 0, r.timestamp_ms or 0, r.key, r.value, tuple(r.headers))
        for step in run.run(records)
        for r in step.of(VIOLATIONS_TOPIC)
    ]


def versions_of(rows: Sequence[tuple[object, ...]]) -> set[tuple[int, str]]:
    """(version, trust) of what the changed policy has decided."""
    values = [json.loads(row[2] or b"{}") for row in rows]  # type: ignore[arg-type]
    return {
        (value["policy"]["version"], value["control"]["trust"])
        for value in values
        if value["policy"]["id"] == "wechat_channels"
    }


def test_two_workers_switch_at_the_same_record_through_restarts_and_replay_agrees(log: Log, tmp_path: Path) -> None:
    records = list(room_log(7, rooms=40, steps=STEPS))
    log.produce(records[:1_500])
    with Worker(log, tmp_path, POLICIES="topic") as early:
        log.wait_committed(workers=[early])
        assert early.term() == 0
    keys = with_keys(log, tmp_path)
    settings = {"POLICIES": "topic", "ROOT_KEYS": keys.roots}
    with Worker(log, tmp_path, **settings) as one, Worker(log, tmp_path, **settings) as two:
        log.produce(records[1_500:2_500])
        push(log, tmp_path, version(2, 5), keys)
        wait_metric([one, two], 'stream_audit_policy_version{policy="wechat_channels"} 2.0')
        publish(log, as_document("p", version(9, 1)), clock.now_ms())
        wait_metric([one, two], "stream_audit_policy_rejected_total 1.0")
        assert "it names no chain" in one.log()
        log.produce(records[2_500:4_000])
        log.wait_committed(0.8, workers=[one, two])
        two.kill9()
        push(log, tmp_path, version(3, 2), keys)
        with Worker(log, tmp_path, **settings) as heir:
            heir.wait_ready()
            log.produce(records[4_000:])
            log.wait_quiet(one)
            assert [worker.term() for worker in (one, heir)] == [0, 0]
    wanted = by_room(replayed(log, feed_of(log, keys.roots)))
    found = by_room(log.read(VIOLATIONS_TOPIC))
    assert list(dict.fromkeys(found)) == list(dict.fromkeys(wanted))  # repeats carry the same bytes
    assert versions_of(wanted) == {(1, "open"), (2, "signed"), (3, "signed")} | (versions_of(wanted) & {(1, "signed")})


def test_a_push_that_was_killed_between_partitions_is_finished_and_every_first_switch_counts(
    log: Log, tmp_path: Path
) -> None:
    log.produce(room_log(9, rooms=10, steps=200))
    keys = with_keys(log, tmp_path)
    chain = Chain(
        log.kafka.bootstrap, log.topic(POLICIES_TOPIC), judge().book, read_roots(keys.roots), read_key_file(keys.policy)
    )
    chain.append(publishing.baseline)
    file = tmp_path / "wechat_channels.yaml"
    file.write_text(version(2, 5), encoding="utf-8")
    (sent,) = chain.append(publishing.policies((file,)))
    place = feed_of(log, keys.roots).place(sent.offset)
    assert place is not None
    value, headers = write_switch(Switch(offset=sent.offset, chain=place.chain, partition=1), chain.signer)
    forged, _ = write_switch(Switch(offset=sent.offset, chain=place.chain, partition=2), None)
    killed = [(1, Published(0, clock.now_ms(), SWITCH_KEY, value, headers)),
              (2, Published(0, clock.now_ms(), SWITCH_KEY, forged, ()))]  # fmt: skip
    for partition, written in killed:
        send_all([(log.topic(EVENTS_TOPIC), partition, written)], log.kafka.bootstrap)
    log.produce(room_log(10, rooms=10, steps=200))

    code, out, err = policy("switch", "--key", keys.policy, *where(log), roots=keys.roots)
    assert code == 0, out + err
    there: dict[int, list[int]] = {}
    for record in log.read(EVENTS_TOPIC):
        switch = read_switch(record) if record.key == SWITCH_KEY else None
        if switch is not None and switch.offset == sent.offset and record.headers:
            there.setdefault(record.partition, []).append(record.offset)
    assert sorted(there) == list(range(log.partitions))
    assert {len(offsets) for offsets in there.values()} == {1}, "what was there is not written again"
    assert feed_of(log, keys.roots).receipt(sent.offset) == {p: offsets[0] for p, offsets in there.items()}
    assert "nothing to do" in policy("switch", "--key", keys.policy, *where(log), roots=keys.roots)[1]


def test_todays_topic_is_migrated_and_the_policies_in_force_stay(log: Log, tmp_path: Path) -> None:
    old = Log(log.kafka, log.prefix + "old.").create()
    topic = old.topic(POLICIES_TOPIC)
    old.kafka.create_topic(topic, 1, cleanup_policy="compact")
    soon_ms = clock.now_ms() + 120_000
    publish(old, as_document("p", version(2, 5, soon_ms)), clock.now_ms())
    publish(old, as_document("p", version(2, 1, soon_ms)), clock.now_ms())
    with Worker(old, tmp_path, POLICIES="topic") as worker:
        assert worker.wait() == 1
        assert f"{topic}: cleanup.policy is compact, must be delete (`stream-audit topics apply` alters" in worker.log()
    code, _, err = policy("baseline", *where(old))
    assert (code, f"{topic} would lose records: cleanup.policy is compact" in err) == (1, True)
    broker = BrokerTopics(old.kafka.bootstrap)
    broker.alter(plan([Topic(name=topic, partitions=1, config=KEPT)], broker.describe([topic])))
    before = json.loads(policy("ls", "--json", *where(old))[1])["policies"]
    assert policy("baseline", *where(old))[0] == 0
    assert json.loads(policy("ls", "--json", *where(old))[1])["policies"] == before
    assert [(p.ref.version, p.offset) for p in feed_of(old).book_at(-1).policies if p.offset is not None] == [(2, 0)]
    with Worker(old, tmp_path, POLICIES="topic") as worker:
        worker.wait_ready()
        wait_metric([worker], 'stream_audit_policy_version{policy="wechat_channels"} 2.0')
        assert worker.term() == 0


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
    file = tmp_path / "wechat_channels.yaml"
    file.write_text(version(2, 5), encoding="utf-8")
    assert policy("push", file, *where(log))[0] == 0
    records = list(room_log(8, rooms=10, steps=800))
    named = {"INSTANCE_ID": "w0", "SESSION_TIMEOUT_S": "600", "REQUEST_TIMEOUT_S": "600"}
    endings: tuple[Callable[[Worker], object], ...] = (Worker.kill9, Worker.term, Worker.kill9, Worker.kill9)
    for number, ends in enumerate(endings):
        with Worker(log, tmp_path, POLICIES="topic", **named) as worker:
            log.produce(records[number * 200 : (number + 1) * 200])
            log.wait_committed(workers=[worker])
            ends(worker)
    assert by_room(log.read(VIOLATIONS_TOPIC)) == list(dict.fromkeys(by_room(log.read(VIOLATIONS_TOPIC))))


def test_push_publishes_what_is_good_and_nothing_when_one_file_is_bad(log: Log, tmp_path: Path) -> None:
    place = where(log)
    soon_ms = clock.now_ms() + 600_000
    good, bad, heir = (tmp_path / name for name in ("wechat_channels.yaml", "bad.yaml", "a_heir.yaml"))
    good.write_text(WX.replace("version: 1\n", "version: 2\n").replace("from_ms: 0\n", f"from_ms: {soon_ms}\n"))
    heir.write_text(a_policy(a_rule(), name="heir", since_ms=soon_ms, head="inherits: [parent]\n"))
    parent = tmp_path / "parent.yaml"
    parent.write_text(a_policy(a_rule("T-P-01"), name="parent", since_ms=soon_ms))
    bad.write_text(a_policy(a_rule("T-BAD-01", when="nope"), name="bad", since_ms=0))

    code, _, err = policy("push", good, bad, *place)
    assert code == 1
    assert f"{bad}:2" not in err
    assert "rule T-BAD-01: when: unknown name 'nope'" in err
    assert policy("push", good, "--dry-run", *place)[0] == 0
    assert read_topic(place[1], place[3]) == []

    code, out, _ = policy("push", good, heir, parent, "--json", *place)
    assert code == 0
    published = json.loads(out)["published"]
    assert [row["policy"] for row in published] == ["#baseline", "parent", "wechat_channels", "heir"]
    assert [row["offset"] for row in published] == [0, 1, 2, 3]
    assert len(json.loads(out)["switched"]) == log.partitions
    code, _, err = policy("push", good, *place)
    assert (code, "version 2 is not above 2" in err) == (1, True)

    publish(log, as_document("p", version(1, 5)), clock.now_ms())
    code, out, _ = policy("ls", "--json", *place)
    listed = json.loads(out)
    states = {(row["policy"], row["version"]): row["state"] for row in listed["policies"]}
    assert (states["wechat_channels", 1], states["wechat_channels", 2]) == ("in force", "later")
    assert [row["offset"] for row in listed["refused"]] == [5], "behind the receipt"
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
    one, other = (json.loads(policy("backtest", *place, *new)[1]) for place in (topic, files))
    for found in (one, other):
        assert found["rooms_live"]["old"] > 0
        for row in found["rules"]:
            del row["seconds"]
    assert one == other
    assert policy("backtest", *topic[:3], "nowhere", *new)[0] == 1
