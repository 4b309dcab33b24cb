"""Timeouts that do not fit together are refused, all at once."""

from __future__ import annotations

import pytest

from worker.transport import TransportSettings, TransportSettingsError


def test_the_defaults_fit_together() -> None:
    settings = TransportSettings()
    assert settings.revoke_timeout_s == pytest.approx(30.0)
    assert settings.faust()["producer_request_timeout"] <= settings.faust()["broker_session_timeout"]  # type: ignore[operator]


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(TransportSettingsError) as caught:
        TransportSettings(producer_timeout_s=30, rebalance_timeout_s=20, session_timeout_s=40, batch_records=0)
    message = str(caught.value)
    for part in (
        "batch_records must be positive",
        "session_timeout_s must not exceed request_timeout_s",
        "flush_timeout_s must be at least producer_timeout_s",
        "rebalance_timeout_s must exceed",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"heartbeat_interval_s": 10.0}, "a third of session_timeout_s"),
        ({"producer_timeout_s": 25.0, "flush_timeout_s": 26.0}, "producer_timeout_s must not exceed"),
        ({"shutdown_timeout_s": 30.0}, "shutdown_timeout_s must exceed"),
    ],
)
def test_a_contradiction_is_named(changes: dict[str, float], problem: str) -> None:
    with pytest.raises(TransportSettingsError, match=problem):
        TransportSettings(**changes)  # type: ignore[arg-type]
