"""What Kubernetes is told, by a real worker on a real Kafka."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.support.engine import Log, Worker, room_log
from tests.support.kafka import KafkaCluster, wait_until

LISTENING = "0A"
LOOP_STALE_S = 30


@pytest.fixture
def log(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Log:
    return Log(kafka, topic_name("") + ".").create()


def says(worker: Worker, page: str) -> dict[str, Any]:
    """The probe's answer; nothing while nobody answers."""
    try:
        try:
            with urlopen(worker.url(page), timeout=5) as answer:
                return dict(json.loads(answer.read()))
        except HTTPError as no:
            return dict(json.loads(no.read()))
    except (HTTPException, OSError, ValueError):
        return {}


def while_running(worker: Worker, until: Callable[[], bool], timeout_s: float = 60) -> Iterator[tuple[Any, Any]]:
    """(livez, readyz) again and again, until something holds."""
    deadline_s = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < deadline_s, worker.log()
        yield says(worker, "livez"), says(worker, "readyz")


def listening_ports(process_id: int) -> set[int]:
    """TCP ports on which a process listens, on any address."""
    own = set()
    for link in Path(f"/proc/{process_id}/fd").iterdir():
        try:
            own.add(os.readlink(link))
        except FileNotFoundError:  # closed meanwhile
            continue
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{process_id}/net/{table}").read_text().splitlines()[1:]
    ]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in own}


def test_a_worker_is_live_before_it_is_ready_and_not_ready_once_it_is_asked_to_end(log: Log, tmp_path: Path) -> None:
    log.produce(room_log(3, rooms=10, steps=2_000))
    with Worker(log, tmp_path) as worker:
        starting = [seen for seen in while_running(worker, lambda: bool(worker.get("readyz"))) if all(seen)]
        assert starting, "nobody asked in time"
        assert all(live["ok"] for live, _ in starting), "a start or a recovery is no reason for a restart"
        assert {reason for _, ready in starting for reason in ready["reasons"]} & {
            "starting",
            "rebalancing",
            "recovering",
        }
        log.wait_committed(workers=[worker])
        assert says(worker, "readyz") == {"ok": True, "reasons": []}
        worker.process.send_signal(signal.SIGTERM)
        ending = [ready for _, ready in while_running(worker, lambda: worker.process.poll() is not None) if ready]
        assert worker.wait() == 0
    assert {"ok": False, "reasons": ["stopping"]} in ending


def test_a_worker_opens_no_port_but_that_of_its_probes(log: Log, tmp_path: Path) -> None:
    with Worker(log, tmp_path) as worker:
        worker.wait_ready()
        assert listening_ports(worker.process.pid) == {int(worker.url("").split(":")[2].rstrip("/"))}
        assert worker.term() == 0


def test_rebalances_are_no_reason_to_restart_a_worker(log: Log, tmp_path: Path) -> None:
    log.produce(room_log(3, rooms=10, steps=1_000))
    with Worker(log, tmp_path) as first:
        first.wait_ready()
        for _ in range(2):
            before = first.metric("rebalances_total")
            with Worker(log, tmp_path) as second:
                second.wait_ready()
                assert second.term() == 0
            seen = list(while_running(first, lambda before=before: first.metric("rebalances_total") >= before + 2))  # type: ignore[misc]
            assert all(live["ok"] for live, _ in seen)
        assert says(first, "livez")["ok"]


@pytest.mark.slow
def test_a_loop_that_stands_still_fails_liveness_after_the_limit_and_not_before(log: Log, tmp_path: Path) -> None:
    with Worker(log, tmp_path, command=("-m", "tests.support.stalling_worker"), SESSION_TIMEOUT_S="60",
                REQUEST_TIMEOUT_S="70") as worker:  # fmt: skip
        worker.wait_ready()
        stalled_s = time.monotonic()
        worker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not says(worker, "livez")["ok"], timeout_s=LOOP_STALE_S + 10, what="not live")
        assert time.monotonic() - stalled_s > LOOP_STALE_S - 3
        assert "the event loop has not run for" in says(worker, "livez")["reasons"][0]
        assert "stream_audit_live 0.0" in worker.get("metrics"), "the probes' thread answers all the while"
        wait_until(lambda: bool(says(worker, "livez")["ok"]), timeout_s=40, what="live again")
