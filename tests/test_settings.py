"""Settings come from the environment, fit together, and report every error at once without a secret."""

from pathlib import Path

import pytest

from worker.settings import Secret, Settings, SettingsError, describe, load_settings

LEAST = {"STREAM_AUDIT_BROKERS": "kafka-0:9092,kafka-1:9092"}


def problems(**environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings({**LEAST, **{f"STREAM_AUDIT_{name}": value for name, value in environment.items()}})
    return caught.value.problems


def test_only_the_brokers_are_required() -> None:
    settings = load_settings({**LEAST, "PATH": "/bin"})
    assert settings.brokers == "kafka-0:9092,kafka-1:9092"
    assert settings.metrics_host == "127.0.0.1"
    with pytest.raises(SettingsError, match="STREAM_AUDIT_BROKERS is not set"):
        load_settings({})


def test_every_value_is_read_with_its_type(tmp_path: Path) -> None:
    settings = load_settings(
        {**LEAST, "STREAM_AUDIT_ROOMS_MAX": "5000", "STREAM_AUDIT_COMMIT_INTERVAL_S": "0.5",
         "STREAM_AUDIT_LOG_JSON": "yes", "STREAM_AUDIT_POLICIES_DIR": str(tmp_path),
         "STREAM_AUDIT_SECURITY_PROTOCOL": "sasl_ssl", "STREAM_AUDIT_SASL_USERNAME": "worker",
         "STREAM_AUDIT_SASL_PASSWORD": "hunter2"}
    )  # fmt: skip
    assert (settings.rooms_max, settings.commit_interval_s, settings.log_json) == (5000, 0.5, True)
    assert settings.policies_dir == tmp_path
    assert settings.security_protocol == "SASL_SSL"
    assert settings.sasl_password.reveal() == "hunter2"


def test_all_errors_are_reported_at_once_with_name_value_and_expectation() -> None:
    found = problems(ROOMS_MAX="many", COMPRESSION="rar", METRICS_HOST="everywhere", TYPO="1", BROKERS="kafka")
    assert len(found) == 5
    assert "STREAM_AUDIT_ROOMS_MAX='many': expected a whole number from 100 to 10000000" in found
    assert "STREAM_AUDIT_BROKERS='kafka': expected host:port, several separated by commas" in found
    assert any("STREAM_AUDIT_TYPO is no setting" in problem for problem in found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEARTBEAT_INTERVAL_S", "10"),
        ("REQUEST_TIMEOUT_S", "5"),
        ("PRODUCER_TIMEOUT_S", "21"),
        ("FLUSH_TIMEOUT_S", "14"),
        ("REBALANCE_TIMEOUT_S", "30"),
        ("SHUTDOWN_TIMEOUT_S", "30"),
    ],
)
def test_timeouts_that_do_not_fit_together_are_refused(name: str, value: str) -> None:
    assert any(f"STREAM_AUDIT_{name}={float(value)}: expected" in problem for problem in problems(**{name: value}))


@pytest.mark.parametrize("value", ["nan", "inf", "1e3", "-1", "0", "9" * 400])
def test_odd_numbers_are_refused(value: str) -> None:
    assert problems(COMMIT_INTERVAL_S=value)


def test_a_secret_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    settings = load_settings(
        {**LEAST, "STREAM_AUDIT_SECURITY_PROTOCOL": "SASL_SSL", "STREAM_AUDIT_SASL_USERNAME": "worker",
         "STREAM_AUDIT_SASL_PASSWORD_FILE": str(secret)}
    )  # fmt: skip
    assert settings.sasl_password.reveal() == "hunter2"
    assert "hunter2" not in f"{settings} {settings!r} {settings.sasl_password} {settings.sasl_password:>9}"


def test_errors_never_show_a_secret(tmp_path: Path) -> None:
    found = problems(SASL_PASSWORD="hunter2", SASL_PASSWORD_FILE=str(tmp_path / "absent"), ROOMS_MAX="x")
    assert len(found) >= 2
    assert "hunter2" not in "\n".join(found)


def test_credentials_without_sasl_are_a_contradiction() -> None:
    assert any("expected SASL_SSL" in problem for problem in problems(SASL_USERNAME="worker"))
    assert any("SASL_TOKEN_FILE" in p for p in problems(SECURITY_PROTOCOL="SASL_SSL", SASL_MECHANISM="oauthbearer"))


def test_settings_are_frozen_and_documented() -> None:
    with pytest.raises(AttributeError):
        load_settings(LEAST).rooms_max = 1  # type: ignore[misc]
    assert len(describe()) == len(Settings.__dataclass_fields__)
    assert all(about for _, _, about in describe())
    assert "lateness" not in " ".join(name.lower() for name, _, _ in describe())
    assert repr(Secret("")) == "''"
