"""The worker on a Kafka with locks: three ways in, what is said when the door stays shut, rights that suffice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from deploy.generate import CHANGELOG, IDENTITIES_CHANGELOG, kafka_user
from tests.policy.build import a_policy, a_rule
from tests.support.engine import Log, Worker, room_log
from tests.support.kafka import REPOSITORY, KafkaUnavailableError
from tests.support.oracle import oracle
from tests.support.secured_kafka import LISTENERS, Certificates, SecuredKafka, unsigned_token
from worker import clock
from worker.settings import Settings
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, POLICIES_TOPIC, REGISTRY_TOPIC, VIOLATIONS_TOPIC

PORT = 23_000
USER = "judge"
PASSWORD = "correct-horse-battery-5f1e"
WRONG = "wrong-horse-battery-77aa"
ENDS_WITHIN_S = 90

Acl = Mapping[str, Any]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    directory = tmp_path_factory.mktemp("secured")
    try:
        cluster = SecuredKafka(directory, PORT).start()
    except KafkaUnavailableError as problem:
        pytest.fail(str(problem), pytrace=False)
    try:
        cluster.set_password(USER, PASSWORD)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def log(secured: SecuredKafka, topic_name: Callable[[str], str]) -> Log:
    return Log(secured, topic_name("") + ".").create()


@pytest.fixture
def login(secured: SecuredKafka, tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """`login("SCRAM")`: settings with which the worker gets in by that listener."""

    def settings(listener: str) -> dict[str, str]:
        common = {"BROKERS": secured.address(listener), "TLS_CA_FILE": str(secured.ca_file)}
        if listener == "MTLS":
            certificate, key = secured.certificates.issue(USER)
            mutual = {"TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key)}
            return {**common, "SECURITY_PROTOCOL": "SSL", **mutual}
        common["SECURITY_PROTOCOL"] = "SASL_SSL"
        if listener == "OAUTH":
            token = {"SASL_TOKEN_FILE": written(tmp_path / "token", unsigned_token(USER))}
            return {**common, "SASL_MECHANISM": "OAUTHBEARER", **token}
        return {**common, "SASL_USERNAME": USER, "SASL_PASSWORD_FILE": written(tmp_path / "password", PASSWORD)}

    return settings


def written(path: Path, text: str) -> str:
    path.write_text(text + "\n", encoding="utf-8")
    return str(path)


def rights(log: Log) -> list[Acl]:
    """What the generated KafkaUser may do, with the names of this test's topics and group."""
    own = {
        Settings.app_id: log.app_id,
        CHANGELOG: log.changelog,
        IDENTITIES_CHANGELOG: log.identities_changelog,
    }
    acls = kafka_user()["spec"]["authorization"]["acls"]
    return [
        {**acl, "resource": {**acl["resource"], "name": own.get(name, log.topic(name))}}
        for acl in acls
        for name in [acl["resource"]["name"]]
    ]


def without(acls: Sequence[Acl], name: str, operation: str) -> list[Acl]:
    """The rights but one."""
    assert any(acl["resource"]["name"] == name and operation in acl["operations"] for acl in acls)
    return [
        {**acl, "operations": [o for o in acl["operations"] if acl["resource"]["name"] != name or o != operation]}
        for acl in acls
    ]


def assert_silent(worker: Worker, *pages: str) -> None:
    """Nothing that the worker has shown holds a secret."""
    shown = "".join((worker.path.read_text(errors="replace"), *pages))
    for secret in (PASSWORD, WRONG, unsigned_token(USER)[:20], "PRIVATE KEY"):
        assert secret not in shown


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_worker_with_the_rights_of_the_manifest_gets_in_and_judges(
    listener: str, secured: SecuredKafka, log: Log, login: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    secured.grant(USER, rights(log))
    log.produce(room_log(5, rooms=10, steps=1_500))
    with Worker(log, tmp_path, LOG_LEVEL="DEBUG", **login(listener)) as worker:
        log.wait_quiet(worker)
        metrics = worker.get("metrics")
        assert worker.term() == 0, worker.log()
    assert "stream_audit_applied_total" in metrics
    assert_silent(worker, metrics)
    assert {sent.content() for sent in log.read(VIOLATIONS_TOPIC)} == {v.content() for v in oracle(log).violations}


REFUSALS: dict[str, tuple[str, dict[str, str], str]] = {
    "a wrong password": ("SCRAM", {"SASL_PASSWORD_FILE": "wrong"}, "the broker refuses the login of 'judge'"),
    "an unknown user": ("SCRAM", {"SASL_USERNAME": "nobody"}, "the broker refuses the login of 'nobody'"),
    "a broker whose certificate nobody vouches for": ("SCRAM", {"TLS_CA_FILE": ""}, "STREAM_AUDIT_TLS_CA_FILE must"),
    "a broker of another authority": ("MTLS", {"TLS_CA_FILE": "foreign ca"}, "STREAM_AUDIT_TLS_CA_FILE must"),
    "a token that has expired": ("OAUTH", {"SASL_TOKEN_FILE": "expired"}, "the broker refuses the token"),
    "a token of nobody": ("OAUTH", {"SASL_TOKEN_FILE": "wrong"}, "the broker refuses the token"),
    "a certificate that has expired": ("MTLS", {"TLS_CERT_FILE": "late"}, "renew STREAM_AUDIT_TLS_CERT_FILE="),
    "a certificate of another authority": ("MTLS", {"TLS_CERT_FILE": "foreign"}, "an authority that the broker trusts"),
    "no certificate": ("MTLS", {"TLS_CERT_FILE": ""}, "it may ask for STREAM_AUDIT_TLS_CERT_FILE"),
    "no TLS": ("SCRAM", {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "TLS_CA_FILE": ""}, "SECURITY_PROTOCOL=SASL_PLAINTEXT"),
    "no login": ("SCRAM", {"SECURITY_PROTOCOL": "SSL", "SASL_USERNAME": "", "SASL_PASSWORD_FILE": ""}, "no answer"),
    "a key whose password is missing": ("MTLS", {"TLS_KEY_FILE": "locked"}, "a certificate or key cannot be used"),
}
"""What is wrong → the listener, which settings differ, what the worker says."""


@pytest.mark.parametrize("wrong", REFUSALS)
def test_a_worker_that_is_not_let_in_ends_and_says_what_to_do(
    wrong: str, secured: SecuredKafka, login: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    listener, changes, said = REFUSALS[wrong]
    settings = {**login(listener), **_stand_ins(secured, changes, tmp_path)}
    with Worker(Log(secured, "refused."), tmp_path, **settings) as worker:
        assert worker.wait(ENDS_WITHIN_S) == 1, worker.log()
    assert said in worker.log()
    assert "Traceback" not in worker.log()
    assert_silent(worker)


def _stand_ins(secured: SecuredKafka, changes: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Files for the words of `REFUSALS`."""
    made = dict(changes)
    foreign = Certificates(directory, "foreign")
    if changes.get("SASL_PASSWORD_FILE"):
        made["SASL_PASSWORD_FILE"] = written(directory / "wrong-password", WRONG)
    if "SASL_TOKEN_FILE" in changes:
        expired = changes["SASL_TOKEN_FILE"] == "expired"
        made["SASL_TOKEN_FILE"] = written(
            directory / "wrong-token", unsigned_token(USER, lasts_s=-5) if expired else WRONG
        )
    if changes.get("TLS_CA_FILE"):
        made["TLS_CA_FILE"] = str(foreign.ca_file)
    if changes.get("TLS_KEY_FILE") == "locked":
        certificate, key = secured.certificates.issue(USER)
        private = load_pem_private_key(key.read_bytes(), None)
        key = directory / "locked.key"
        key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
        made |= {"TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key)}
    elif "TLS_CERT_FILE" in changes:
        pairs: dict[str, Callable[[], tuple[Path | str, Path | str]]] = {
            "late": lambda: secured.certificates.issue("late", expired=True),
            "foreign": lambda: foreign.issue(USER),
            "": lambda: ("", ""),
        }
        pair = pairs[changes["TLS_CERT_FILE"]]()
        made |= {"TLS_CERT_FILE": str(pair[0]), "TLS_KEY_FILE": str(pair[1])}
    return made


@pytest.mark.parametrize(
    ("right", "operation"),
    [(VIOLATIONS_TOPIC, "Write"), (EVENTS_TOPIC, "Read"), ("changelog", "Write"), ("group", "Read")],
)
def test_a_worker_that_lacks_a_right_ends_and_names_it(
    right: str, operation: str, secured: SecuredKafka, log: Log, login: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    name = {"changelog": log.changelog, "group": log.app_id}.get(right, log.topic(right))
    secured.grant(USER, without(rights(log), name, operation))
    log.produce(room_log(5, rooms=10, steps=500))
    with Worker(log, tmp_path, **login("SCRAM")) as worker:
        assert worker.wait(ENDS_WITHIN_S) == 1, worker.log()
    assert "AuthorizationFailed" in worker.log()
    assert name in worker.log()
    assert_silent(worker)


def test_the_rights_of_the_manifest_allow_nothing_else(secured: SecuredKafka, log: Log) -> None:
    secured.grant(USER, rights(log))
    client = {
        "bootstrap.servers": secured.address("SCRAM"),
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(secured.ca_file),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": USER,
        "sasl.password": PASSWORD,
        "log_level": 0,
    }
    failed: list[int] = []
    producer = Producer({**client, "delivery.timeout.ms": 15_000})
    producer.produce(log.topic(REGISTRY_TOPIC), b"{}", b"host", 0, lambda error, _: failed.append(error.code()))
    producer.flush(30)
    assert failed == [KafkaError.TOPIC_AUTHORIZATION_FAILED], "the worker cannot forge what a platform says of a host"
    admin = AdminClient(client)
    for refused in (
        admin.create_topics([NewTopic(log.topic("new"), 1, 1)]),
        admin.delete_topics([log.topic(VIOLATIONS_TOPIC)]),
    ):
        for answer in refused.values():
            with pytest.raises(KafkaException) as error:
                answer.result(30)
            assert error.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    consumer = Consumer({**client, "group.id": "somebody-else"})
    try:
        consumer.subscribe([log.topic(DEAD_LETTERS_TOPIC)])
        message = consumer.poll(30)
        assert message is not None
        assert message.error().code() in (KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    finally:
        consumer.close()


@pytest.mark.parametrize("listener", LISTENERS)
def test_commands_log_in_by_the_same_settings_and_show_no_secret(
    listener: str, secured: SecuredKafka, log: Log, login: Callable[[str], dict[str, str]]
) -> None:
    may_look = _acl("topic", log.topic(DEAD_LETTERS_TOPIC), "Read", "Describe")
    secured.grant(USER, [may_look, _acl("group", "stream-audit-dlq", "Read", "Describe")])
    settings = login(listener)
    done = command(
        settings, "dlq", "ls", "--bootstrap", settings["BROKERS"], "--dead-letters", may_look["resource"]["name"]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    checked = command(settings, "topics", "check", "--bootstrap", settings["BROKERS"])
    assert checked.returncode == 1
    assert EVENTS_TOPIC in checked.stdout, "it is in, and finds no topic under that name"
    if listener == "SCRAM":
        Path(settings["SASL_PASSWORD_FILE"]).write_text(WRONG)
        for words in (("dlq", "ls"), ("topics", "check")):
            refused = command(settings, *words, "--bootstrap", settings["BROKERS"])
            assert refused.returncode == 1
            for secret in (PASSWORD, WRONG):
                assert secret not in refused.stdout + refused.stderr


@pytest.mark.parametrize("listener", LISTENERS)
def test_policies_are_listed_by_who_may_read_and_published_by_who_may_write(
    listener: str, secured: SecuredKafka, log: Log, login: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    topic, events, settings = log.topic(POLICIES_TOPIC), log.topic(EVENTS_TOPIC), login(listener)
    secured.create_topic(topic, 1, cleanup_policy="delete", retention_ms="-1")
    file = tmp_path / "parent.yaml"
    file.write_text(a_policy(a_rule("T-P-01"), name="parent", since_ms=clock.now_ms() + 600_000), encoding="utf-8")
    where = ("--bootstrap", settings["BROKERS"], "--topic", topic)

    group = _acl("group", "stream-audit-reader", "Read", "Describe")
    secured.grant(USER, [group, _acl("topic", topic, "Read", "Describe")])
    refused = command(settings, "policy", "push", str(file), *where)
    listed = command(settings, "policy", "ls", *where, "--json")
    assert (refused.returncode, listed.returncode) == (1, 0), refused.stderr + listed.stderr
    assert "0 of 2 records were sent: " in refused.stderr
    assert f"the user must have the right to write to {topic}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert '"parent"' not in listed.stdout

    rights = ("Read", "Write", "Describe")
    secured.grant(USER, [group, _acl("topic", topic, *rights), _acl("topic", events, *rights)])
    pushed = command(settings, "policy", "push", str(file), *where)
    listed = command(settings, "policy", "ls", *where, "--json")
    assert (pushed.returncode, listed.returncode) == (0, 0), pushed.stderr + listed.stderr
    assert '"parent"' in listed.stdout
    for done in (refused, pushed, listed):
        for secret in (PASSWORD, unsigned_token(USER)[:20], "PRIVATE KEY"):
            assert secret not in done.stdout + done.stderr


def _acl(kind: str, name: str, *operations: str) -> dict[str, Any]:
    return {"resource": {"type": kind, "name": name, "patternType": "literal"}, "operations": list(operations)}


def command(settings: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """A command of stream-audit with the worker's security settings; at most a minute and a half."""
    secure = {f"STREAM_AUDIT_{name}": value for name, value in settings.items() if name != "BROKERS"}
    return subprocess.run(
        [sys.executable, "-m", "worker", *words], capture_output=True, text=True, check=False, timeout=ENDS_WITHIN_S,
        env={**os.environ, **secure}, cwd=REPOSITORY,
    )  # fmt: skip
