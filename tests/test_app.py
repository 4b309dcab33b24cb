"""What ends an agent, and what that ends."""

from __future__ import annotations

import asyncio

import pytest

from worker.engine.process import or_fatal


@pytest.mark.parametrize(
    ("ends_with", "fatal"),
    [(ValueError("no"), "no"), (asyncio.CancelledError(), "nobody asked for"), (None, "")],
    ids=["error", "stray cancellation", "end"],
)
def test_what_interrupts_an_agent_ends_the_process(ends_with: BaseException | None, fatal: str) -> None:
    problems: list[BaseException] = []

    async def work() -> None:
        if ends_with is not None:
            raise ends_with

    async def run() -> None:
        await asyncio.wait({asyncio.ensure_future(or_fatal(work(), problems.append))})

    asyncio.run(run())
    assert [fatal in str(problem) for problem in problems] == [True] * (ends_with is not None)
    assert all(problem is ends_with or problem.__cause__ is ends_with for problem in problems)


def test_an_agent_that_is_told_to_stop_stops() -> None:
    problems: list[BaseException] = []

    async def run() -> None:
        agent = asyncio.ensure_future(or_fatal(asyncio.sleep(60), problems.append))
        await asyncio.sleep(0)
        agent.cancel()
        await asyncio.wait({agent})
        assert agent.cancelled()

    asyncio.run(run())
    assert problems == []
