"""A worker process on the transport driver that misbehaves on demand; it ends as the product does (`die`).

`python -m tests.support.transport_worker BOOTSTRAP TOPIC GROUP SCENARIO`; prints `processed N` per batch.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import faust
from faust.types import TP

from tests.support.transport_app import QUICK, TransportApp
from worker.transport import die


async def fails(_: Mapping[TP, int]) -> None:
    raise OSError("the snapshot did not arrive")


async def hangs(_: Any) -> None:
    await asyncio.Event().wait()


SETTINGS = {
    "flush-hangs": replace(QUICK, producer_timeout_s=0.5, flush_timeout_s=0.5),
    "batch-hangs": replace(QUICK, rebalance_timeout_s=11.0),  # leaves a second for running batches
    "stop-hangs": replace(QUICK, flush_timeout_s=5.0, commit_timeout_s=0.5, shutdown_timeout_s=6.0),
    "put-out": replace(QUICK, commit_interval_s=2.0),
}


def main(bootstrap: str, topic: str, group: str, scenario: str) -> None:
    app = TransportApp(bootstrap, topic, group, settings=SETTINGS.get(scenario, QUICK))
    app.hooks.fatal = die  # type: ignore[method-assign]
    if scenario.startswith("flush"):
        app.hooks.flush = fails if scenario == "flush-fails" else hangs

    async def work(batch: Any) -> None:
        print(f"processed {batch.count}", file=sys.__stdout__, flush=True)  # Faust takes sys.stdout for its log
        if scenario == "put-out":
            app.app.consumer.thread._consumer._coordinator.reset_generation()
        if scenario in ("batch-hangs", "stop-hangs"):
            await hangs(batch)

    app.work = work
    faust.Worker(app.app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
