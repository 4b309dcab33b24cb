"""librdkafka's in-process mock cluster: a broker without Java or Docker for demonstrations and fast tests.

It speaks Kafka's protocol on loopback but keeps everything in memory, a few MB per partition, and forgets it at the
end. What concerns commits during a rebalance, compaction or latency must be tried on a real Kafka.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import confluent_kafka

from worker.lacks import Lack, banner

_PRODUCER = 0  # rd_kafka_type_t
_ERROR_BYTES = 512
QUIET = {"log.connection.close": False, "log_level": 2}
"""Options of a client for whom the end of the broker is no news."""
_LOG_ERRORS = b"3"  # the client that carries the cluster has no broker of its own, and would warn of it


class MockClusterError(RuntimeError):
    """The mock cluster cannot be started, or refused a topic; the message says which and why."""


def _library() -> ctypes.CDLL:
    """The librdkafka that confluent-kafka's wheel brings, already loaded into this process by it."""
    package = Path(confluent_kafka.__file__).parent
    pattern = "librdkafka*.dylib" if sys.platform == "darwin" else "librdkafka*.so*"
    for directory in (package.parent / "confluent_kafka.libs", package / ".dylibs"):
        for path in sorted(directory.glob(pattern)):
            return _declare(ctypes.CDLL(str(path)))
    raise MockClusterError(f"confluent-kafka in {package} brings no librdkafka: install it from its binary wheel")


def _declare(lib: ctypes.CDLL) -> ctypes.CDLL:
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_err2str": (text, [number]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


class MockCluster:
    """`with MockCluster() as cluster:` — running inside the block; not durable, loopback only."""

    def __init__(self, brokers: int = 1) -> None:
        self.brokers = brokers
        self._lib = _library()
        self._client: int | None = None
        self._cluster: int | None = None

    def start(self) -> MockCluster:
        """Starts the brokers; raises MockClusterError when librdkafka cannot."""
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        conf = self._lib.rd_kafka_conf_new()
        self._lib.rd_kafka_conf_set(conf, b"log_level", _LOG_ERRORS, error, _ERROR_BYTES)
        self._client = self._lib.rd_kafka_new(_PRODUCER, conf, error, _ERROR_BYTES)
        if not self._client:
            raise MockClusterError(f"librdkafka gave no client: {error.value.decode()}")
        self._cluster = self._lib.rd_kafka_mock_cluster_new(self._client, self.brokers)
        if not self._cluster:
            self.stop()
            raise MockClusterError(f"librdkafka gave no mock cluster of {self.brokers} brokers")
        return self

    @property
    def banner(self) -> str:
        """What this broker lacks, as `worker.lacks` has it; a worker on it is told so."""
        return banner((Lack.APPEND_TIME,))

    @property
    def bootstrap(self) -> str:
        """`host:port` of every broker, comma-separated."""
        if self._cluster is None:
            raise MockClusterError("the mock cluster is not running: call start() or use `with`")
        addresses: bytes = self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return addresses.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Creates a topic; raises MockClusterError when it exists or the number is not positive."""
        if self._cluster is None:
            raise MockClusterError("the mock cluster is not running: call start() or use `with`")
        code = self._lib.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        if code:
            reason = self._lib.rd_kafka_err2str(code).decode()
            raise MockClusterError(f"topic {name!r} with {partitions} partitions: {reason}")

    def stop(self) -> None:
        """Ends the brokers and forgets their records; a second call does nothing."""
        if self._cluster is not None:
            self._lib.rd_kafka_mock_cluster_destroy(self._cluster)
        if self._client is not None:
            self._lib.rd_kafka_destroy(self._client)
        self._cluster = self._client = None

    def __enter__(self) -> MockCluster:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
