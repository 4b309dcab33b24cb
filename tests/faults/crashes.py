"""Workers that are killed, frozen, rolled, or that come and go."""

from __future__ import annotations

import signal
import time

from tests.faults.scenario import World, both
from tests.support.engine import Worker, room_log
from tests.support.kafka import wait_until
from worker.processor import VIOLATIONS_TOPIC

RUN = ("-m", "worker", "run")
SLOW_COMMIT, COMMITS_FIRST = (("-m", "tests.faults.broken", how) for how in ("slow-commit", "commits-first"))


def kills(world: World) -> None:
    """Five times, before the first commit, between commits or between flush and commit, as the seed chooses."""
    kill_five_times(world, world.rng.choice((RUN, SLOW_COMMIT)))


def commits_first(world: World) -> None:
    """Negative control: somebody must notice that offsets were committed before their state."""
    _must_be_noticed(world, COMMITS_FIRST)


def _must_be_noticed(world: World, command: tuple[str, ...]) -> None:
    try:
        # Two rooms: more of each is read again than its memory of recent event ids holds.
        kill_five_times(world, command, rooms=2)
    except AssertionError as noticed:
        reached = "reaches only offset" in str(noticed) or "has no state" in str(noticed)
        world.seen["by the worker" if reached else "by the oracle"] += 1
    else:
        raise AssertionError(f"{command[-1]}: neither the worker nor the oracle noticed")


def kill_five_times(world: World, command: tuple[str, ...], rooms: int = 6) -> None:
    log, rng = world.log, world.rng
    # Few rooms: more of each is read again than its memory of recent event ids holds, so offsets alone must tell.
    records = list(room_log(world.seed, rooms=rooms, steps=12_000))
    for round_ in range(5):
        log.produce(records[round_ * 2_000 : round_ * 2_000 + 2_000])
        name = rng.choice(("committed", "sent"))
        before, more = sum(_reached(world, name).values()), rng.randrange(1, 400 if name == "committed" else 8)
        interval_s = rng.choice(("0.1", "0.2", "1"))
        options = {"INSTANCE_ID": "pod-0", "COMMIT_INTERVAL_S": interval_s, "BATCH_RECORDS": "100"}
        with world.worker(command, **options) as worker:
            _wait_for(world, worker, name, before + more)
            worker.kill9()
    log.produce(records[10_000:])
    with world.worker(command, INSTANCE_ID="pod-0") as worker:
        world.finish(worker)
    world.check(repeats_max=5)


def _wait_for(world: World, worker: Worker, name: str, wanted: int) -> None:
    """Waits until so many records are committed, or so many violations sent."""

    def done() -> bool:
        assert worker.process.poll() is None, f"the worker ended\n{worker.log()}"
        return sum(_reached(world, name).values()) >= wanted

    wait_until(done, timeout_s=60, what=worker.log)


def _reached(world: World, name: str) -> dict[int, int]:
    return world.log.committed() if name == "committed" else world.log.ends(VIOLATIONS_TOPIC)


def zombie(world: World) -> None:
    """Frozen past the session timeout with work under way; wakes up when another has its partitions."""
    log, records = world.log, list(room_log(world.seed, rooms=40, steps=6_000))
    frozen = world.worker(COMMIT_INTERVAL_S=world.rng.choice(("0.2", "1", "5")), BATCH_RECORDS="200")
    with both(frozen, heir := world.worker()):
        log.produce(records[:2_000])
        wanted = world.rng.randrange(1, 600)
        wait_until(lambda: frozen.metric("read_total") >= wanted, timeout_s=60, what=frozen.log)
        frozen.process.send_signal(signal.SIGSTOP)
        log.produce(records[2_000:4_000])
        log.wait_committed(workers=[heir], timeout_s=90)  # it takes the session timeout until the heir has all
        frozen.process.send_signal(signal.SIGCONT)
        log.produce(records[4_000:])
        log.wait_committed(workers=[], timeout_s=90)
        ended = heir.process.poll()
        assert ended is None or "another worker wrote" in heir.log(), heir.log()
        frozen.kill9()
    with world.worker() as last:  # recovers from what both have written
        log.produce(room_log(world.seed + 1, rooms=40, steps=300))
        world.finish(last)
    world.check(repeats_max=100)


def rolling(world: World) -> None:
    """Each of two workers is replaced, one after the other, while records flow."""
    log, records = world.log, list(room_log(world.seed, rooms=40, steps=6_000))
    settings = [{"INSTANCE_ID": f"pod-{i}"} for i in range(2)]
    workers = [world.worker(**settings[i]) for i in range(2)]
    try:
        for worker in workers:
            worker.wait_ready()
        for i in range(2):
            log.produce(records[i * 2_000 : i * 2_000 + 1_000])
            began_s = time.monotonic()
            assert workers[i].term(timeout_s=30) == 0, workers[i].log()
            world.seen["slowest SIGTERM, ms"] = max(
                world.seen["slowest SIGTERM, ms"], round((time.monotonic() - began_s) * 1000)
            )
            log.produce(records[i * 2_000 + 1_000 : i * 2_000 + 2_000])
            workers[i] = world.worker(**settings[i]).wait_ready()
        log.produce(records[4_000:])
        log.wait_committed(workers=workers)
        assert [worker.metric("replay_skipped_total") for worker in workers] == [0, 0], "records were processed twice"
        world.finish(*workers)
    finally:
        for worker in workers:
            worker.__exit__()
    world.check(repeats_max=0)


def churn(world: World) -> None:
    """Another worker joins and leaves, again and again, while one stays and records flow."""
    log = world.log
    moves = 20 if world.long else 4  # joins and leaves together
    records = list(room_log(world.seed, rooms=40, steps=600 * moves))
    share = len(records) // moves
    with world.worker() as standing:
        standing.wait_ready()
        began_s = time.monotonic()
        for i in range(moves // 2):
            with world.worker() as guest:
                log.produce(records[2 * i * share : (2 * i + 1) * share])
                wait_until(lambda g=guest: g.metric("partitions_assigned") > 0, timeout_s=60, what=guest.log)  # type: ignore[misc]
                if world.rng.random() < 0.5:
                    assert guest.term() == 0, guest.log()
                else:
                    guest.kill9()
                log.produce(records[(2 * i + 1) * share : (2 * i + 2) * share])
            assert standing.process.poll() is None, standing.log()
            assert standing.get("livez"), f"a liveness probe would kill it\n{standing.log()}"
        took_s = time.monotonic() - began_s
        log.produce(records[moves * share :])
        log.wait_committed(workers=[standing], timeout_s=2 * took_s)
        assert standing.metric("lag_records") == 0
        world.finish(standing)
    world.seen[f"seconds for {moves} moves"] += round(took_s)
    world.check(repeats_max=20)


def rooms_cap(world: World) -> None:
    """More rooms than may be kept: the longest idle go, counted, and all else is as it was."""
    log = world.log
    rooms_max = 100
    with world.worker(ROOMS_MAX=str(rooms_max)) as worker:
        worker.wait_ready()
        log.produce(room_log(world.seed, rooms=600, steps=3_000))
        log.wait_committed(workers=[worker])
        for number in range(6):  # each flush sheds what was committed before it
            log.produce(list(room_log(world.seed, rooms=600, steps=3_000 + 100 * number + 100))[-100:])
            log.wait_committed(workers=[worker])
        shed, live = worker.metric("rooms_shed_total"), worker.metric("rooms_live")
        assert shed >= 400, f"{shed} rooms shed"
        assert live <= rooms_max + 100, f"{live} rooms kept"  # what is not committed yet is never shed
        counts = [worker.metric(f"{name}_total") for name in ACCOUNTED]
        assert worker.metric("read_total") == sum(counts) == sum(log.ends().values()), counts
        world.seen["rooms shed"] += round(shed)
        world.finish(worker)


ACCOUNTED = ("applied", "duplicate", "late", "replay_skipped", "rejected")
