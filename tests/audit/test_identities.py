"""What a room tells of itself: when, in what order, and what it takes back."""

from typing import Any

from tests.audit.build import HOUR, MINUTE, SECOND, T0, a_room, beat, beats, ev, feed, say
from worker.audit import events as e
from worker.audit.announce import PERIOD_MS, SEEN_MAX, TTL_MS, Identity, announce, mark_of
from worker.audit.apply import apply
from worker.audit.evidence import Level, new_family
from worker.audit.facts import FACT_BIT
from worker.audit.room import FOREVER_MS, Room

TIES: dict[str, Any] = {"operator_id": "op", "device_id": "dev", "ip_hash": "net"}


def heard(room: Room, *events: Any) -> list[Identity]:
    """What the room says as the processor lets it: after each event, when it is due."""
    said = []
    for event in events:
        feed(room, [event])
        if room.max_at_ms >= room.session.identities_due_ms:
            said += announce(room)
    return said


def keys(said: list[Identity]) -> list[str]:
    return [f"{'' if one.live else '-'}{one.kind}:{one.identity}" for one in said]


def answered(at_ms: int = 1_000, **fields: Any) -> Any:
    return ev(e.RegistrationState, at_ms, **fields)


def test_a_session_names_its_host_first_and_the_rest_when_the_registry_has_answered() -> None:
    room = a_room()
    assert keys(heard(room, beat(0, **TIES))) == ["host:h1"]
    said = heard(room, answered(brand_id="maotai", permitted_rooms=6))
    assert keys(said) == ["host:h1", "operator:op", "device:dev", "ip:net", "platform:douyin"]
    assert {(one.brand_id, one.permitted_rooms, one.partition, one.session_id) for one in said} == {
        ("maotai", 6, 3, "s1")
    }
    assert (said[0].answered, said[0].registry_offset) == (True, 1)


def test_a_quiet_room_speaks_every_five_minutes_and_not_in_between() -> None:
    room = a_room()
    heard(room, beat(0, **TIES), answered(), ev(e.RestrictionTested, 1_000))
    said = heard(room, *beats(HOUR, from_ms=20 * SECOND, **TIES))
    assert sorted({one.at_ms - T0 for one in said}) == [i * PERIOD_MS for i in range(1, 13)]
    assert keys(said[:4]) == ["host:h1", "operator:op", "device:dev", "ip:net"]
    assert len(said) == 4 * 12


def test_a_change_is_told_soon_and_what_is_gone_is_taken_back() -> None:
    room = a_room()
    heard(room, beat(0, **TIES), answered(), ev(e.RestrictionTested, 1_000))
    assert heard(room, beat(10 * SECOND, **{**TIES, "device_id": "new"})) == []
    said = heard(room, beat(40 * SECOND, **{**TIES, "device_id": "new"}))
    assert keys(said) == ["host:h1", "operator:op", "device:new", "ip:net", "-device:dev"]
    assert heard(room, beat(60 * SECOND, **{**TIES, "device_id": "new"})) == []


def test_a_voice_is_an_identity_until_it_was_not_heard_for_its_time_to_live() -> None:
    room = a_room()
    heard(room, beat(0), answered(), ev(e.RestrictionTested, 1_000))
    said = heard(room, say(MINUTE, voice_id="v1"))
    assert keys(said) == ["host:h1", "voice:v1"]
    later = heard(room, *beats(MINUTE + TTL_MS + PERIOD_MS, from_ms=2 * MINUTE))
    assert keys(later).count("-voice:v1") == 1


def test_many_voices_are_kept_within_bounds_and_told_seldom() -> None:
    room = a_room()
    heard(room, beat(0), answered(), ev(e.RestrictionTested, 1_000))
    said = heard(room, *(say(MINUTE + i * SECOND, voice_id=f"v{i}") for i in range(300)))
    assert len(room.session.ties.seen) == SEEN_MAX  # type: ignore[union-attr]
    assert len({one.at_ms for one in said}) <= 300 / 30 + 1


def test_a_close_takes_everything_back_and_is_the_last_word() -> None:
    room = a_room()
    heard(room, beat(0, **TIES), answered())
    said = heard(room, ev(e.RoomClosed, MINUTE))
    assert keys(said) == ["-host:h1", "-operator:op", "-device:dev", "-ip:net"]
    assert room.session.identities_due_ms == FOREVER_MS


def test_a_match_that_the_log_knows_is_named_with_its_identity() -> None:
    room = a_room()
    heard(room, beat(0, **TIES), answered())
    match = ev(e.FleetMatched, 2_000, kind="ip", identity="net", size=40)
    said = {one.kind: one for one in heard(room, match, beat(PERIOD_MS + MINUTE, **TIES))}
    assert (said["ip"].size, said["operator"].size) == (40, 0)


def test_what_a_room_shared_by_an_identity_is_over_when_it_no_longer_shows_it() -> None:
    """Nobody answers a withdrawal: an honest host who moved away from a shared address would stay in the fleet."""
    room = a_room()
    heard(room, beat(0, **TIES), answered())
    feed(room, [ev(e.FleetMatched, 2_000, kind="ip", identity="net", size=40)])
    feed(room, [ev(e.FleetMatched, 3_000, kind="operator", identity="op", size=3)])
    assert room.session.facts.fleet.kind == "ip"
    apply(room, beat(40 * SECOND, **{**TIES, "ip_hash": "home"}), room.offset + 1, T0 + 40 * SECOND)
    assert (room.session.facts.fleet.kind, room.session.facts.fleet.size) == ("operator", 3)
    assert room.changed & FACT_BIT["fleet"]
    feed(room, [beat(60 * SECOND, device_id="dev", ip_hash="home")])
    assert room.session.facts.fleet.size < 2


def test_an_answer_that_crosses_a_withdrawal_holds_until_the_room_speaks_again() -> None:
    room = a_room()
    heard(room, beat(0, **TIES), answered(), beat(40 * SECOND, **{**TIES, "ip_hash": "home"}))
    feed(room, [ev(e.FleetMatched, 41_000, kind="ip", identity="net", size=40)])
    assert room.session.facts.fleet.size == 40
    said = heard(room, *beats(PERIOD_MS + MINUTE, from_ms=MINUTE, **{**TIES, "ip_hash": "home"}))
    assert room.session.facts.fleet.size < 2 and "-ip:net" in keys(said)


def test_what_a_room_shared_by_a_voice_is_over_when_that_was_not_heard_for_its_time_to_live() -> None:
    room = a_room()
    heard(room, beat(0, **TIES), answered(), say(1_500, "大家好", voice_id="v1"))
    feed(room, [ev(e.FleetMatched, 2_000, kind="voice", identity="v1", size=40)])
    heard(room, *beats(TTL_MS - MINUTE, from_ms=20 * SECOND, **TIES))
    assert room.session.facts.fleet.size == 40
    heard(room, *beats(TTL_MS + 2 * PERIOD_MS, from_ms=TTL_MS, **TIES))
    assert room.session.facts.fleet.size < 2


def test_a_restriction_is_asked_for_with_an_index_and_within_the_hours_that_the_bound_covers() -> None:
    room = a_room()
    heard(room, beat(0), answered(), ev(e.RestrictionTested, 1_000, index=7, threshold=2e9))
    family = room.session.families["AI"] = new_family("AI", T0)
    family.m, family.level = [0.0, 0.0, 2e7, 2e7], Level.RESTRICT
    said = [one for one in heard(room, *beats(14 * HOUR, from_ms=MINUTE)) if one.kind == "platform"]
    assert {(one.index, one.threshold, one.tests[0].family) for one in said} == {(7, 2e9, "AI")}
    assert 11 * HOUR < said[-1].at_ms - T0 <= 12 * HOUR
    assert said[0].tests[0].mass > 1e7


def test_what_people_upheld_in_this_room_is_told_with_the_host() -> None:
    room = a_room()
    heard(room, beat(0), answered())
    room.history = type(room.history)(room={"R-1": [T0 + 5]})
    said = heard(room, ev(e.ReviewDecided, MINUTE), beat(MINUTE))
    assert [(one.rule, one.at_ms) for one in said[0].upheld] == [("R-1", T0 + 5)]
    told = [e.Upheld("R-1", T0 + 5), e.Upheld("R-2", T0)]
    said = heard(room, answered(2 * MINUTE, upheld=told), beat(10 * MINUTE))
    assert said[0].upheld_mark == mark_of(told) != 0


def test_a_new_session_begins_anew() -> None:
    room = a_room()
    heard(room, beat(0, **TIES), answered())
    said = heard(room, beat(MINUTE, session_id="s2", started_at_ms=T0 + MINUTE))
    assert keys(said) == ["host:h1"] and said[0].session_id == "s2" and not said[0].answered
