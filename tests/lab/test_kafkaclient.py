"""The command line logs in to Kafka by the worker's settings, and shows no secret."""

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from worker.cli import cli
from worker.settings import SettingsError, security_settings
from worker.tools.kafkaclient import TOKEN_LIFE_S, connect, no_answer, reason, security_options, token_and_end

SCRAM = {
    "STREAM_AUDIT_SECURITY_PROTOCOL": "SASL_SSL",
    "STREAM_AUDIT_SASL_MECHANISM": "SCRAM-SHA-512",
    "STREAM_AUDIT_SASL_USERNAME": "auditor",
    "STREAM_AUDIT_SASL_PASSWORD": "hush-hush",
}
NOWHERE = "127.0.0.1:9"
COMMANDS = {
    "topics": ["topics", "check"],
    "dlq": ["dlq", "ls"],
    "policy ls": ["policy", "ls"],
    "explain": ["explain", "x"],
    "statement": ["statement", "x"],
    "policy push": ["policy", "push", "worker/policies/twitch.yaml"],
    "policy backtest": ["policy", "backtest", "--new", "worker/policies"],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("a-token")
    return path


def options(environment: dict[str, str]) -> dict[str, object]:
    return security_options(security_settings(environment, "b:1"))


def test_without_settings_the_connection_is_plain() -> None:
    assert options({}) == {"security.protocol": "PLAINTEXT"}


def test_scram_over_tls_takes_user_password_and_certificates(file: Path) -> None:
    found = options({**SCRAM, "STREAM_AUDIT_TLS_CA_FILE": str(file)})
    assert found == {
        "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "auditor",
        "sasl.password": "hush-hush", "ssl.ca.location": str(file),
    }  # fmt: skip


def test_mutual_tls_takes_certificate_key_and_its_password(file: Path) -> None:
    names = ("TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_KEY_PASSWORD_FILE")
    found = options({"STREAM_AUDIT_SECURITY_PROTOCOL": "SSL", **{f"STREAM_AUDIT_{name}": str(file) for name in names}})
    assert found == {
        "security.protocol": "SSL", "ssl.certificate.location": str(file), "ssl.key.location": str(file),
        "ssl.key.password": "a-token",
    }  # fmt: skip


def test_a_token_is_read_at_each_login_and_lives_as_long_as_it_says(file: Path) -> None:
    environment = {
        "STREAM_AUDIT_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "STREAM_AUDIT_SASL_MECHANISM": "OAUTHBEARER",
        "STREAM_AUDIT_SASL_TOKEN_FILE": str(file),
    }  # fmt: skip
    ask = options(environment)["oauth_cb"]
    token, ends_s = ask("")  # type: ignore[operator]
    assert token == "a-token"
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 1_900_000_000, "sub": "é"}).encode()).decode().rstrip("=")
    file.write_text(f"head.{claims}.sign\n")
    assert ask("") == (f"head.{claims}.sign", 1_900_000_000)  # type: ignore[operator]
    file.write_text("head.%%%.sign")
    assert token_and_end(file)[1] >= ends_s > 1_700_000_000 + TOKEN_LIFE_S


@pytest.mark.parametrize("kind", [Consumer, Producer, AdminClient])
def test_every_kind_of_client_is_made_of_the_settings(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SCRAM.items():
        monkeypatch.setenv(name, value)
    group = {"group.id": "g"} if kind is Consumer else {}
    client = connect(kind, NOWHERE, group)
    if kind is Consumer:
        client.close()


def test_a_certificate_that_is_none_is_a_wrong_setting(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_AUDIT_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("STREAM_AUDIT_TLS_CA_FILE", str(file))
    with pytest.raises(SettingsError, match="no Kafka client can be made"):
        connect(Producer, NOWHERE, {})


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_every_command_that_reads_kafka_minds_the_settings_and_keeps_the_secret(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**SCRAM, "STREAM_AUDIT_SASL_MECHANISM": "SCRAM-MD5"}.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(cli, [*command, "--bootstrap", NOWHERE])
    assert done.exit_code == 2, done.output
    assert "STREAM_AUDIT_SASL_MECHANISM='SCRAM-MD5': expected one of PLAIN" in done.stderr
    assert "hush-hush" not in done.output + done.stderr


def test_a_broker_that_hangs_up_is_reported_with_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = KafkaException(KafkaError(KafkaError._TRANSPORT, "Broker transport failure"))
    assert reason(gone) == "Broker transport failure"
    for name, value in SCRAM.items():
        monkeypatch.setenv(name, value)
    assert reason(gone).startswith("Broker transport failure (log-in by SASL_SSL, SCRAM-SHA-512: check STREAM_AUDIT_")
    assert "hush" not in reason(gone)


def test_no_answer_says_whose() -> None:
    gone = KafkaException(KafkaError(KafkaError._TRANSPORT, "Broker transport failure"))
    said = no_answer(NOWHERE, gone)
    assert said.startswith(f"no answer from the broker at {NOWHERE}: Broker transport failure")


def test_a_wrong_address_is_called_by_the_option_that_gave_it() -> None:
    with pytest.raises(SettingsError, match=r"^--bootstrap 'nonsense': expected host:port"):
        connect(AdminClient, "nonsense", {})
