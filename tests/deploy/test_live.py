"""A real Prometheus scrapes a real worker on a real Kafka: every panel and every rule has something to say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.conftest import tool
from tests.deploy.files import RECORDS, panel_queries
from tests.deploy.live import RATE_INTERVAL, Prometheus, in_portions, rooms, scraped
from tests.support.kafka import wait_until
from worker.ingress.reject import Reason

pytestmark = pytest.mark.slow

MAY_BE_EMPTY = {
    "Errors A": "no shipped rule fails",
    "Rules parked A": "no shipped rule fails",
    "At the cap, or paused A": "so few rooms reach no cap",
    "At the cap, or paused B": "so few rooms are no flood",
    "Policies refused A": "policies come from files, none is published",
    "Rooms in fleets A": "these rooms share nothing",
    "Fleets A": "these rooms share nothing",
    "Pauses of the event loop B": "the collector may rest for all of a short run: rooms are frozen after the start",
}
"""Panel and query → why a healthy run has nothing to show."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """After a worker has judged two portions of a room log under its eyes."""
    tool("prometheus")
    with scraped(tmp_path_factory.mktemp("live"), in_portions(rooms(), 2)) as scraping:
        last = list(RECORDS)[-1]
        wait_until(lambda: bool(scraping.numbers(last)), timeout_s=60, what=f"{last} is recorded")
        yield scraping


def test_every_panel_has_something_to_show(prometheus: Prometheus) -> None:
    empty = []
    for board_panel, expr in panel_queries():
        values = prometheus.numbers(expr.replace("[1m]", f"[{RATE_INTERVAL}]"))
        if not values:
            empty.append(board_panel.partition(": ")[2])
    assert set(empty) <= set(MAY_BE_EMPTY)


def test_no_dead_letter_is_missed_because_it_makes_its_series(prometheus: Prometheus) -> None:
    rejected = prometheus.series("stream_audit_rejected_total")
    assert {series.labels["reason"] for series in rejected} == set(Reason)
    assert {series.points[0][1] for series in rejected} == {0.0}
    assert sum(series.points[-1][1] for series in rejected) > 0


def test_excuses_are_those_of_panels_that_exist() -> None:
    assert set(MAY_BE_EMPTY) <= {where.partition(": ")[2] for where, _ in panel_queries()}


def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 30
    assert {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"} == {}
