"""Damaged changelog records and snapshots: an error that says where, or the same room; never silently another."""

from dataclasses import replace
from random import Random

import pytest

from tests.state.conftest import Changelog, Logged
from tests.support.engine import Sent, room_log
from tests.support.mutate import mutated
from tests.support.oracle import judge
from worker.audit import snapshot
from worker.audit.room import Room
from worker.audit.snapshot import SnapshotError
from worker.partition.rooms import PartitionProcessor
from worker.state.codec import ChangelogError
from worker.state.rooms import RoomStore

pytestmark = pytest.mark.slow

ROUNDS = 2_000
RECORDS = [
    Sent(0, offset, timestamp, key, value, ())
    for offset, (key, value, timestamp) in enumerate(room_log(11, rooms=3, steps=3_000))
]


@pytest.fixture(scope="module")
def flushed() -> tuple[RoomStore, list[Logged]]:
    """Rooms that have heard and seen all sorts of things, and the records that they were written as."""
    store, changelog = RoomStore("changelog", 0), Changelog()
    processor = PartitionProcessor(topic="events", partition=0, rooms=store, judge=judge())
    for first in range(0, len(RECORDS), 300):
        processor.process(RECORDS[first : first + 300])
        changelog.append(store.capture(first + 300, processor.watermark_ms, 0, -1))
    assert {b"c0", b"caps", b"meta"} <= {(record.key or b"").partition(b"#")[2] for record in changelog.records}
    return store, changelog.records


def everything(store: RoomStore) -> dict[str, tuple[bytes, object]]:
    """All that a store holds, decoded and told apart to the byte."""
    found: dict[str, tuple[bytes, object]] = {}
    for room_id in sorted(store):
        room = store.live.get(room_id) or store.load(room_id)
        assert room is not None
        ring = room.session.speech.store if room.session.speech is not None else None
        found[room_id] = snapshot.encode(room), (ring.bands, ring.times) if ring is not None else None
    return found


def test_a_damaged_changelog_record_is_an_error_with_its_place_or_changes_nothing(
    flushed: tuple[RoomStore, list[Logged]],
) -> None:
    records = flushed[1]
    whole = Changelog().recover(records)
    wanted = everything(whole), whole.meta
    values = [record.value or b"" for record in records]
    rng = Random(5)
    refused = 0
    for round_ in range(ROUNDS):
        at = rng.randrange(len(records))
        damaged = replace(records[at], value=mutated(rng, values[at], values))
        try:
            store = Changelog().recover([*records[:at], damaged, *records[at + 1 :]])
            found = everything(store), store.meta
        except ChangelogError as error:
            refused += 1
            assert "changelog[3] offset" in str(error), f"round {round_}"
        else:
            assert found == wanted, f"round {round_}: {damaged.key!r}"
    assert refused > ROUNDS * 0.9


def test_damaged_keys_and_headers_are_errors_or_keys_of_other_rooms(flushed: tuple[RoomStore, list[Logged]]) -> None:
    records = flushed[1]
    rng = Random(6)
    for round_ in range(ROUNDS // 4):
        at = rng.randrange(len(records))
        value = records[at].value if rng.random() < 0.7 else None
        headers = rng.choice(((), (("offset", rng.randbytes(3)),), (("offset", None),), (("offset", b"5"),)))
        damaged = replace(records[at], key=mutated(rng, records[at].key or b""), value=value, headers=headers)
        try:
            everything(Changelog().recover([*records, damaged]))
        except ChangelogError as error:
            assert "changelog[3]" in str(error), f"round {round_}"


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_snapshot_is_refused_or_gives_the_same_room(
    flushed: tuple[RoomStore, list[Logged]], seed: int
) -> None:
    rng = Random(seed)
    store = flushed[0]
    rooms: list[Room] = [room for room_id in sorted(store) if (room := store.live.get(room_id) or store.load(room_id))]
    quiet = next((room for room in rooms if room.session.speech is None), None) or Room("quiet", offset=7, max_at_ms=1)
    core = snapshot.encode(quiet)
    for round_ in range(ROUNDS // 4):
        damaged = mutated(rng, core)
        try:
            room = snapshot.decode(damaged, {})
            assert snapshot.offset_of(damaged) == quiet.offset
        except SnapshotError:
            continue
        assert snapshot.encode(room) == core, f"seed {seed}, round {round_}"
