"""Health: live means progressing, ready means assigned and recovered, and the answer never needs the loop."""

import asyncio
import json
import threading
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from worker import metrics
from worker.engine.health import Health, Vitals, serve


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


def run(health: Health, clock: Clock, seconds: int, vitals: Vitals) -> None:
    for _ in range(seconds):
        clock.now_s += 1
        health.beat(vitals)


def working(position: int, end: int, busy: str = "") -> Vitals:
    return Vitals(assigned=True, busy=busy, partitions={"3": (position, end)})


def test_a_starting_worker_is_live_but_not_ready(health: Health) -> None:
    assert health.live().ok
    assert health.ready().reasons == ("starting", "no partition is assigned")


def test_ready_once_assigned_and_recovered(health: Health, clock: Clock) -> None:
    health.beat(working(0, 5, busy="recovering"))
    assert not health.ready().ok
    health.beat(working(0, 5))
    assert health.ready().ok


def test_a_silent_loop_is_not_live(health: Health, clock: Clock) -> None:
    health.beat(working(5, 5))
    clock.now_s += 29
    assert health.live().ok
    clock.now_s += 2
    assert health.live().reasons == ("the event loop has not run for 31 s",)


def test_a_partition_that_stands_still_with_lag_is_a_stall(health: Health, clock: Clock) -> None:
    run(health, clock, 120, working(10, 20))
    assert health.live().ok
    run(health, clock, 3, working(10, 30))
    assert health.live().reasons == ("partition 3 stands at 10 for 122 s with lag",)
    run(health, clock, 1, working(11, 30))
    assert health.live().ok


def test_a_partition_without_lag_may_stand_still(health: Health, clock: Clock) -> None:
    run(health, clock, 500, working(20, 20))
    assert health.live().ok
    run(health, clock, 100, working(20, 21))
    assert health.live().ok


@pytest.mark.parametrize("busy", ["rebalancing", "recovering"])
def test_a_rebalance_or_recovery_is_no_stall_however_long(health: Health, clock: Clock, busy: str) -> None:
    run(health, clock, 500, working(10, 20, busy=busy))
    assert health.live().ok
    run(health, clock, 119, working(10, 20))
    assert health.live().ok


def test_a_lost_partition_is_forgotten(health: Health, clock: Clock) -> None:
    run(health, clock, 200, working(10, 20))
    health.beat(Vitals(assigned=False, busy="rebalancing"))
    assert health.live().ok


# ---- over HTTP


@pytest.fixture
def address(health: Health) -> Iterator[str]:
    port, stop = serve("127.0.0.1", 0, health, metrics.registry(lambda: {"read_total": 42}))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop()


def get(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        return refused.code, refused.read().decode()


def test_three_pages_and_nothing_else(address: str, health: Health) -> None:
    assert get(f"{address}/livez")[0] == 200
    status, body = get(f"{address}/readyz")
    assert (status, json.loads(body)["ok"]) == (503, False)
    health.beat(working(1, 1))
    assert get(f"{address}/readyz")[0] == 200
    assert "stream_audit_read_total 42.0" in get(f"{address}/metrics")[1]
    assert get(f"{address}/")[0] == 404


def test_it_answers_while_the_event_loop_is_stuck(address: str, clock: Clock, health: Health) -> None:
    answers: list[tuple[int, str]] = []

    def probe() -> None:
        clock.now_s += 60
        answers.extend([get(f"{address}/livez"), get(f"{address}/metrics")])

    async def stuck() -> None:
        health.beat(working(1, 1))
        prober = threading.Thread(target=probe)
        prober.start()
        prober.join()  # blocks the loop until both answers are there

    asyncio.run(stuck())
    assert answers[0][0] == 503
    assert "event loop has not run for 60 s" in answers[0][1]
    assert answers[1][0] == 200


def test_a_taken_port_is_an_error(address: str, health: Health) -> None:
    with pytest.raises(OSError, match="in use"):
        serve("127.0.0.1", int(address.rpartition(":")[2]), health, metrics.registry(dict))


def test_a_worker_that_was_asked_to_end_is_not_ready_but_live(clock: Clock) -> None:
    asked: list[bool] = []
    health = Health(clock, stopping=lambda: bool(asked))
    health.beat(Vitals(assigned=True, busy=""))
    assert health.ready().ok
    asked.append(True)
    assert health.ready().reasons == ("stopping",)
    assert health.live().ok
