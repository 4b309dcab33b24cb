"""A real Apache Kafka (KRaft) for tests: jars through Maven, one JVM per node.

`python -m tests.support.kafka` starts one broker in the foreground, prints its address and ends on SIGTERM
or SIGINT.
"""

from __future__ import annotations

import base64
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

KAFKA_VERSION = "4.1.1"
JAVA_VERSION = 17
REPOSITORY = Path(__file__).resolve().parents[2]
LIBS = REPOSITORY / "build" / "kafka" / f"libs-{KAFKA_VERSION}"
POM = Path(__file__).with_name("kafka-pom.xml")
PROPERTIES = Path(__file__).with_name("kafka-server.properties")
#: Below Linux's ephemeral range, so that a stopped broker finds its port free when it comes back.
PORTS = range(19_200, 31_000)
JVM = (
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)
FIRST_COMPILER = "-XX:TieredStopAtLevel=1"


class KafkaUnavailableError(RuntimeError):
    """Kafka cannot be started here; the message names what to install or what the broker said."""


def what_is_missing() -> str:
    """Name the program that a real Kafka needs and this machine lacks; "" if none."""
    for tool, package in (("java", f"a Java runtime, version {JAVA_VERSION} or newer"), ("mvn", "Apache Maven")):
        if shutil.which(tool) is None:
            return f"tests with a real Kafka need `{tool}`, which is not on PATH: install {package}"
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is not None and int(version[1]) >= JAVA_VERSION:
        return ""
    return f"tests with a real Kafka need Java {JAVA_VERSION} or newer: `java` on PATH is {version and version[1]}"


def ensure_libs() -> Path:
    """Directory with Kafka's jars; the first call in a clone fetches them through Maven."""
    if missing := what_is_missing():
        raise KafkaUnavailableError(missing)
    if (LIBS / ".complete").exists():
        return LIBS
    LIBS.parent.mkdir(parents=True, exist_ok=True)
    with (LIBS.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (LIBS / ".complete").exists():
            return LIBS
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        command += [f"-Dkafka.version={KAFKA_VERSION}", f"-DoutputDirectory={LIBS}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not list(LIBS.glob("kafka_2.13-*.jar")):
            raise KafkaUnavailableError(
                f"Maven could not fetch Kafka {KAFKA_VERSION}: {' '.join(command)}\n{done.stdout[-3000:]}"
            )
        (LIBS / ".complete").touch()
    return LIBS


_reservations = (Path(tempfile.gettempdir()) / f"stream-audit-ports-{os.getuid()}").open("ab")
"""Byte n is locked by the process that took port n: between choosing a port and listening on it lie seconds."""
_taken: set[int] = set()


def _take(port: int) -> bool:
    """Reserves a port until this process ends; false when somebody has it or listens there."""
    try:
        fcntl.lockf(_reservations, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    if port in _taken or not _is_free(port):
        return False
    _taken.add(port)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int, start: int | None = None) -> list[int]:
    """`count` free loopback ports, searched upwards from `start` (default: a random place in `PORTS`).

    No other process that asks here is given them while this one runs.
    """
    first = start if start is not None else random.choice(PORTS[: -20 * count])
    ports: list[int] = []
    for port in range(first, first + 1000):
        if _take(port):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise KafkaUnavailableError(f"no {count} free ports between {first} and {first + 1000}")


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str | Callable[[], str]) -> None:
    """Polls `condition` (20 times a second) and raises TimeoutError naming `what` when it never holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)


class KafkaCluster:
    """`n` combined KRaft nodes on loopback, numbered 0…n−1.

    port: where the search for free ports starts (default: anywhere). root: directory of data and logs
    (default: a temporary one, removed by `stop`). heap: Java heap per node. extra: further server properties.
    brief: it lives for minutes, so the JVM's first compiler will do: nodes start for two thirds of the CPU.
    """

    def __init__(
        self,
        n: int = 1,
        port: int | None = None,
        root: Path | None = None,
        heap: str = "384m",
        extra: Mapping[str, object] | None = None,
        brief: bool = False,
    ) -> None:
        self.n = n
        self.brief = brief
        self.heap = heap
        self.extra = dict(extra or {})
        self._owns_root = root is None
        self.root = root or Path(tempfile.mkdtemp(prefix="stream-audit-kafka-"))
        ports = free_ports(2 * n, port)
        self._broker_ports, self._controller_ports = ports[:n], ports[n:]
        self._brokers: dict[int, subprocess.Popen[bytes]] = {}
        self._watchdogs: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self._broker_ports)

    # ---- life
    def start(self) -> Self:
        """Formats, starts every node and returns when producers, groups and transactions are served."""
        self._libs = ensure_libs()
        self._format()
        for i in range(self.n):
            self._spawn(i)
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def kill9(self, i: int = 0) -> None:
        """SIGKILL: no clean shutdown, no leader hand-over."""
        self._brokers[i].kill()
        self._reap(i)

    def term(self, i: int = 0, timeout_s: float = 60) -> None:
        """SIGTERM and wait; SIGKILL when the node has not ended within `timeout_s`."""
        self._brokers[i].terminate()
        try:
            self._brokers[i].wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._brokers[i].kill()
        self._reap(i)

    def restart(self, i: int = 0, wait: bool = True) -> None:
        """Starts a node that was killed or terminated, on its old data and ports."""
        self._spawn(i)
        if wait:
            self.wait_ready()

    def stop(self) -> None:
        for i in list(self._brokers):
            self._brokers[i].kill()
            self._reap(i)
        if self._owns_root:
            shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self, i: int = 0, tail: int = 4000) -> str:
        """The last `tail` characters of a node's log."""
        return (self._directory(i) / "log").read_text(errors="replace")[-tail:]

    def pid(self, i: int = 0) -> int:
        return self._brokers[i].pid

    def runs(self, i: int = 0) -> bool:
        """False once a node has ended by itself."""
        return self._brokers[i].poll() is None

    # ---- topics
    @cached_property
    def admin(self) -> AdminClient:
        """One client from start to restart: a call's future dies with its client."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def create_topic(self, name: str, partitions: int = 1, **config: object) -> str:
        """Creates a topic (replicas: n, at most 3); `config` in Kafka's names, `_` for `.`; gives `name`."""
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        topic = NewTopic(name, partitions, self._replicas, config=settings)
        self.admin.create_topics([topic])[name].result(30)
        wait_until(lambda: self._has_leaders(name, partitions), timeout_s=60, what=f"leaders of {name}")
        return name

    def leader(self, topic: str, partition: int) -> int:
        """Number (0…n−1) of the node that leads a partition; −2 when it has no leader."""
        return int(self.admin.list_topics(topic, timeout=30).topics[topic].partitions[partition].leader) - 1

    # ---- inside
    @property
    def _replicas(self) -> int:
        return min(self.n, 3)

    def _directory(self, i: int) -> Path:
        return self.root / f"node{i}"

    def _java(self, main: str, *arguments: str, heap: str) -> list[str]:
        compiler = [FIRST_COMPILER] if self.brief else []
        return ["java", f"-Xmx{heap}", *JVM, *compiler, "-cp", f"{self._libs}/*", main, *arguments]

    def _format(self) -> None:
        cluster_id = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        ids = range(1, self.n + 1)
        voters = ",".join(f"{i}@127.0.0.1:{port}" for i, port in zip(ids, self._controller_ports, strict=True))
        for i in range(self.n):
            directory = self._directory(i)
            directory.mkdir(parents=True)
            text = PROPERTIES.read_text()
            values = {
                "DIR": directory,
                "PORT": self._broker_ports[i],
                "CPORT": self._controller_ports[i],
                "ID": i + 1,
                "VOTERS": voters,
                "RF": self._replicas,
                "MISR": 2 if self._replicas == 3 else 1,
            }
            for name, value in values.items():
                text = text.replace(f"@{name}@", str(value))
            text += "".join(f"{key}={value}\n" for key, value in self.extra.items())
            properties = directory / "server.properties"
            properties.write_text(text)
            command = self._java(
                "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties), heap="128m"
            )
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise KafkaUnavailableError(
                    f"formatting Kafka's storage failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
                )

    def _spawn(self, i: int) -> None:
        directory = self._directory(i)
        with (directory / "log").open("ab") as log:
            self._brokers[i] = subprocess.Popen(
                self._java("kafka.Kafka", str(directory / "server.properties"), heap=self.heap),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=directory,
            )
        # When this process ends in any way, the pipe closes and the watchdog takes the broker with it.
        self._watchdogs[i] = subprocess.Popen(
            ["sh", "-c", 'read -r _; kill -9 "$1"', "kafka-watchdog", str(self._brokers[i].pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _reap(self, i: int) -> None:
        watchdog = self._watchdogs.pop(i)
        watchdog.kill()  # first: afterwards the broker's pid may belong to somebody else
        watchdog.communicate()
        self._brokers.pop(i).wait()

    def wait_ready(self, timeout_s: float = 90) -> None:
        """Waits for metadata, the idempotent producer's id, a transaction and a group that commits."""
        deadline = time.monotonic() + timeout_s
        last = "no answer"
        topic = f"readiness-{uuid.uuid4().hex[:8]}"
        for step in (self._probe_metadata, self._probe_topic, self._probe_producer, self._probe_group):
            while True:
                for i, broker in self._brokers.items():
                    if broker.poll() is not None:
                        raise KafkaUnavailableError(f"Kafka node {i} ended with {broker.returncode}:\n{self.log(i)}")
                try:
                    step(topic)
                    break
                except (KafkaException, OSError, TimeoutError) as problem:
                    last = f"{step.__name__.removeprefix('_probe_')}: {problem}"
                    self.__dict__.pop("admin", None)  # one that was told of no broker never finds it again
                if time.monotonic() > deadline:
                    raise KafkaUnavailableError(f"Kafka not ready within {timeout_s:g} s ({last}):\n{self.log(0)}")
                time.sleep(0.1)
        self.admin.delete_topics([topic])[topic].result(30)

    def _probe_metadata(self, _: str) -> None:
        for i in self._brokers:
            socket.create_connection(("127.0.0.1", self._broker_ports[i]), 1).close()
        found = len(self.admin.list_topics(timeout=5).brokers)
        if found < len(self._brokers):
            raise TimeoutError(f"{found} of {len(self._brokers)} brokers are in the metadata")

    def _probe_topic(self, topic: str) -> None:
        if topic not in self.admin.list_topics(timeout=5).topics:
            self.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
        if not self._has_leaders(topic, 1):
            raise TimeoutError(f"no leader for {topic}")

    def _probe_producer(self, topic: str) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "transactional.id": topic,
                "enable.idempotence": True,
                "log_level": 0,
            }
        )
        producer.init_transactions(10)
        producer.begin_transaction()
        producer.produce(topic, b"ready")
        producer.commit_transaction(10)

    def _probe_group(self, topic: str) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": topic,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        try:
            consumer.subscribe([topic])
            message = consumer.poll(10)
            if message is None or message.error():
                raise TimeoutError("the probe's record did not arrive")
            consumer.commit(message, asynchronous=False)
        finally:
            consumer.close()

    def _has_leaders(self, topic: str, partitions: int) -> bool:
        found = self.admin.list_topics(topic, timeout=30).topics[topic].partitions
        return len(found) == partitions and all(p.leader >= 0 for p in found.values())


def main(arguments: Sequence[str]) -> int:
    """One broker in the foreground; the first argument, if any, is the port."""
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: ended.append(got))
    with KafkaCluster(port=int(arguments[0]) if arguments else None) as cluster:
        print(cluster.bootstrap, flush=True)
        while not ended:
            if cluster._brokers[0].poll() is not None:
                print(cluster.log(), file=sys.stderr)
                return 1
            time.sleep(0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
