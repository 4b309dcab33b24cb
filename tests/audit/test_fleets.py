"""Fleets against a naive count; permission; what is told, and that it is told once."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from worker.audit.announce import PERIOD_MS, TTL_MS, Identity
from worker.audit.events import FleetMatched, Shop
from worker.identities import fleets
from worker.identities.fleets import Fleet

T0 = 1_740_000_000_000


def say(room: str, at_ms: int = 0, **fields: Any) -> Identity:
    base = {
        "kind": "voice", "identity": "v", "room_id": room, "platform": "douyin", "host_id": f"h-{room}",
        "at_ms": T0 + at_ms, "live": True, "session_id": "s", "operator_id": "op",
    }  # fmt: skip
    return Identity(**{**base, **fields})


class Rooms:
    """Rooms that speak every five minutes and remember what they were told, as rooms do."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        self.known: dict[str, tuple[int, bool]] = {}
        self.told: list[FleetMatched] = []

    def speak(self, room: str, at_ms: int, **fields: Any) -> FleetMatched | None:
        size, permitted = self.known.get(room, (0, False))
        match = fleets.take(self.fleet, say(room, at_ms, size=size, permitted=permitted, **fields))
        if match is not None:
            self.told.append(match)
            self.known[room] = (match.size, match.permitted) if match.size >= 2 else (0, False)
        return match


def test_two_rooms_are_a_fleet_and_both_know_within_a_period() -> None:
    rooms = Rooms()
    assert rooms.speak("a", 0) is None
    match = rooms.speak("b", 1_000)
    assert match is not None and (match.size, match.permitted, match.kind, match.identity) == (2, False, "voice", "v")
    assert sorted(match.rooms) == ["a", "b"] and match.at_ms == T0 + 1_000
    assert rooms.speak("a", PERIOD_MS) is not None
    assert rooms.speak("a", 2 * PERIOD_MS) is None and rooms.speak("b", 2 * PERIOD_MS) is None, "no news"


def test_a_fleet_that_dissolves_is_taken_back() -> None:
    for leaves in (True, False):
        rooms = Rooms()
        rooms.speak("a", 0)
        rooms.speak("b", 1_000)
        if leaves:
            rooms.speak("a", 2_000, live=False)
        match = rooms.speak("b", 3_000 if leaves else TTL_MS + 1_000)
        assert match is not None and match.size == 1
        assert rooms.speak("b", TTL_MS + 2_000) is None


def test_a_message_older_than_the_time_to_live_changes_nothing() -> None:
    rooms = Rooms()
    rooms.speak("a", TTL_MS)
    assert rooms.speak("b", 0) is None
    assert rooms.fleet.size() == 1


def random_messages(rng: Random, rooms: int) -> Iterator[Identity]:
    at_ms = 0
    for _ in range(3_000):
        at_ms += rng.randint(0, 4_000)
        yield say(f"r{rng.randrange(rooms)}", at_ms - rng.randint(0, 60_000), live=rng.random() < 0.9)


@pytest.mark.slow
def test_sizes_are_those_of_a_naive_count() -> None:
    """The naive one looks at every message again, and forgets those that have spoken 15 minutes before the newest."""
    for seed in range(5):
        rng, fleet, log = Random(seed), Fleet(), list[Identity]()
        for said in random_messages(rng, 400):
            fleets.take(fleet, said)
            log.append(said)
            newest_ms = max(one.at_ms for one in log[-200:])
            last: dict[str, Identity] = {}
            for one in log[-2_000:]:
                last.pop(one.room_id, None)
                last[one.room_id] = one
            live = [one for one in last.values() if one.live and one.at_ms > newest_ms - TTL_MS]
            # One that arrived late may outlive its time behind one that arrived before it: by a minute at most.
            slack = [one for one in last.values() if one.live and one.at_ms > newest_ms - TTL_MS - 60_000]
            assert len(live) <= fleet.size() <= len(slack)


def test_a_fleet_of_2200_rooms_is_told_of_in_few_events_and_little_memory() -> None:
    rooms = Rooms()
    for period in range(4):
        for i in range(2_200):
            rooms.speak(f"r{i}", period * PERIOD_MS + i)
        if period:
            assert 2_000 <= rooms.fleet.size() <= 2_400
    assert len(rooms.fleet.members) <= fleets.MEMBERS_MAX
    assert all(size >= 1_100 for size, _ in rooms.known.values())
    assert len(rooms.told) <= 2 * 2_200
    assert max(len(match.rooms) for match in rooms.told) == fleets.LISTED_MAX


def test_rooms_of_one_brand_may_share_what_they_like_and_no_stranger_hides_among_them() -> None:
    rooms = Rooms()
    rooms.speak("a", 0, brand_id="maotai")
    match = rooms.speak("b", 1, brand_id="maotai")
    assert match is not None and match.permitted
    match = rooms.speak("stranger", 2)
    assert match is not None and not match.permitted
    match = rooms.speak("b", 3, brand_id="maotai")
    assert match is not None and not match.permitted, "permission is news"
    rooms.speak("stranger", 4, live=False)
    match = rooms.speak("b", 5, brand_id="maotai")
    assert match is not None and match.permitted


def test_rooms_that_belong_together_may_be_as_many_as_the_registry_allows_each() -> None:
    shop = {"shop_ids": [Shop("wechat_shop", "s1"), Shop("wechat_shop", "s2")]}
    other_shop = {"shop_ids": [Shop("wechat_shop", "s3")]}
    for second, permitted in (
        ({**shop, "permitted_rooms": 2}, True),
        ({**shop, "permitted_rooms": None}, False),
        ({**other_shop, "permitted_rooms": 2}, False),
        ({**other_shop, "permitted_rooms": 2, "host_id": "h-a"}, True),
        ({**shop, "permitted_rooms": 2, "operator_id": "another"}, False),
    ):
        rooms = Rooms()
        rooms.speak("a", 0, permitted_rooms=3, **shop)
        match = rooms.speak("b", 1, **second)
        assert match is not None and match.permitted is permitted, second


def test_ids_of_matches_depend_on_what_is_said_alone() -> None:
    def ids() -> list[str]:
        rooms = Rooms()
        for i in range(40):
            rooms.speak(f"r{i % 8}", i * 60_000)
        return [match.id for match in rooms.told]

    assert ids() == ids() and len(set(ids())) == len(ids())
