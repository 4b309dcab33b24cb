"""The AI label: on, off and unknown, whatever order its words come in; declared; hidden; however it flickers."""

import random
from collections.abc import Iterable
from typing import Any

import pytest

from tests.audit.build import MINUTE, SECOND, T0, a_room, beat, beats, ev, feed, in_time
from worker.audit import events as e
from worker.audit import labelled
from worker.audit.apply import apply
from worker.audit.facts import Certainty, Label
from worker.audit.marks import LABEL_MARKS_MAX
from worker.audit.room import BLIND_MAX, Room
from worker.audit.sessions import Status

Known = tuple[bool | None, bool | None]


def label(at_ms: int, visible: bool = True, by: str = "platform", **more: Any) -> e.LabelState:
    found: e.LabelState = ev(e.LabelState, at_ms, visible=visible, by=by, **more)
    return found


def mark(at_ms: int) -> Any:
    return ev(e.WatermarkRead, at_ms)


def after(*events: object, until_ms: int = 0) -> Room:
    return a_room(in_time(beats(until_ms), events))


def arrived(events: Iterable[tuple[int, Any]]) -> Room:
    """A room that has seen events, each with the append time of its record (ms after T0)."""
    room = a_room()
    for offset, (append_ms, event) in enumerate(sorted(events, key=lambda one: one[0])):
        assert apply(room, event, offset, T0 + append_ms) in (Status.APPLIED, Status.DUPLICATE)
        room.changed = 0
    return room


def beating(until_ms: int) -> list[tuple[int, Any]]:
    return [(event.at_ms - T0 + 300, event) for event in beats(until_ms)]


def known(room: Room) -> Known:
    fact = room.session.facts.label
    return fact.visible, fact.continuous


def test_a_label_from_the_start_is_continuous() -> None:
    fact = after(label(0), until_ms=20 * MINUTE).session.facts.label
    assert (fact.visible, fact.continuous, fact.ever) == (True, True, True)


def test_a_heartbeat_may_carry_the_label() -> None:
    on: dict[str, Any] = {"kind": "digital_human", "visible": True, "by": "host"}
    room = after(beat(SECOND, label=e.HeartbeatLabel(**on)), until_ms=20 * MINUTE)
    assert room.session.facts.label == after(label(SECOND, **on), until_ms=20 * MINUTE).session.facts.label
    assert room.session.facts.ai_presenter.declared


def test_of_a_room_without_a_label_it_is_unknown_until_a_minute_of_its_air_is_behind_the_horizon() -> None:
    assert after(until_ms=2 * MINUTE).session.facts.label == Label()
    assert known(after(until_ms=2 * MINUTE + 20 * SECOND)) == (False, False)


@pytest.mark.parametrize(("shown_ms", "continuous"), [(120_000, True), (120_001, False)])
def test_a_label_may_come_up_to_a_minute_after_ai_was_first_known(shown_ms: int, continuous: bool) -> None:
    room = after(mark(60_000), label(shown_ms), until_ms=5 * MINUTE)
    assert known(room) == (True, continuous)


@pytest.mark.parametrize(("shown_ms", "expected"), [(None, (False, False)), (170_000, (True, False))])
def test_absence_is_known_behind_the_horizon_and_a_late_label_does_not_undo_it(
    shown_ms: int | None, expected: Known
) -> None:
    shown = [] if shown_ms is None else [label(shown_ms)]
    room = after(mark(60_000), *shown, until_ms=5 * MINUTE)
    assert known(room) == expected


def test_a_label_that_goes_is_held_against_no_one_before_the_watermark_has_passed_it() -> None:
    for until_ms, expected in ((5 * MINUTE, (True, None)), (5 * MINUTE + 20 * SECOND, (False, False))):
        assert known(after(label(0), label(4 * MINUTE, False), until_ms=until_ms)) == expected


def test_one_off_time_breaks_continuous_for_the_rest_of_the_session() -> None:
    room = after(label(0), label(4 * MINUTE, False), label(4 * MINUTE + 1_000), until_ms=40 * MINUTE)
    assert known(room) == (True, False)


def test_a_gap_is_dated_from_when_the_label_went_or_was_due() -> None:
    gone = after(label(0), label(4 * MINUTE, False), until_ms=30 * MINUTE)
    never = after(mark(2 * MINUTE), until_ms=30 * MINUTE)
    assert labelled.missing_ms(gone) == 25 * MINUTE
    assert labelled.missing_ms(never) == 26 * MINUTE
    assert labelled.missing_ms(after(label(0), until_ms=30 * MINUTE)) == 0


def test_a_session_not_seen_from_its_start_is_unlabelled_only_after_a_word_about_it() -> None:
    late = [beat(at_ms, started_at_ms=T0 - 5 * MINUTE) for at_ms in range(0, 10 * MINUTE, 20_000)]
    assert known(a_room(in_time(late, [mark(0)]))) == (None, None)
    assert known(a_room(in_time(late, [mark(0), label(2 * MINUTE, False)]))) == (False, False)


def test_a_start_ahead_of_the_clock_that_tells_it_is_not_a_start_that_was_seen() -> None:
    assert known(a_room(beats(10 * MINUTE, started_at_ms=T0 + 1))) == (None, None)
    assert known(a_room(beats(10 * MINUTE, started_at_ms=T0))) == (False, False)


@pytest.mark.parametrize("late_ms", [76_000, 500_000])
def test_a_word_that_comes_late_counts_from_when_it_was_said(late_ms: int) -> None:
    room = arrived([*beating(10 * MINUTE), (30_000, mark(22_000)), (5_000 + late_ms, label(5_000))])
    assert known(room) == (True, True)


def test_an_off_that_comes_behind_the_watermark_begins_there() -> None:
    room = arrived([*beating(20 * MINUTE), (100_000, label(100_000)), (15 * MINUTE, label(200_000, False))])
    kept = room.session.label
    assert kept is not None and [word.visible for word in kept.marks] == [True, False]
    assert kept.marks[-1].since_ms == T0 + 880 * SECOND - MINUTE
    assert labelled.missing_ms(room) == 19 * MINUTE - 820 * SECOND


def test_an_off_that_an_older_word_overrides_never_was() -> None:
    room = arrived([*beating(20 * MINUTE), (50_000, label(50_000)), (15 * MINUTE, label(40_000, False))])
    assert known(room) == (True, True)


def test_words_of_a_fast_clock_keep_their_order() -> None:
    for first, second in ((900, 900), (1_200, 900)):
        off = (30_000 + first, label(120_000, False, "host", id="off"))
        on = (30_000 + second, label(120_300, id="on"))
        assert arrived([*beating(4 * MINUTE), off, on]).session.facts.label.visible is True


def test_what_is_known_does_not_depend_on_the_order_of_arrival() -> None:
    words = [label(60_000 + 3_000 * n, n % 2 == 1, id=f"m{n}") for n in range(16)]
    found = set()
    for seed in range(20):
        rnd = random.Random(seed)
        came = [(word.at_ms - T0 + rnd.randrange(25_000), word) for word in words]
        room = arrived([*beating(10 * MINUTE), (100, label(0, id="m")), *came])
        found.add((labelled.off_ms(room, T0, T0 + 9 * MINUTE), *known(room)))
    assert found == {(8 * 3_000, True, False)}


def test_a_word_repeated_every_half_minute_takes_the_place_of_the_one_before() -> None:
    words = [label(at_ms) for at_ms in range(5_000, 40 * MINUTE, 30_000)]
    room = after(*words, until_ms=40 * MINUTE)
    assert room.session.label is not None and len(room.session.label.marks) <= 4
    assert labelled.off_ms(room, T0, T0 + 40 * MINUTE) == 5_000


def test_a_label_on_for_a_second_in_55_stays_bounded_and_is_not_continuous() -> None:
    words = [label(55_000 * n + 1_000 * off, not off) for n in range(200) for off in (0, 1)]
    room = after(mark(20_000), *words, until_ms=190 * MINUTE)
    assert room.session.label is not None and len(room.session.label.marks) <= 24
    assert known(room) == (False, False)


def test_a_late_word_of_a_time_that_is_summed_up_changes_nothing() -> None:
    words = [label(55_000 * n + 1_000 * off, not off) for n in range(60) for off in (0, 1)]
    room = after(mark(20_000), *words, until_ms=56 * MINUTE)
    kept = room.session.label
    assert kept is not None and kept.cut
    before = kept.marks
    feed(room, [ev(e.LabelState, 30_000, visible=True, by="host", kind="ai_generated")])
    assert kept.marks == before
    assert room.session.facts.label.continuous is False


def test_more_words_ahead_of_the_watermark_than_are_kept_make_the_label_unknown() -> None:
    flood = [label(500 * n, False) for n in range(1_400)]
    room = after(mark(20_000), *flood, until_ms=11 * MINUTE + 30 * SECOND)
    assert room.session.label is not None and len(room.session.label.marks) == LABEL_MARKS_MAX
    assert known(room) == (None, None)
    feed(room, beats(14 * MINUTE, from_ms=12 * MINUTE))
    assert known(room) == (False, False), "once the watermark has passed the flood, it is known again"


def test_times_that_are_blind_say_nothing() -> None:
    room = after(label(0), label(2 * MINUTE, False), label(4 * MINUTE), until_ms=4 * MINUTE)
    room.session.blind = ((T0 + 2 * MINUTE, T0 + 4 * MINUTE),)
    feed(room, beats(10 * MINUTE, from_ms=4 * MINUTE + 20_000))
    assert known(room) == (True, True)
    room.session.blind = ((T0 + 2 * MINUTE, T0 + 3 * MINUTE),)
    feed(room, [label(10 * MINUTE + 1)])
    assert known(room) == (True, False)


def with_breaks(number: int, *more: object) -> Room:
    """A room labelled from the start whose label goes at the end of each broadcast and is there before the next."""
    log: list[object] = [mark(1_000), label(2_000)]
    for i in range(number):
        at_ms = (2 + 2 * i) * MINUTE
        log += [beat(at_ms), ev(e.RoomClosed, at_ms + SECOND), label(at_ms + 2 * SECOND, False)]
        log += [label(at_ms + 50 * SECOND), beat(at_ms + MINUTE)]
    return a_room(in_time([beat(0)], log, beats((2 * number + 25) * MINUTE, from_ms=(2 * number + 2) * MINUTE), more))


@pytest.mark.parametrize("number", [1, BLIND_MAX, 2 * BLIND_MAX])
def test_a_label_that_is_off_while_the_session_is_off_the_air_stays_continuous(number: int) -> None:
    room = with_breaks(number)
    assert known(room) == (True, True)
    assert len(room.session.blind) <= BLIND_MAX


@pytest.mark.parametrize("number", [1, BLIND_MAX, 2 * BLIND_MAX])
def test_an_off_time_on_the_air_is_not_washed_out_by_breaks(number: int) -> None:
    flicker = [label(100_000, False), label(110_000)]
    assert known(with_breaks(number, *flicker)) == (True, False)


def test_breaks_every_4_s_hide_no_missing_label() -> None:
    log: list[object] = [mark(1_000)]
    for at_ms in range(0, 10 * MINUTE, 4 * SECOND):
        log += [beat(at_ms), ev(e.RoomClosed, at_ms + 3_500)]
    assert a_room(in_time(log, [beat(10 * MINUTE)])).session.facts.label.continuous is False


def test_a_start_in_1970_excuses_no_missing_label() -> None:
    log = [beat(at_ms, started_at_ms=0) for at_ms in range(0, 10 * MINUTE, 15 * SECOND)]
    assert known(a_room(in_time(log, [mark(1_000), label(2_000, False)]))) == (False, False)


def test_what_a_rival_claims_is_dated_as_what_accuses() -> None:
    """Under a mirror all comes ten minutes late, and the claim was made ten minutes before its record."""
    for mirror_ms in (0, 10 * MINUTE):
        room = Room("douyin:1")
        log = [*beating(60_000), (60_300, beat(60_000, session_id="w", started_at_ms=T0 + 60_000))]
        log += [(at_ms + 300, beat(at_ms)) for at_ms in range(75_000, 6 * MINUTE, 15_000)]
        seen = []
        for offset, (append_ms, event) in enumerate(log):
            if apply(room, event, offset, T0 + append_ms + mirror_ms) is Status.SESSION_ENDED:
                apply(room, event, offset, T0 + append_ms + mirror_ms)
            seen.append(known(room))
        assert room.session.id == "s1"
        assert seen[-1] == (False, False), mirror_ms


def test_a_silent_gateway_is_waited_for_ten_minutes() -> None:
    looks = [ev(e.DetectorScore, at_ms) for at_ms in range(0, 12 * MINUTE, 10_000)]
    for minutes, expected in ((11, None), (13, False)):
        room = a_room([beat(0), mark(1_000), *[look for look in looks if look.at_ms <= T0 + minutes * MINUTE]])
        feed(room, [ev(e.DetectorScore, minutes * MINUTE)])
        assert room.session.facts.label.visible is expected


def test_the_hosts_own_label_declares_ai_and_the_platforms_does_not() -> None:
    declared = after(label(0, by="host")).session.facts.ai_presenter
    assert (declared.certainty, declared.declared) == (Certainty.POSSIBLE, True)
    assert after(label(0, by="platform")).session.facts.ai_presenter.certainty == Certainty.NONE
    assert after(label(0, False, by="host")).session.facts.ai_presenter.certainty == Certainty.NONE


@pytest.mark.parametrize(
    ("put_up_by", "taken_by", "tampered"),
    [("platform", "host", True), ("platform", "platform", False), ("host", "host", False), ("unknown", "host", False)],
)
def test_only_a_host_who_takes_off_the_platforms_label_hides_it(put_up_by: str, taken_by: str, tampered: bool) -> None:
    room = after(label(0, by=put_up_by), label(1_000, False, by=taken_by))
    assert room.session.facts.tamper.certainty == Certainty.NONE, "a word that accuses waits for the watermark"
    feed(room, beats(2 * MINUTE, from_ms=20_000))
    assert (room.session.facts.tamper.certainty == Certainty.POSSIBLE) is tampered


@pytest.mark.parametrize(
    ("states", "expected_ms"),
    [
        ([], 0),
        ([(0, True)], 300_000),
        ([(100_000, True)], 200_000),
        ([(100_000, True), (100_001, False)], 1),
        ([(0, True), (300_000, False)], 300_000),
        ([(-50_000, True), (50_000, False)], 50_000),
        ([(-50_000, True), (-10_000, False), (299_999, True)], 1),
    ],
)
def test_time_with_a_label_in_a_block(states: list[tuple[int, bool]], expected_ms: int) -> None:
    room = a_room([beat(T0 - MINUTE, started_at_ms=T0 - MINUTE), *(label(T0 + at, shown) for at, shown in states)])
    assert labelled.on_ms(room.session, T0, T0 + 300_000) == expected_ms


def test_unlabelled_bets_only_on_blocks_without_a_label_for_half_of_their_time() -> None:
    for off_ms, bets in ((150_000, False), (149_999, True)):
        looks = [ev(e.DetectorScore, at, score=0.99) for at in range(0, 300_000, 10_000)]
        room = a_room(in_time(beats(7 * MINUTE), looks, [label(0), label(off_ms, False)]))
        assert "AI" in room.session.families
        assert (
            room.evidence("UNLABELLED") is room.session.families["AI"]
        ) is bets  # AI stands in until a labelled block


@pytest.mark.parametrize(
    ("kind", "by", "certainty"),
    [
        ("digital_human", "host", Certainty.POSSIBLE),
        ("virtual_host", "host", Certainty.POSSIBLE),
        ("ai_generated", "host", Certainty.NONE),
        ("digital_human", "platform", Certainty.NONE),
    ],
)
def test_only_a_hosts_own_label_of_an_avatar_declares_the_presenter(kind: str, by: str, certainty: Certainty) -> None:
    """A host who labels product pictures as generated says nothing of herself."""
    room = after(ev(e.LabelState, 0, kind=kind, by=by))
    assert room.session.facts.label.visible
    assert room.session.facts.ai_presenter.certainty == certainty


def test_a_second_stream_hides_a_missing_label_for_twelve_minutes_at_most() -> None:
    """The displaced one beats on, as a rival, but is no longer waited for once it cannot come back."""
    later = {"session_id": "s2", "host_id": "h2", "started_at_ms": T0 + 5 * MINUTE}
    marks = [ev(e.WatermarkRead, at, session_id="s2") for at in range(6 * MINUTE, 30 * MINUTE, MINUTE)]
    for until_ms, missing in ((16 * MINUTE, None), (20 * MINUTE, False)):
        second = [beat(at, **later) for at in range(5 * MINUTE, until_ms, 20 * SECOND)]
        room = a_room(in_time(beats(until_ms), second, [m for m in marks if m.at_ms < T0 + until_ms]))
        assert room.session.id == "s2" and room.session.facts.label.visible is missing
