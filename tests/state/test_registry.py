"""The registry at a takeover: read to its end however long that takes, as long as something comes."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka import TopicPartition

from worker.state.registry import SILENCE_S, read_registry


class Hurried(asyncio.SelectorEventLoop):
    """An event loop whose time passes as told."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


class Slow:
    """One partition of a registry on a broker that takes 50 s for each answer; `answers` says how many records come."""

    def __init__(self, loop: Hurried, answers: Iterable[int]) -> None:
        self.loop, self.answers, self.end = loop, list(answers), sum(answers)
        self.at = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, partitions: list[TopicPartition]) -> None: ...

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.at = offset

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, max(1, self.end))

    async def position(self, tp: TopicPartition) -> int:
        return self.at

    async def getmany(self, tp: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        self.loop.ahead_s += SILENCE_S - 10
        for _ in range(3):  # whatever is due by now is done
            await asyncio.sleep(0)
        count = self.answers.pop(0) if self.answers else 0
        self.at += count
        return {tp: list(range(self.at - count, self.at))} if count else {}


def read(answers: Iterable[int]) -> dict[int, list[Any]]:
    loop = Hurried()
    consumer: Any = Slow(loop, answers)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(read_registry(lambda: consumer, "live.host.registry", {4: 0}))


def test_a_large_registry_may_take_longer_than_a_silence() -> None:
    assert read([2] * 10) == {4: list(range(20))}


def test_a_registry_of_which_nothing_comes_ends_the_worker() -> None:
    with pytest.raises(TimeoutError):
        read([])
