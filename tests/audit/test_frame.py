"""What the picture shows, and idleness: only a measured absence proves it."""

from typing import Any

import pytest

from tests.audit.build import MINUTE, ROOM_ID, SECOND, T0, a_room, beats, ev, in_time, say
from worker.audit import events as e
from worker.audit.apply import apply
from worker.audit.facts import UNKNOWN, Certainty, Frame, Idle, Recorded
from worker.audit.room import Room


def empty(until_s: int, from_s: int = 0, every_s: int = 20) -> list[Any]:
    """Frames without a person."""
    return [ev(e.FrameMeasured, at * SECOND, person_present=False) for at in range(from_s, until_s + 1, every_s)]


def room_of(*groups: list[Any], until_ms: int = 10 * MINUTE, **fields: Any) -> Room:
    return a_room(in_time(beats(until_ms, **fields), *groups))


def test_five_minutes_of_measured_absence_are_idle_and_a_moment_less_is_not() -> None:
    assert room_of(empty(300), until_ms=300_000).session.facts.idle == Idle(Certainty.POSSIBLE, T0)
    assert room_of(empty(280), until_ms=280_000).session.facts.idle == Idle()


@pytest.mark.parametrize(
    ("why", "log", "fields"),
    [
        ("no frame was ever measured", [], {}),
        ("a person is there", [ev(e.FrameMeasured, at * SECOND) for at in range(0, 601, 20)], {}),
        ("the last frame is stale", empty(400), {}),
        ("no viewers", empty(600), {"viewers": 0}),
        ("a break is declared", empty(600), {"paused": True}),
        ("somebody spoke", [*empty(600), say(500_000)], {}),
        ("somebody replied", [*empty(600), ev(e.HostReply, 500_000, medium="sign")], {}),
        ("somebody thanked", [*empty(600), ev(e.HostAction, 500_000, kind="thank_gift")], {}),
        ("a break ended", [*empty(600), ev(e.RoomPaused, 400_000), ev(e.RoomResumed, 401_000)], {}),
        ("a person came back", [*empty(400), ev(e.FrameMeasured, 410_000), *empty(600, 420)], {}),
    ],
)
def test_never_idle(why: str, log: list[Any], fields: dict[str, Any]) -> None:
    assert room_of(log, **fields).session.facts.idle == Idle(), why


def test_a_room_of_which_no_heartbeat_tells_viewers_is_never_idle() -> None:
    assert a_room(empty(900)).session.facts.idle == Idle()


def test_a_room_whose_gateway_is_late_is_not_idle_while_its_replies_may_yet_come() -> None:
    """All that the gateway tells comes ten minutes late: what the host answered is not known yet."""
    replies = [ev(e.HostReply, at * SECOND, medium="sign") for at in range(0, 1_500, 60)]
    late = [(x, x.at_ms + 600_000) for x in in_time(beats(25 * MINUTE), replies)]
    sent = sorted([*late, *((x, x.at_ms) for x in empty(1_500))], key=lambda pair: pair[1])
    room, idle = Room(ROOM_ID), []
    for offset, (event, appended_ms) in enumerate(sent):
        apply(room, event, offset, appended_ms)
        idle.append(room.session.facts.idle.certainty)
    assert not any(idle)


def test_a_gateway_that_falls_silent_delays_idleness_by_ten_minutes_at_most() -> None:
    room = a_room(in_time(beats(60_000), empty(1_200)))
    assert room.session.facts.idle.certainty == Certainty.POSSIBLE
    assert a_room(in_time(beats(60_000), empty(880))).session.facts.idle == Idle()


def test_idleness_ends_with_a_word() -> None:
    idle = in_time(beats(400_000), empty(400))
    assert a_room(idle).session.facts.idle.certainty
    assert a_room([*idle, say(401_000)]).session.facts.idle == Idle()


def test_products_pinned_by_a_timer_do_not_end_idleness() -> None:
    pins = [ev(e.HostAction, at * SECOND, kind="pin_product") for at in range(0, 600, 30)]
    assert room_of(empty(600), pins).session.facts.idle.certainty == Certainty.POSSIBLE


def test_a_measurement_is_taken_over_and_what_was_not_measured_is_unknown() -> None:
    room = room_of([ev(e.FrameMeasured, 0, avatar_height_ratio=0.4, cover_ratio=0.0)], until_ms=0)
    assert room.session.facts.frame == Frame(True, True, 0.4, UNKNOWN, 0.0, UNKNOWN, False, T0)


def test_sound_of_an_embedded_video_is_a_possible_recording_until_it_ends() -> None:
    same = ev(e.FrameMeasured, 1_000, same_source_audio=True)
    assert room_of([same], until_ms=0).session.facts.recorded == Recorded(
        Certainty.POSSIBLE, "same_source_audio", T0 + 1_000
    )
    other = ev(e.FrameMeasured, 2_000, same_source_audio=False)
    assert room_of([same, other], until_ms=0).session.facts.recorded == Recorded()
