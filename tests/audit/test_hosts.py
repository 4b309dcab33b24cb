"""A host over all rooms: what the registry says reaches each of them once, and what people upheld too."""

from typing import Any

from worker.audit.announce import TTL_MS, UPHELD_MAX, Identity, mark_of
from worker.audit.events import Upheld
from worker.identities import hosts
from worker.identities.hosts import Host, Registration

T0 = 1_740_000_000_000


def say(room: str = "a", at_ms: int = 0, **fields: Any) -> Identity:
    base = {
        "kind": "host", "identity": "h", "room_id": room, "platform": "douyin", "host_id": "h", "at_ms": T0 + at_ms,
        "live": True, "session_id": "s", "partition": ord(room[0]) - ord("a"), "answered": True,
    }  # fmt: skip
    return Identity(**{**base, **fields})


def registered(**fields: Any) -> Registration:
    base = {"avatar_registered": True, "driver_verified": True, "likeness_consent": True, "updated_at_ms": T0}
    return Registration(**{"host_id": "h", "platform": "douyin", **base, **fields})


def test_a_session_that_asks_is_answered_even_when_the_registry_knows_nothing() -> None:
    ((partition, state),) = hosts.take(Host(), say("b", answered=False))
    assert (partition, state.known, state.avatar_registered, state.session_id) == (1, False, False, "s")
    assert hosts.take(Host(), say("b")) == []


def test_a_registration_reaches_every_live_room_once() -> None:
    host = Host()
    for room in ("a", "b", "c"):
        hosts.take(host, say(room))
    hosts.take(host, say("c", live=False))
    told = hosts.register(host, "h", registered(brand_id="maotai", permitted_rooms=6), 41)
    assert [(partition, state.room_id, state.registry_offset) for partition, state in told] == [
        (0, "a", 41),
        (1, "b", 41),
    ]
    assert {(state.brand_id, state.permitted_rooms, state.avatar_registered) for _, state in told} == {
        ("maotai", 6, True)
    }
    assert hosts.register(host, "h", registered(), 41) == [], "the same record again"
    assert hosts.take(host, say("a", 1, registry_offset=41)) == []
    ((_, again),) = hosts.take(host, say("d", 2, registry_offset=None))
    assert again.registry_offset == 41


def test_a_host_who_is_removed_is_no_longer_known() -> None:
    host = Host()
    hosts.register(host, "h", registered(), 1)
    hosts.take(host, say("a", registry_offset=1))
    ((_, state),) = hosts.register(host, "h", None, 2)
    assert (state.known, state.registry_offset) == (False, 2)
    assert hosts.take(host, say("a", 1, registry_offset=None)) == []


def test_a_room_that_is_silent_for_its_time_to_live_is_told_no_more() -> None:
    host = Host()
    hosts.take(host, say("a"))
    hosts.take(host, say("b", TTL_MS))
    assert [state.room_id for _, state in hosts.register(host, "h", registered(), 1)] == ["b"]


def test_what_people_upheld_in_one_room_reaches_the_others_once() -> None:
    host, upheld = Host(), [Upheld("R-1", T0)]
    hosts.take(host, say("a"))
    hosts.take(host, say("b"))
    told = hosts.take(host, say("a", 1, upheld=upheld))
    assert {state.room_id for _, state in told} == {"a", "b"}
    assert all(state.upheld == upheld and not state.known for _, state in told)
    assert hosts.take(host, say("a", 2, upheld=upheld, upheld_mark=mark_of(upheld))) == []
    assert len(hosts.take(host, say("b", 3))) == 1, "a room whose log does not know it yet"


def test_what_an_appeal_took_back_leaves_the_hosts_list_and_his_other_rooms_hear_of_it_once() -> None:
    host, upheld = Host(), [Upheld("R-1", T0)]
    hosts.take(host, say("b"))
    hosts.take(host, say("a", 1, upheld=upheld))
    hosts.take(host, say("c", 2, overturned=upheld))
    assert host.upheld == ((T0, "R-1", "a"),), "another room's violation of the same time is not its own"
    told = hosts.take(host, say("a", 3, live=False, overturned=upheld))
    assert [(state.room_id, state.upheld) for _, state in told] == [("b", []), ("c", [])]
    assert not host.upheld
    assert hosts.take(host, say("a", 4, live=False, overturned=upheld)) == []


def test_a_closed_room_may_still_tell_what_was_upheld() -> None:
    host = Host()
    hosts.take(host, say("b"))
    told = hosts.take(host, say("a", 1, live=False, upheld=[Upheld("R-1", T0)]))
    assert [state.room_id for _, state in told] == ["b"]


def test_the_list_of_upheld_violations_is_bounded_and_settles() -> None:
    host, told = Host(), 0
    lists = {room: [Upheld("R-1", T0 + i) for i in range(start, start + 64)] for room, start in (("a", 0), ("b", 40))}
    for turn in range(10):
        for room, upheld in lists.items():
            mark = mark_of([Upheld(rule, at) for at, rule, _ in host.upheld])
            told += len(hosts.take(host, say(room, turn, upheld=upheld, upheld_mark=mark)))
    assert len(host.upheld) == UPHELD_MAX and told <= 6
