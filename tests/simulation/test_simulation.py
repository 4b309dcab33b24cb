"""The whole path without a broker, over seeded schedules: nothing lost, everything the same to the byte.

Each negative control takes one promise away; a simulation that did not notice would be worth nothing.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from faust.types import TP

from worker.audit.room import Room
from worker.ingress.reject import Reject
from worker.partition.identities import MatchProcessor, Placed
from worker.partition.output import Output
from worker.partition.rooms import Entry, PartitionProcessor
from worker.records import Record
from worker.topics import EVENTS_TOPIC

from .check import simulate
from .worker import SimulatedWorker

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "150"))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Tails that cannot be read are part of the game: their warnings say nothing here."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
def test_every_seed_ends_as_the_core_says() -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        seen += simulate(seed)
    assert {"kill", "freeze", "thaw", "put out", "stop", "compact"} <= seen.keys(), "a fault never came"
    assert seen["violations"] > SEEDS
    assert seen["told"] > SEEDS
    assert seen["answers"] > SEEDS


def failing(make_worker: Callable[..., SimulatedWorker]) -> str:
    """The first failure among the seeds; the test fails if there is none."""
    for seed in range(SEEDS):
        try:
            simulate(seed, make_worker)
        except AssertionError as failed:
            return str(failed)
    pytest.fail(f"{SEEDS} seeds did not notice")


def test_a_seed_does_the_same_each_time() -> None:
    first = failing(Unguarded)
    seed = int(first.split()[1].rstrip(":"))
    with pytest.raises(AssertionError) as again:
        simulate(seed, Unguarded)
    assert str(again.value) == first


class Unguarded(SimulatedWorker):
    """Judges what its rooms have seen already."""

    class Forgetful(PartitionProcessor):
        def _apply(self, room: Room, entries: list[Entry], out: Output) -> Iterator[int]:
            room.offset = -1
            return super()._apply(room, entries, out)

    judging = Forgetful


class Rematched(SimulatedWorker):
    """Matches what its identities have seen already."""

    class Forgetful(MatchProcessor):
        def _take_identity(self, record: Record, out: list[Placed]) -> Reject | None:
            kept = self.matches.kept.get((record.key or b"").decode())
            if kept is not None:
                kept.offset = -1
            return super()._take_identity(record, out)

    matching = Forgetful


class CommitsFirst(SimulatedWorker):
    """Commits offsets before their state is durable."""

    async def flush_and_commit(self, offsets: dict[TP, int]) -> None:
        await self.commit_offsets(offsets)
        await self.hooks.before_commit(offsets)


class SnapshotsOnly(SimulatedWorker):
    """Writes state and commits, without waiting for what is on its way out."""

    async def flush_and_commit(self, offsets: dict[TP, int]) -> None:
        engine = self.engine
        source = {tp.partition: offset for tp, offset in offsets.items() if tp.topic == EVENTS_TOPIC}
        writes = engine.stores.capture(engine.progress(source, {}))
        await engine.stores.write(writes, self.hooks._send_writes)
        await self.commit_offsets(offsets)


@pytest.mark.parametrize(
    ("make_worker", "what"),
    [
        (Unguarded, "the state of|not know|lost|changed places|differ"),
        (Rematched, "state of identities|answers"),
        (CommitsFirst, "is committed, but changelog|lost|offsets lead|differs"),
        (SnapshotsOnly, "lost"),
    ],
)
def test_without_one_of_its_promises_a_seed_fails(make_worker: Callable[..., SimulatedWorker], what: str) -> None:
    first_line = failing(make_worker).splitlines()[0]
    assert any(part in first_line for part in what.split("|")), first_line
