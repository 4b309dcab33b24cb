"""Settings of the transport driver, and the checks that its timeouts fit together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class TransportSettingsError(ValueError):
    """Settings contradict each other; the message lists every contradiction."""


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Timeouts in seconds, sizes as their names say. Checked at construction.

    read_committed: records of aborted or open transactions are never delivered.
    direct: iterate record batches through aiokafka's private parts, which is faster; False takes its public path.
    batch_records: a fetch stops after the record batch that reaches this number.
    """

    read_committed: bool = True
    direct: bool = True
    batch_records: int = 8_000
    fetch_max_wait_ms: int = 100
    fetch_max_bytes: int = 1 << 20
    buffered_batches: int = 4
    commit_interval_s: float = 1.0
    session_timeout_s: float = 20.0
    heartbeat_interval_s: float = 3.0
    request_timeout_s: float = 30.0
    rebalance_timeout_s: float = 60.0
    commit_timeout_s: float = 10.0
    producer_timeout_s: float = 15.0
    flush_timeout_s: float = 20.0
    shutdown_timeout_s: float = 60.0
    producer_batch_bytes: int = 256 * 1024
    producer_linger_s: float = 0.005
    group_instance_id: str | None = None

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be positive, got {getattr(self, name)!r}"
            for name in self.__slots__
            if isinstance(getattr(self, name), (int, float))
            and not isinstance(getattr(self, name), bool)
            and getattr(self, name) <= 0
        ]
        rules = (
            (
                self.heartbeat_interval_s * 3 <= self.session_timeout_s,
                "heartbeat_interval_s must be at most a third of session_timeout_s",
            ),
            (
                self.session_timeout_s <= self.request_timeout_s,
                "session_timeout_s must not exceed request_timeout_s",
            ),
            (
                self.producer_timeout_s <= self.session_timeout_s,
                "producer_timeout_s must not exceed session_timeout_s, or a worker writes after others took over",
            ),
            (
                self.producer_timeout_s <= self.flush_timeout_s,
                "flush_timeout_s must be at least producer_timeout_s",
            ),
            (
                self.revoke_timeout_s > 0,
                "rebalance_timeout_s must exceed flush_timeout_s + commit_timeout_s: running batches need time",
            ),
            (
                self.shutdown_timeout_s > self.flush_timeout_s + self.commit_timeout_s,
                "shutdown_timeout_s must exceed flush_timeout_s + commit_timeout_s",
            ),
        )
        problems += [problem for holds, problem in rules if not holds]
        if problems:
            raise TransportSettingsError("transport settings:\n" + "\n".join(f"  - {p}" for p in problems))

    @property
    def revoke_timeout_s(self) -> float:
        """How long running batches may go on when partitions are being revoked; flush and commit come after."""
        return self.rebalance_timeout_s - self.flush_timeout_s - self.commit_timeout_s

    def faust(self) -> Mapping[str, object]:
        """Keyword arguments of `faust.App` that these settings stand for."""
        return {
            "broker_commit_interval": self.commit_interval_s,
            # The driver commits by time; a count would commit inside the fetch loop.
            "broker_commit_every": 1 << 62,
            "broker_session_timeout": self.session_timeout_s,
            "broker_heartbeat_interval": self.heartbeat_interval_s,
            "broker_request_timeout": self.request_timeout_s,
            "broker_rebalance_timeout": self.rebalance_timeout_s,
            "consumer_max_fetch_size": self.fetch_max_bytes,
            "consumer_auto_offset_reset": "earliest",
            "consumer_group_instance_id": self.group_instance_id,
            "producer_acks": -1,
            "producer_request_timeout": self.producer_timeout_s,
            "producer_max_batch_size": self.producer_batch_bytes,
            "producer_linger": self.producer_linger_s,
            "producer_compression_type": "lz4",
            "stream_buffer_maxsize": self.buffered_batches,
        }
