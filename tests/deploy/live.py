"""A real Prometheus that scrapes a real worker on a real Kafka, while rooms are judged."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.deploy.files import BIN, RULE_FILES
from tests.support.engine import START_MS, Log, Worker, room_log
from tests.support.kafka import KafkaCluster, free_ports, wait_until
from worker.lab.simulate import at_ms_of, simulate

PORT = 19_600
RATE_INTERVAL = "10s"
MINUTES = 50

Record = tuple[bytes, bytes, int]


class Series(NamedTuple):
    """What a query gave: labels, and (Unix s, value) without what is no number."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


def rooms_that_deceive() -> Iterator[Record]:
    """(key, value, timestamp ms) of a recording in a loop and of a language model's avatar: evidence that adds up.

    They are still live at the end of the log: a level is a live room's, and one that has closed has none.
    """
    for archetype in ("loop", "llm_avatar"):
        for event in simulate(archetype, 1, duration_ms=MINUTES * 60_000, started_at_ms=START_MS, ends=False):
            yield str(event["room_id"]).encode(), json.dumps(event, ensure_ascii=False).encode(), at_ms_of(event)


def rooms() -> list[Record]:
    """The log that the worker judges here: forty rooms of every kind of event, then two that deceive. Synthetic."""
    return [*room_log(1, rooms=40, steps=6_000), *rooms_that_deceive()]


def in_portions(records: Sequence[Record], count: int) -> list[Sequence[Record]]:
    """The log in `count` parts of equal size, in order."""
    cuts = [len(records) * number // count for number in range(count + 1)]
    return [records[start:end] for start, end in pairwise(cuts)]


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
                    str(BIN / "prometheus"), f"--config.file={directory}/prometheus.yaml",
                    f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_until(self._ready, timeout_s=60, what=lambda: (directory / "prometheus.log").read_text()[-3000:])

    def _ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (HTTPException, URLError, OSError):
            return False

    def api(self, page: str, **parameters: object) -> Any:
        with urlopen(f"{self.url}/api/v1/{page}?{urlencode(parameters)}", timeout=30) as answer:
            return json.loads(answer.read())["data"]

    def series(self, expr: str) -> list[Series]:
        """What a query gives since the start, second by second."""
        found = self.api("query_range", query=expr, start=self.started_s, end=time.time(), step=1)["result"]
        numbers = [(each["metric"], [(float(at), float(value)) for at, value in each["values"]]) for each in found]
        return [Series(labels, [p for p in points if not math.isnan(p[1])]) for labels, points in numbers]

    def numbers(self, expr: str) -> list[float]:
        """Every sample of a query since the start that is a number."""
        return [value for series in self.series(expr) for _, value in series.points]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@contextmanager
def scraped(directory: Path, portions: Sequence[Sequence[Record]]) -> Iterator[Prometheus]:
    """A Prometheus under whose eyes a worker has judged the portions, each scraped before the next is produced."""
    cluster = KafkaCluster(port=PORT + 10).start()
    try:
        log = Log(cluster, "live.").create()
        with Worker(log, directory) as worker:
            worker.wait_ready()
            scraping = Prometheus(directory, worker.url("").removeprefix("http://").rstrip("/"))
            try:
                wait_until(lambda: bool(scraping.numbers("stream_audit_live")), timeout_s=60, what="the first scrape")
                for portion in portions:
                    log.produce(portion)
                    log.wait_committed(workers=[worker])
                    seen = worker.metric("read_total")
                    wait_until(
                        lambda seen=seen: max(scraping.numbers("stream_audit_read_total")) >= seen,  # type: ignore[misc]
                        timeout_s=60,
                        what="the portion is scraped",
                    )
                yield scraping
            finally:
                scraping.stop()
    finally:
        cluster.stop()
