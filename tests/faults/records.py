"""Records that should not be: in the changelog, and in the room log."""

from __future__ import annotations

from random import Random

from confluent_kafka import Producer

from tests.faults.crashes import ACCOUNTED
from tests.faults.scenario import Records, World
from tests.ingress.test_hostile import hostile
from tests.support.engine import Sent, oracle, room_log
from tests.support.kafka import wait_until
from worker.audit import snapshot
from worker.processor import DEAD_LETTERS_TOPIC
from worker.state import codec

LATENESS_STEPS = 60  # of 700 ms: within the lateness of a minute, jitter and disorder together


def poisoned(world: World) -> None:
    """A changelog record that is cut, flipped, from a later version or an older one than any: the worker says which."""
    log, rng = world.log, world.rng
    log.produce(room_log(world.seed, rooms=10, steps=400))
    with world.worker() as worker:
        world.finish(worker)
    before = log.committed()
    victim = rng.choice(newest_cores(log.read(log.changelog)))
    assert victim.value is not None
    how = rng.choice(("cut", "flipped", "later version", "older version", "rubbish"))
    append(world, victim, _spoil(rng, how, victim.value))
    log.produce(list(room_log(world.seed, rooms=10, steps=500))[400:])
    with world.worker() as worker:
        assert worker.wait(60) == 1, f"{how}: {worker.log()}"
        last = worker.log().strip().splitlines()[-1]
        assert f"changelog {log.changelog}[{victim.partition}] offset" in last, f"{how}: {last}"
    assert log.committed() == before, "it went on"
    world.seen[how] += 1


def _spoil(rng: Random, how: str, value: bytes) -> bytes:
    """`value` is a number and a snapshot that begins with its version, behind a checksum."""
    if how == "cut":
        return value[: rng.randrange(8, len(value))]
    if how == "flipped":
        at = rng.randrange(len(value))
        return value[:at] + bytes((value[at] ^ (1 << rng.randrange(8)),)) + value[at + 1 :]
    if how == "rubbish":
        return rng.randbytes(rng.randrange(40))
    version = 0 if how == "older version" else rng.randrange(snapshot.VERSION + 1, 256)
    number, core = codec.split(value)
    return codec.prefixed(number, bytes((version,)) + core[1:])


def late_writer(world: World) -> None:
    """An old state of a room is written behind the owner's back, as by a worker that wakes up late: the owner ends,
    and after the next start that room's newest record is the newest state again."""
    log = world.log
    records = list(room_log(world.seed, rooms=10, steps=1_200))
    log.produce(records[:400])
    with world.worker() as worker:
        world.finish(worker)
    old = world.rng.choice(newest_cores(log.read(log.changelog)))
    with world.worker() as worker:
        log.produce(records[400:800])
        log.wait_committed(workers=[worker])
        append(world, old, old.value)
        log.produce(records[800:])
        assert worker.wait(60) == 1, worker.log()
        assert "another worker wrote offsets" in worker.log().strip().splitlines()[-1]
    with world.worker() as worker:
        world.finish(worker)
    states = {sent.key: sent for sent in log.read(log.changelog)}
    newest = states[old.key].value
    assert newest is not None and old.value is not None
    assert snapshot.offset_of(codec.split(newest)[1]) > snapshot.offset_of(codec.split(old.value)[1])
    world.check(repeats_max=5)


def newest_cores(records: list[Sent]) -> list[Sent]:
    """Of each room, the newest record of its core."""
    cores = {s.key: s for s in records if s.key and s.value and b"#" not in s.key}
    return [cores[key] for key in sorted(cores)]


def append(world: World, like: Sent, value: bytes | None) -> None:
    """Writes to the changelog behind its owner's back, under another record's key."""
    producer = Producer({"bootstrap.servers": world.kafka.bootstrap})
    producer.produce(world.log.changelog, value, like.key, like.partition)
    assert producer.flush(10) == 0


def disorder(world: World) -> None:
    """Duplicates, disorder within lateness and late events, more than rooms know in practice, over a restart."""
    log, rng = world.log, world.rng
    records = shuffled(rng, list(room_log(world.seed, rooms=20, steps=3_000)))
    log.produce(records[:2_000])
    with world.worker(BATCH_RECORDS=rng.choice(("100", "1000"))) as worker:
        log.wait_committed(workers=[worker])
        assert worker.metric("duplicate_total") > 0 and worker.metric("late_total") > 0
        assert worker.term() == 0, worker.log()
    log.produce(records[2_000:])
    with world.worker() as worker:
        world.finish(worker)
    world.check(repeats_max=0)


def shuffled(rng: Random, records: Records) -> Records:
    """Each record up to 40 s from its place, one in ten twice."""
    placed = [(at + rng.randrange(LATENESS_STEPS), record) for at, record in enumerate(records)]
    placed += [(at + rng.randrange(LATENESS_STEPS), record) for at, record in placed if rng.random() < 0.1]
    return [record for _, record in sorted(placed, key=lambda one: one[0])]


def fuzzed(world: World) -> None:
    """10⁵ records (for nine of ten seeds 10⁴), one in twenty of them hostile: each is accounted for, as the core does,
    and each letter is there."""
    log, rng = world.log, world.rng
    count = 100_000 if world.long and world.seed % 10 == 0 else 10_000
    good = room_log(world.seed, rooms=100, steps=count)
    records: list[tuple[bytes | None, bytes | None, int]] = []
    for record in good:
        if rng.random() < 0.05:  # the keys of many are one key: a partition that gets them must not trip
            key, value, _ = hostile(rng)
            # Of this time: a room of another year would be forgotten meanwhile, which the oracle does not do.
            value = value and value.replace(b"1718672", str(record[2])[:7].encode())
            records.append((key, value, record[2]))
        else:
            records.append(record)
    log.produce(records)
    with world.worker() as worker:
        log.wait_quiet(worker, timeout_s=240)
        expected = oracle(log).counts
        found = {name: round(worker.metric(f"{name}_total")) for name in ("read", *ACCOUNTED)}
        wanted = {name: getattr(expected, name) for name in ("read", *ACCOUNTED[:4])}
        assert found == {**wanted, "rejected": expected.dead_lettered}, (found, expected)
        there = sum(log.ends().values())
        assert found["read"] == there == sum(found[name] for name in ACCOUNTED), (found, there)
        world.seen["dead letters"] += expected.dead_lettered
        world.finish(worker)
    wait_until(lambda: len(log.read(DEAD_LETTERS_TOPIC)) == expected.dead_lettered, timeout_s=30, what="dead letters")
    world.check(repeats_max=0)
