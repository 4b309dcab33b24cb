"""A real Prometheus scrapes a real worker on a real Kafka: every panel and every rule has something to say."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from tests.deploy.conftest import tool
from tests.deploy.files import RECORDS, RULE_FILES, panel_queries
from tests.support.engine import START_MS, Log, Worker, room_log
from tests.support.kafka import KafkaCluster, free_ports, wait_until
from worker.lab.simulate import at_ms_of, simulate

pytestmark = pytest.mark.slow

PORT = 19_600
RATE_INTERVAL = "10s"
MINUTES = 50

MAY_BE_EMPTY = {
    "Errors A": "no shipped rule fails",
    "Parked A": "no shipped rule fails",
    "At their cap, or paused A": "so few rooms reach no cap",
    "At their cap, or paused B": "so few rooms are no flood",
    "Policies refused A": "policies come from files, none is published",
    "Rooms in fleets A": "these rooms share nothing",
    "Fleets A": "these rooms share nothing",
    "Loop lag and GC pauses B": "the collector may rest for all of a short run: rooms are frozen after the start",
}
"""Panel and query → why a healthy run has nothing to show."""


def rooms_that_deceive() -> Iterator[tuple[bytes, bytes, int]]:
    """(key, value, timestamp ms) of a recording in a loop and of a language model's avatar: evidence that adds up."""
    for archetype in ("loop", "llm_avatar"):
        for event in simulate(archetype, 1, duration_ms=MINUTES * 60_000, started_at_ms=START_MS):
            yield str(event["room_id"]).encode(), json.dumps(event, ensure_ascii=False).encode(), at_ms_of(event)


class Prometheus:
    """A Prometheus on loopback that scrapes one worker every second and evaluates our rules as often."""

    def __init__(self, directory: Path, target: str) -> None:
        for path in RULE_FILES:
            rules = yaml.safe_load(path.read_text(encoding="utf-8"))
            for group in rules["groups"]:
                group["interval"] = "1s"
            (directory / path.name).write_text(yaml.safe_dump(rules), encoding="utf-8")
        scrape = {
            "job_name": "stream-audit",
            "static_configs": [{"targets": [target], "labels": {"namespace": "test", "pod": "worker-0"}}],
        }
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [path.name for path in RULE_FILES],
            "scrape_configs": [scrape],
        }
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        (port,) = free_ports(1, PORT)
        self.url = f"http://127.0.0.1:{port}"
        self.started_s = time.time()
        with (directory / "prometheus.log").open("wb") as output:
            self.process = subprocess.Popen(
                [
                    str(tool("prometheus")), f"--config.file={directory}/prometheus.yaml",
                    f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_until(self._ready, timeout_s=60, what=lambda: (directory / "prometheus.log").read_text()[-3000:])

    def _ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def api(self, page: str, **parameters: object) -> Any:
        with urlopen(f"{self.url}/api/v1/{page}?{urlencode(parameters)}", timeout=30) as answer:
            return json.loads(answer.read())["data"]

    def numbers(self, expr: str) -> list[float]:
        """Every sample of a query since the start that is a number."""
        found = self.api("query_range", query=expr, start=self.started_s, end=time.time(), step=1)
        values = [float(value) for series in found["result"] for _, value in series["values"]]
        return [value for value in values if not math.isnan(value)]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """After a worker has judged two portions of a room log under its eyes."""
    tool("prometheus")
    directory = tmp_path_factory.mktemp("live")
    records = [*room_log(1, rooms=40, steps=6_000), *rooms_that_deceive()]
    half = len(records) // 2
    cluster = KafkaCluster(port=PORT + 10).start()
    try:
        log = Log(cluster, "live.").create()
        with Worker(log, directory) as worker:
            worker.wait_ready()
            scraping = Prometheus(directory, worker.url("").removeprefix("http://").rstrip("/"))
            try:
                for portion in (records[:half], records[half:]):
                    log.produce(portion)
                    log.wait_committed(workers=[worker])
                    seen = worker.metric("read_total")
                    wait_until(
                        lambda seen=seen: seen in scraping.numbers("stream_audit_read_total")[-3:],  # type: ignore[misc]
                        timeout_s=30,
                        what="the portion is scraped",
                    )
                last = list(RECORDS)[-1]
                wait_until(lambda: bool(scraping.numbers(last)), timeout_s=30, what=f"{last} is recorded")
                yield scraping
            finally:
                scraping.stop()
    finally:
        cluster.stop()


def test_every_panel_has_something_to_show(prometheus: Prometheus) -> None:
    empty = []
    for board_panel, expr in panel_queries():
        values = prometheus.numbers(expr.replace("[1m]", f"[{RATE_INTERVAL}]"))
        if not values:
            empty.append(board_panel.partition(": ")[2])
    assert set(empty) <= set(MAY_BE_EMPTY)


def test_excuses_are_those_of_panels_that_exist() -> None:
    assert set(MAY_BE_EMPTY) <= {where.partition(": ")[2] for where, _ in panel_queries()}


def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 30
    assert {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"} == {}
