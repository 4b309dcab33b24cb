"""A broker that is gone: few lines in the log, and a shutdown that ends soon and says what it could not flush."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.engine import Log, Worker, room_log
from tests.support.kafka import KafkaCluster, wait_until
from worker.topics import EVENTS_TOPIC

ENDS_WITHIN_S = 15
LINES_PER_S_MAX = 5
GONE_FOR_S = 8
DEFAULTS = {
    "SESSION_TIMEOUT_S": "20",
    "HEARTBEAT_INTERVAL_S": "3",
    "REQUEST_TIMEOUT_S": "30",
    "PRODUCER_TIMEOUT_S": "15",
    "FLUSH_TIMEOUT_S": "20",
    "COMMIT_TIMEOUT_S": "10",
    "REBALANCE_TIMEOUT_S": "60",
    "SHUTDOWN_TIMEOUT_S": "60",
}
"""The product's own timeouts: with those of other tests, a shutdown ends early for another reason."""
RARE_COMMITS = {**DEFAULTS, "COMMIT_INTERVAL_S": "60"}
"""A quarter of the partitions every 15 s, so most of what was just read is not committed."""


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaCluster]:
    """A broker that may be frozen for minutes and is the same afterwards.

    With Kafka's own 9 s, its controller would find it overdue on waking and list no broker for a moment.
    A client that asks then never finds it again. Such a broker can't be restarted: the old session bars it.
    """
    with KafkaCluster(brief=True, extra={"broker.session.timeout.ms": 600_000}) as cluster:
        yield cluster


@pytest.fixture
def log(broker: KafkaCluster, topic_name: Callable[[str], str]) -> Iterator[Log]:
    log = Log(broker, topic_name("") + ".").create()
    yield log
    log.delete()


@pytest.fixture
def mortal_log(mortal: KafkaCluster, topic_name: Callable[[str], str]) -> Iterator[Log]:
    """For the test that kills the broker: it is back before the topics go."""
    log = Log(mortal, topic_name("") + ".").create()
    yield log
    mortal.restart()
    log.delete()


@pytest.fixture
def freeze(broker: KafkaCluster) -> Iterator[Callable[[], None]]:
    """`freeze()`: its host still takes connections, and no one answers on them; it thaws after the test."""
    yield lambda: os.kill(broker.pid(), signal.SIGSTOP)
    os.kill(broker.pid(), signal.SIGCONT)


def term(worker: Worker) -> tuple[int, float]:
    """The exit code, and the seconds that it took."""
    began_s = time.monotonic()
    return worker.term(90), time.monotonic() - began_s


def judged(log: Log, worker: Worker) -> dict[int, int]:
    """Gives the worker records and waits until it has judged them and their answers; returns the log's ends then."""
    log.produce(room_log(5, rooms=20, steps=2_000))
    ends: dict[int, int] = {}

    def all_read() -> bool:
        ends.update(log.ends())
        return worker.metric("read_total") >= sum(ends.values())

    wait_until(all_read, timeout_s=60, what=worker.log)
    return ends


def covers(committed: dict[int, int], ends: dict[int, int]) -> bool:
    """Whether all that was judged is committed; the identity agent's answers may have come since."""
    return all(committed.get(partition, 0) >= end for partition, end in ends.items())


def test_a_broker_that_is_gone_fills_no_log_and_holds_up_no_shutdown(
    mortal: KafkaCluster, mortal_log: Log, tmp_path: Path
) -> None:
    with Worker(mortal_log, tmp_path, **DEFAULTS) as worker:
        worker.wait_ready()
        judged(mortal_log, worker)
        mortal_log.wait_quiet(worker)
        before = len(worker.path.read_text().splitlines())
        mortal.kill9()
        gone_s = time.monotonic()
        wait_until(lambda: time.monotonic() - gone_s > GONE_FOR_S, timeout_s=2 * GONE_FOR_S, what="time")
        lines = worker.path.read_text().splitlines()[before:]
        code, took_s = term(worker)
        assert len(lines) / (time.monotonic() - gone_s) < LINES_PER_S_MAX
        assert any("Unable connect to node" in line for line in lines)
        assert took_s < ENDS_WITHIN_S
        assert code == 0, "all of it was flushed before"
        assert "more of these left out in the last" in worker.log()
        assert "nothing was left to flush" in worker.log()


def test_a_shutdown_says_what_it_could_not_flush(log: Log, freeze: Callable[[], None], tmp_path: Path) -> None:
    with Worker(log, tmp_path, **RARE_COMMITS) as worker:
        worker.wait_ready()
        judged(log, worker)
        freeze()
        code, took_s = term(worker)
        assert took_s < ENDS_WITHIN_S
        assert code == 1
        said, last = worker.log().strip().splitlines()[-2:]
        assert re.search(
            rf"not flushed: partitions [0-3, ]+ of {re.escape(log.topic(EVENTS_TOPIC))}; .*\d+ rooms", said
        )
        assert "the worker stops: BrokerGoneError: no broker has answered for 8 s" in last


def test_a_shutdown_with_a_living_broker_flushes_everything(log: Log, tmp_path: Path) -> None:
    with Worker(log, tmp_path, **RARE_COMMITS) as worker:
        worker.wait_ready()
        ends = judged(log, worker)
        assert not covers(log.committed(), ends)
        code, took_s = term(worker)
        assert (code, took_s < ENDS_WITHIN_S) == (0, True), worker.log()
        assert "not flushed" not in worker.log()
    assert covers(log.committed(), ends)


def test_a_broker_that_comes_back_in_time_gets_everything(
    log: Log, broker: KafkaCluster, freeze: Callable[[], None], tmp_path: Path
) -> None:
    with Worker(log, tmp_path, **RARE_COMMITS) as worker:
        worker.wait_ready()
        ends = judged(log, worker)
        freeze()
        worker.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not worker.get("readyz"), timeout_s=10, what=worker.log)
        os.kill(broker.pid(), signal.SIGCONT)
        assert worker.wait() == 0, worker.log()
    assert covers(log.committed(), ends)
