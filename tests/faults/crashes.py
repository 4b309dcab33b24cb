"""Workers that are killed, frozen, rolled, or that come and go."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

from tests.faults.scenario import Records, World, both
from tests.support.engine import Log, Worker, room_log
from tests.support.kafka import wait_until
from worker.topics import VIOLATIONS_TOPIC

Command = tuple[str, ...]
WHEN = ("committed", "sent", "flushed")
RUN = ("-m", "worker", "run")
OUT_OF_TIME = ("another worker wrote", "not acknowledged within", "did not end within", "with work not committed")
"""Why a worker ends that was frozen."""
SLOW_COMMIT, COMMITS_FIRST, NO_GUARD = (
    ("-m", "tests.faults.broken", how) for how in ("slow-commit", "commits-first", "no-guard")
)


def kills(world: World) -> None:
    """Five times, before the first commit, between commits or between flush and commit, as the seed chooses."""
    records = list(room_log(world.seed, rooms=6, steps=6_000))
    kill_five_times(world, world.rng.choice((RUN, SLOW_COMMIT)), records)


def commits_first(world: World) -> None:
    """Negative control: somebody must notice that offsets were committed before their state."""
    # Two rooms: more of each is read again than its memory of recent event ids holds.
    _must_be_noticed(world, COMMITS_FIRST, list(room_log(world.seed, rooms=2, steps=12_000)))


def no_guard(world: World) -> None:
    """Negative control: the oracle must notice that rooms judged again what their state holds already."""
    # Two rooms: sessions end between flush and commit, and what is judged again belongs to those before.
    records = list(room_log(world.seed, rooms=2, steps=6_000))
    _must_be_noticed(world, NO_GUARD, records, when=("flushed",))


def _must_be_noticed(world: World, command: Command, records: Records, when: Sequence[str] = WHEN) -> None:
    try:
        kill_five_times(world, command, records, when)
    except AssertionError as noticed:
        reached = "reaches only offset" in str(noticed) or "has no state" in str(noticed)
        world.seen["by the worker" if reached else "by the oracle"] += 1
    else:
        raise AssertionError(f"{command[-1]}: neither the worker nor the oracle noticed")


def kill_five_times(world: World, command: Command, records: Records, when: Sequence[str] = WHEN) -> None:
    log, rng = world.log, world.rng
    share = len(records) // 6
    for round_ in range(5):
        log.produce(records[round_ * share : (round_ + 1) * share])
        name = rng.choice(when)
        before = sum(_reached(world, name).values())
        more = rng.randrange(1, {"committed": 400, "sent": 8, "flushed": 2}[name])
        interval_s = rng.choice(("0.1", "0.2", "1"))
        options = {"INSTANCE_ID": "pod-0", "COMMIT_INTERVAL_S": interval_s, "BATCH_RECORDS": "100"}
        with world.worker(command, **options) as worker:
            _wait_for(world, worker, name, before + more)
            world.kill9(worker)
    log.produce(records[5 * share :])
    with world.worker(command, INSTANCE_ID="pod-0") as worker:
        world.finish(worker)
    world.check(repeats_max=5)


def _wait_for(world: World, worker: Worker, name: str, wanted: int) -> None:
    """Waits until so many records are committed, violations sent, or records of state flushed."""

    def done() -> bool:
        assert worker.process.poll() is None, f"the worker ended\n{worker.log()}"
        return sum(_reached(world, name).values()) >= wanted

    wait_until(done, timeout_s=60, what=worker.log)


def _reached(world: World, name: str) -> dict[int, int]:
    if name == "committed":
        return world.log.committed()
    return world.log.ends(VIOLATIONS_TOPIC if name == "sent" else world.log.changelog)


def zombie(world: World) -> None:
    """Frozen past the session timeout with work under way; wakes up when another has its partitions."""
    log, records = world.log, list(room_log(world.seed, rooms=40, steps=3_000))
    frozen = world.worker(COMMIT_INTERVAL_S=world.rng.choice(("0.2", "1", "5")), BATCH_RECORDS="200")
    with both(frozen, heir := world.worker()):
        log.produce(records[:1_000])
        wanted = world.rng.randrange(1, 300)  # of a thousand; it may have two partitions of four
        wait_until(lambda: frozen.metric("read_total") >= wanted, timeout_s=60, what=frozen.log)
        frozen.process.send_signal(signal.SIGSTOP)
        log.produce(records[1_000:2_000])
        log.wait_committed(workers=[heir], timeout_s=90)  # it takes the session timeout until the heir has all
        frozen.process.send_signal(signal.SIGCONT)
        log.produce(records[2_000:])
        wait_until(lambda: _settled(log, frozen, heir), timeout_s=90, what=lambda: frozen.log() + heir.log())
        ended = heir.process.poll()
        noticed = "another worker wrote" in heir.log()
        assert ended is None or noticed, heir.log()
        world.seen["late writes that ended the heir"] += noticed
        assert frozen.process.poll() is None or any(why in frozen.log() for why in OUT_OF_TIME), frozen.log()
        world.kill9(frozen)
    with world.worker() as last:  # recovers from what both have written
        log.produce(room_log(world.seed + 1, rooms=40, steps=300))
        world.finish(last)
    world.check(repeats_max=100)


def _settled(log: Log, *workers: Worker) -> bool:
    """All is committed, or nobody is left to do so: two workers may each find that the other wrote."""
    return all(worker.process.poll() is not None for worker in workers) or log.committed() == log.ends()


def rolling(world: World) -> None:
    """Each of two workers is replaced, one after the other, while records flow."""
    log, records = world.log, list(room_log(world.seed, rooms=40, steps=3_000))
    workers = [world.worker(INSTANCE_ID=f"pod-{i}") for i in range(2)]
    try:
        for worker in workers:
            worker.wait_ready()
        for i in range(2):
            log.produce(records[i * 1_000 : i * 1_000 + 500])
            began_s = time.monotonic()
            assert workers[i].term(timeout_s=30) == 0, workers[i].log()
            world.seen["most ms to SIGTERM's end"] = max(
                world.seen["most ms to SIGTERM's end"], round((time.monotonic() - began_s) * 1000)
            )
            log.produce(records[i * 1_000 + 500 : i * 1_000 + 1_000])
            workers[i] = world.worker(INSTANCE_ID=f"pod-{i}").wait_ready()
        log.produce(records[2_000:])
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
    # 28 minutes at most: partitions fall behind each other here, and identities are forgotten after half an hour.
    records = list(room_log(world.seed, rooms=40, steps=120 * moves))
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
                    world.kill9(guest)
                log.produce(records[(2 * i + 1) * share : (2 * i + 2) * share])
            assert standing.process.poll() is None, standing.log()
            assert standing.get("livez"), f"a liveness probe would kill it\n{standing.log()}"
        took_s = time.monotonic() - began_s
        log.produce(records[moves * share :])
        log.wait_committed(workers=[standing], timeout_s=2 * took_s)
        wait_until(lambda: standing.metric("lag_records") == 0, timeout_s=30, what=standing.log)  # asked now and then
        world.finish(standing)
    world.seen["joins and leaves"] += moves
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


ACCOUNTED = ("applied", "duplicate", "late", "foreign", "replay_skipped", "rejected")
