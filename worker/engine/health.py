"""Is the worker alive, is it ready: answered from a thread of its own, so also while the event loop is stuck.

Live = the loop's heartbeat is fresh and the worker progresses: not (assigned, lag > 0, not recovering, position
unmoved for two minutes). A rebalance or a recovery is no stall, and the broker is never asked. Ready = assigned and
recovered and not on its way out. `/metrics`, `/livez` and `/readyz` are all there is to see.
"""

import json
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from http import HTTPStatus

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from worker.engine.probes import Answer, Page, PageServer
from worker.metrics import exposition

LOOP_STALE_S = 30.0
STALL_S = 120.0


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the loop last knew. `partitions` maps a partition to (position, end of log), in offsets.

    `busy` says why there is no progress to expect ("rebalancing", "recovering"); empty when there is. `waiting` are
    partitions whose next record must wait.
    """

    assigned: bool = False
    busy: str = "starting"
    partitions: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    waiting: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer and, when it is no, every reason."""

    ok: bool
    reasons: tuple[str, ...] = ()


class Health:
    """Watches heartbeats. `beat` is called on the event loop about once a second, the rest from any thread."""

    def __init__(
        self,
        now_s: Callable[[], float],
        *,
        stopping: Callable[[], bool] = lambda: False,
        loop_stale_s: float = LOOP_STALE_S,
        stall_s: float = STALL_S,
    ) -> None:
        self._now_s = now_s
        self._stopping = stopping
        self._loop_stale_s = loop_stale_s
        self._stall_s = stall_s
        self._beat_s = now_s()
        self._vitals = Vitals()
        self._standing: dict[str, tuple[int, float]] = {}  # partition → position, since when it stands there with lag

    def beat(self, vitals: Vitals) -> None:
        """The loop runs; what it knows."""
        now_s = self._now_s()
        standing: dict[str, tuple[int, float]] = {}
        for partition, (position, end) in vitals.partitions.items():
            if position < end and not vitals.busy and partition not in vitals.waiting:
                before = self._standing.get(partition)
                standing[partition] = before if before and before[0] == position else (position, now_s)
        self._standing, self._vitals, self._beat_s = standing, vitals, now_s

    @property
    def vitals(self) -> Vitals:
        """The latest."""
        return self._vitals

    def live(self) -> Verdict:
        """Whether the process should be left running."""
        now_s = self._now_s()
        reasons = []
        silent_s = now_s - self._beat_s
        if silent_s > self._loop_stale_s:
            reasons.append(f"the event loop has not run for {silent_s:.0f} s")
        for partition, (position, since_s) in self._standing.items():
            if now_s - since_s > self._stall_s:
                reasons.append(f"partition {partition} stands at {position} for {now_s - since_s:.0f} s with lag")
        return Verdict(not reasons, tuple(reasons))

    def ready(self) -> Verdict:
        """Whether the worker processes: partitions assigned, their state recovered, nobody has asked it to end."""
        vitals = self._vitals
        if self._stopping():
            return Verdict(False, ("stopping",))
        reasons = [vitals.busy] if vitals.busy else []
        if not vitals.assigned:
            reasons.append("no partition is assigned")
        return Verdict(not reasons, tuple(reasons))


def serve(host: str, port: int, health: Health, metrics: CollectorRegistry) -> tuple[int, Callable[[], None]]:
    """Serves on a thread of its own; returns the port taken (asked for 0: a free one) and what stops the server.

    Raises OSError when the address cannot be bound.
    """

    def page(judged: Callable[[], Verdict]) -> Page:
        def answer() -> Answer:
            verdict = judged()
            body = json.dumps({"ok": verdict.ok, "reasons": verdict.reasons}, ensure_ascii=False)
            status = HTTPStatus.OK if verdict.ok else HTTPStatus.SERVICE_UNAVAILABLE
            return Answer(status, "application/json", body.encode() + b"\n")

        return answer

    server = PageServer(
        host,
        port,
        {
            "/metrics": lambda: Answer(HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, exposition(metrics)),
            "/livez": page(health.live),
            "/readyz": page(health.ready),
        },
    )
    server.start()
    return server.port, server.stop
