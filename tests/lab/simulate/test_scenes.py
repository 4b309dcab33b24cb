"""Scenes: many rooms at once, what they share, and how little memory they need however long they last."""

import gc
import tracemalloc
from itertools import islice

import pytest

from worker.lab.simulate import ARCHETYPES, at_ms_of, simulate
from worker.lab.simulate.scenes import SCENES

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
LONG_CHARS = 45  # shorter ones are answers, which anybody may give


@pytest.mark.parametrize("name", SCENES)
def test_rooms_of_a_scene_have_seeds_of_their_own_and_known_archetypes(name: str) -> None:
    cast = SCENES[name].cast(3)
    assert len({(member.archetype, member.seed) for member in cast}) == len(cast)
    assert {member.archetype for member in cast} <= set(ARCHETYPES)
    assert not {member.seed for member in cast} & {member.seed for member in SCENES[name].cast(4)}


def test_forty_avatars_share_four_scripts_one_operator_and_one_address() -> None:
    opened: dict[str, tuple[object, object]] = {}
    said: dict[str, set[str]] = {}
    for event in SCENES["avatar_farm"].play(1, duration_ms=20 * MINUTE_MS):
        room = str(event["room_id"])
        if event["type"] == "room.opened":
            opened[room] = event["operator_id"], event["ip_hash"]
        elif event["type"] == "host.speech":
            said.setdefault(room, set()).update(line for line in [str(event["text"])] if len(line) >= LONG_CHARS)
    assert len(opened) == 40
    assert len(set(opened.values())) == 1
    families: list[set[str]] = []  # rooms joined as long as any line is shared
    for room, lines in said.items():
        joined = {room}.union(*(f for f in families if any(lines & said[other] for other in f)))
        families = [f for f in families if not f & joined] + [joined]
    assert sorted(map(len, families)) == [10, 10, 10, 10]


def test_twenty_million_viewers_come_to_the_founder_within_the_hour_in_few_events() -> None:
    events = list(SCENES["founder"].play(1))
    joined = sum(int(str(event.get("joined", 0))) for event in events)
    assert 19_900_000 <= joined <= 20_000_000
    assert 145_000 <= sum(int(str(event.get("orders", 0))) for event in events) <= 150_000  # 100,000 in 40 min
    assert len(events) < 5_000


def test_events_of_a_scene_come_in_order_of_event_time_and_rooms_open_one_after_the_other() -> None:
    events = list(SCENES["night_farm"].play(2, duration_ms=30 * MINUTE_MS))
    times = [at_ms_of(event) for event in events]
    assert times == sorted(times)
    opened = [at_ms_of(event) for event in events if event["type"] == "room.opened"]
    assert opened == [SCENES["night_farm"].starts_ms + i * 2 * MINUTE_MS for i in range(15)]


@pytest.mark.slow
def test_a_scene_streams_in_flat_memory() -> None:
    """What its rooms hold does not grow with the events that went by."""
    events = SCENES["avatar_farm"].play(1)
    tracemalloc.start()
    try:
        held = []
        for count in (10_000, 20_000):
            for _ in islice(events, count):
                pass
            gc.collect()  # cycles that wait for the collector are not held
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[1] < 1.2 * held[0]


def test_a_day_long_recording_is_not_made_in_advance() -> None:
    tracemalloc.start()
    try:
        events = simulate("one_pass", 1, duration_ms=24 * HOUR_MS)
        assert len(list(islice(events, 200))) == 200
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < 1_000_000
