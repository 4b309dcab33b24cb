"""`keys` and `policy push | baseline | switch | ls`, as an operator runs them, on the client's own mock broker."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from tests.policy.build import a_policy, a_rule
from worker import clock
from worker.cli import cli
from worker.lab.mockcluster import MockCluster
from worker.policy.chain import RECEIPT
from worker.policy.feed import PolicyFeed
from worker.policy.signing import read_roots
from worker.policy.switch import SWITCH_KEY, read_switch
from worker.policy.wire import as_document
from worker.tools import policytopic, publishing
from worker.tools.kafkalog import KafkaLog
from worker.tools.keyfiles import KeyFileError, new_key_file, read_key_file
from worker.tools.policyfiles import read_policies
from worker.tools.policytopic import Chain, Entries, Lost, Published
from worker.topics import EVENTS_TOPIC, POLICIES_TOPIC

PARTITIONS = 3
pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def broker() -> Iterator[str]:
    with MockCluster() as cluster:
        cluster.create_topic(EVENTS_TOPIC, PARTITIONS)
        cluster.create_topic(POLICIES_TOPIC, 1)
        yield cluster.bootstrap


def run(*words: object, code: int = 0, roots: str = "") -> Result:
    done = CliRunner().invoke(cli, [*map(str, words)], env={"STREAM_AUDIT_ROOT_KEYS": roots})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.output
    assert "PRIVATE" not in done.output
    return done


def a_file(folder: Path, name: str = "t_one", version: int = 1, rule: str = "T-ONE-01") -> Path:
    file = folder / f"{name}.{version}.yaml"
    file.write_text(a_policy(a_rule(rule), name=name, version=version), encoding="utf-8")
    return file


def listed(broker: str, roots: str = "") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("policy", "ls", "--json", "--bootstrap", broker, roots=roots).stdout)
    return found


def feed_of(broker: str, roots: str = "") -> PolicyFeed:
    records = policytopic.read_topic(broker, POLICIES_TOPIC)
    return policytopic.follow(read_policies(), records, POLICIES_TOPIC, read_roots(roots))[0]


def switches(broker: str) -> dict[int, list[tuple[int, int]]]:
    """By partition: (offset, the place that the switch there names)."""
    found: dict[int, list[tuple[int, int]]] = {}
    with KafkaLog(broker) as log:
        for record in log.read(EVENTS_TOPIC):
            if record.key == SWITCH_KEY and (switch := read_switch(record)):
                found.setdefault(record.partition, []).append((record.offset, switch.offset))
    return found


def test_a_push_switches_every_partition_and_a_receipt_says_where(broker: str, tmp_path: Path) -> None:
    done = run("policy", "push", a_file(tmp_path), "--json", "--bootstrap", broker)
    assert [row["policy"] for row in json.loads(done.stdout)["published"]] == ["#baseline", "t_one"]
    assert json.loads(done.stdout)["switched"] == dict.fromkeys(map(str, range(PARTITIONS)), 0)
    assert switches(broker) == {partition: [(0, 1)] for partition in range(PARTITIONS)}
    feed = feed_of(broker)
    assert feed.receipt(1) == dict.fromkeys(range(PARTITIONS), 0)
    assert [feed.in_force(2, offset) for offset in (0, 1)] == [-1, 1]
    assert listed(broker)["chain"]["switched"] == dict.fromkeys(map(str, range(PARTITIONS)), 0)
    assert "nothing to do" in run("policy", "switch", "--bootstrap", broker).output


def test_who_loses_a_race_is_told_what_to_look_at_and_nothing_of_theirs_holds(broker: str, tmp_path: Path) -> None:
    mine, theirs = a_file(tmp_path, "t_one"), a_file(tmp_path, "t_two", rule="T-TWO-01")
    chain = Chain(broker, POLICIES_TOPIC, read_policies(), {}, None)
    chain.append(publishing.baseline)
    make = publishing.policies((mine,))

    def late(feed: PolicyFeed, there: list[Published]) -> Entries:
        run("policy", "push", theirs, "--bootstrap", broker)
        return make(feed, there)

    with pytest.raises(Lost, match=rf"t_two at {POLICIES_TOPIC}@2; look at it with `policy ls`"):
        chain.append(late)
    names = {row["policy"] for row in listed(broker)["policies"]}
    assert ("t_two" in names, "t_one" in names) == (True, False)
    run("policy", "push", mine, "--bootstrap", broker)
    assert {p.ref.id for p in feed_of(broker).book.policies} >= {"t_one", "t_two"}


def test_a_receipt_in_between_costs_only_another_attempt(broker: str, tmp_path: Path) -> None:
    run("policy", "push", a_file(tmp_path), "--bootstrap", broker)
    chain = Chain(broker, POLICIES_TOPIC, read_policies(), {}, None)
    place = feed_of(broker).place(1)
    assert place is not None
    make, attempts = publishing.policies((a_file(tmp_path, version=2),)), []

    def late(feed: PolicyFeed, there: list[Published]) -> Entries:
        attempts.append(feed.head)
        if len(attempts) == 1:
            value = json.dumps({"kind": "receipt", "offset": 1, "chain": place.chain, "at": []}).encode()
            chain.append(lambda _feed, _there: [(RECEIPT, value)])
        return make(feed, there)

    (sent,) = chain.append(late)
    assert len(set(attempts)) == 2
    assert feed_of(broker).place(sent.offset) is not None


def test_keys_are_made_used_ended_and_listed(broker: str, tmp_path: Path) -> None:
    root, first, second = (tmp_path / f"{name}.pem" for name in ("root", "first", "second"))
    made = json.loads(run("keys", "new", root, "--json").stdout)
    roots, where = made["public"], ("--bootstrap", broker)
    run("keys", "new", first, "--role", "policy", "--root", root, *where, roots=roots)
    file = a_file(tmp_path)
    refused = run("policy", "push", file, *where, roots=roots, code=1)
    assert "is not signed; a key of the role policy must sign it" in refused.output
    run("policy", "push", file, "--key", first, *where, roots=roots)
    assert feed_of(broker, roots).book.keyring is not None
    assert listed(broker, roots)["chain"]["keyring"] == 1

    run("keys", "new", second, "--role", "policy", "--root", root, *where, roots=roots)
    kid = read_key_file(first).kid
    assert (
        "its signature would not count"
        in run("keys", "revoke", kid, "--root", root, "--key", first, *where, roots=roots, code=2).output
    )
    run("keys", "revoke", kid, "--root", root, "--key", second, *where, roots=roots)
    rows = json.loads(run("keys", "ls", "--json", *where, roots=roots).stdout)["keys"]
    states = {row["kid"]: row["state"] for row in rows}
    assert states[kid].startswith("revoked at")
    assert states[read_key_file(second).kid] == "counts"
    again = a_file(tmp_path, version=2)
    assert "revokes" in run("policy", "push", again, "--key", first, *where, roots=roots, code=1).output
    run("policy", "push", again, "--key", second, *where, roots=roots)
    places = {place for found in switches(broker).values() for _, place in found}
    assert len(places) == 5, "two keys, a push, a revocation, a push"
    assert (
        f"no key {kid} counts now"
        in run("keys", "revoke", kid, "--root", root, "--key", second, *where, roots=roots, code=1).output
    )


def test_a_reader_without_the_root_key_takes_nothing_and_says_why(broker: str, tmp_path: Path) -> None:
    root, key = tmp_path / "root.pem", tmp_path / "key.pem"
    roots = json.loads(run("keys", "new", root, "--json").stdout)["public"]
    run("keys", "new", key, "--role", "policy", "--root", root, "--bootstrap", broker, roots=roots)
    blind = listed(broker)
    assert blind["chain"]["newest"] is None
    assert "set STREAM_AUDIT_ROOT_KEYS" in str(blind["refused"])


def test_a_private_key_is_its_owners_and_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    run("keys", "new", file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    assert "never written over" in run("keys", "new", file, code=1).output
    assert file.read_bytes() == before
    file.chmod(0o640)
    with pytest.raises(KeyFileError, match="can be read by others"):
        read_key_file(file)
    other = tmp_path / "other.pem"
    other.write_bytes(before.replace(before.splitlines()[1], b"AAAA"))
    other.chmod(0o600)
    with pytest.raises(KeyFileError, match="no Ed25519 private key"):
        read_key_file(other)
    assert new_key_file(tmp_path / "third.pem").kid == read_key_file(tmp_path / "third.pem").kid


def test_a_baseline_takes_over_what_an_earlier_release_has_published(broker: str, tmp_path: Path) -> None:
    since_ms = clock.now_ms() + 600_000
    producer = Producer({"bootstrap.servers": broker, "log_level": 0})
    for version in (3, 2):  # the second is refused: not above
        text = a_policy(a_rule("T-ONE-01"), name="t_one", version=version, since_ms=since_ms)
        producer.produce(POLICIES_TOPIC, as_document("p", text).encode(), b"t_one", 0)
    assert producer.flush(20) == 0
    before = listed(broker)
    new = a_file(tmp_path, version=4)
    new.write_text(new.read_text().replace("from_ms: 0", f"from_ms: {since_ms}"))
    refused = run("policy", "push", new, "--bootstrap", broker, code=1)
    assert "run `stream-audit policy baseline` once" in refused.output
    assert "would be published" in run("policy", "baseline", "--dry-run", "--bootstrap", broker).output
    assert listed(broker) == before
    run("policy", "baseline", "--bootstrap", broker)
    after = listed(broker)
    assert after["policies"] == before["policies"]
    run("policy", "push", new, "--bootstrap", broker)
    assert [(p.ref.version, p.offset) for p in feed_of(broker).book.policies if p.ref.id == "t_one"] == [(3, 0), (4, 4)]
    assert "baseline already" in run("policy", "baseline", "--bootstrap", broker, code=1).output
