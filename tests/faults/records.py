"""Records that should not be: in the changelog, and in the room log."""

from __future__ import annotations

from random import Random

from confluent_kafka import Producer

from tests.faults.crashes import ACCOUNTED
from tests.faults.scenario import Records, World
from tests.ingress.test_hostile import hostile
from tests.support.engine import Sent, room_log
from tests.support.kafka import wait_until
from tests.support.oracle import oracle
from worker.audit import snapshot
from worker.state import codec, identities
from worker.topics import DEAD_LETTERS_TOPIC

LATENESS_STEPS = 60  # of 700 ms: within the lateness of a minute, jitter and disorder together


def poisoned(world: World) -> None:
    """A changelog record that is cut, flipped, from a later version or an older one than any: the worker says which."""
    log, rng = world.log, world.rng
    log.produce(room_log(world.seed, rooms=10, steps=400))
    with world.worker() as worker:
        world.finish(worker)
    before = log.committed()
    victim = rng.choice(newest_states(log.read(log.changelog)))
    assert victim.value is not None
    how = rng.choice(("cut", "flipped", "later version", "older version", "rubbish"))
    append(world, log.changelog, victim, _spoil(rng, how, victim.value))
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
    """An old state, of a room and then of an identity, is written behind the owner's back, as by a worker that wakes up
    late: the owner ends, and after the next start the newest record of that key is the newest state again."""
    log = world.log
    records = list(room_log(world.seed, rooms=10, steps=1_600))
    log.produce(records[:400])
    with world.worker() as worker:
        world.finish(worker)
    olds = []
    for changelog, first in ((log.changelog, 400), (log.identities_changelog, 1_000)):
        before = newest_states(log.read(changelog))
        with world.worker() as worker:
            log.produce(records[first : first + 400])
            log.wait_committed(workers=[worker])
            now = {sent.key: sent for sent in newest_states(log.read(changelog))}
            old = world.rng.choice([s for s in before if state_offset(now[s.key]) > state_offset(s)])
            append(world, changelog, old, old.value)
            log.produce(records[first + 400 : first + 600])
            assert worker.wait(60) == 1, worker.log()
            last = worker.log().strip().splitlines()[-1]
            assert changelog in last and "another worker wrote offsets" in last
        olds.append((changelog, old))
    with world.worker() as worker:
        world.finish(worker)
    for changelog, old in olds:
        newest = {sent.key: sent for sent in log.read(changelog)}[old.key]
        assert state_offset(newest) > state_offset(old)
    world.check(repeats_max=5)


def state_offset(sent: Sent) -> int:
    """The source offset that a room's or an identity's state has reached."""
    assert sent.key is not None and sent.value is not None
    if not sent.key.startswith(b"room:"):
        return identities.decode(sent.key.decode(), sent.value).offset
    return snapshot.offset_of(codec.split(sent.value)[1])


def newest_states(records: list[Sent]) -> list[Sent]:
    """Of each room, or identity, the newest record of its state."""
    states = {s.key: s for s in records if s.key and s.value and b"#" not in s.key}
    return [states[key] for key in sorted(states)]


def append(world: World, changelog: str, like: Sent, value: bytes | None) -> None:
    """Writes to a changelog behind its owner's back, under another record's key."""
    producer = Producer({"bootstrap.servers": world.kafka.bootstrap})
    producer.produce(changelog, value, like.key, like.partition)
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
    """10⁵ records (for nine of ten seeds 10⁴), one in 25 of them hostile: each is accounted for, as the core does,
    and each letter is there."""
    log, rng = world.log, world.rng
    count = 100_000 if world.long and world.seed % 10 == 0 else 10_000
    good = room_log(world.seed, rooms=100, steps=count)
    records: list[tuple[bytes | None, bytes | None, int]] = []
    for record in good:
        if rng.random() < 0.04:  # the keys of many are one key: a partition that gets them must not trip
            key, value, _ = hostile(rng)
            # Of this time: a room of another year would be forgotten meanwhile, which the oracle does not do.
            value = value and value.replace(b"1718672", str(record[2])[:7].encode())
            records.append((key, value, record[2]))
        else:
            records.append(record)
    log.produce(records)
    with world.worker() as worker:
        log.wait_quiet(worker, timeout_s=240)
        whole = oracle(log)
        expected, letters = whole.counts, len(whole.dead_letters)  # what is foreign has letters, too, up to a bound
        found = {name: round(worker.metric(f"{name}_total")) for name in ("read", *ACCOUNTED)}
        wanted = {name: getattr(expected, name) for name in ("read", *ACCOUNTED[:-1])}
        assert found == {**wanted, "rejected": expected.dead_lettered}, (found, expected)
        there = sum(log.ends().values())
        assert found["read"] == there == sum(found[name] for name in ACCOUNTED), (found, there)
        world.seen["dead letters"] += letters
        world.finish(worker)
    wait_until(lambda: len(log.read(DEAD_LETTERS_TOPIC)) == letters, timeout_s=30, what="dead letters")
    world.check(repeats_max=0)
