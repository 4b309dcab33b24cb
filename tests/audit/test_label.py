"""The AI label: visible, continuous, gaps and their healing; declared; hidden; however it flickers."""

import pytest

from tests.audit.build import MINUTE, SECOND, T0, a_room, beat, beats, ev, feed, in_time
from worker.audit import events as e
from worker.audit.facts import Certainty, Label
from worker.audit.markers.label import labelled_ms
from worker.audit.room import LABEL_MARKS_MAX, Room


def label(at_ms: int, visible: bool = True, by: str = "platform") -> e.LabelState:
    found: e.LabelState = ev(e.LabelState, at_ms, visible=visible, by=by)
    return found


def after(*events: object, until_ms: int = 0) -> Room:
    return a_room(in_time(beats(until_ms), events))


def test_a_label_from_the_start_is_continuous() -> None:
    fact = after(label(0), until_ms=20 * MINUTE).facts.label
    assert (fact.visible, fact.continuous, fact.ever) == (True, True, True)


def test_a_room_without_a_label_has_none() -> None:
    assert after(until_ms=MINUTE).facts.label == Label()


@pytest.mark.parametrize(("shown_ms", "continuous"), [(120_000, True), (120_001, False)])
def test_a_label_may_come_up_to_a_minute_after_ai_was_first_known(shown_ms: int, continuous: bool) -> None:
    room = after(ev(e.WatermarkRead, 60_000), label(shown_ms), until_ms=2 * MINUTE)
    assert room.facts.label.continuous is continuous


@pytest.mark.parametrize(("now_ms", "continuous"), [(13 * MINUTE, False), (16 * MINUTE + 20 * SECOND, True)])
def test_a_gap_heals_after_ten_minutes_of_being_visible(now_ms: int, continuous: bool) -> None:
    room = after(label(0), label(4 * MINUTE, False), label(5 * MINUTE), until_ms=now_ms)
    assert room.facts.label.continuous is continuous
    assert room.facts.label.since_ms == T0 + 5 * MINUTE


def test_a_label_that_went_away_is_not_continuous_and_the_gap_is_dated() -> None:
    fact = after(label(0), label(4 * MINUTE, False), until_ms=30 * MINUTE).facts.label
    assert (fact.visible, fact.continuous, fact.ever, fact.since_ms) == (False, False, True, T0 + 4 * MINUTE)


def test_the_hosts_own_label_declares_ai_and_the_platforms_does_not() -> None:
    declared = after(label(0, by="host")).facts.ai_presenter
    assert (declared.certainty, declared.declared) == (Certainty.POSSIBLE, True)
    assert after(label(0, by="platform")).facts.ai_presenter.certainty == Certainty.NONE
    assert after(label(0, False, by="host")).facts.ai_presenter.certainty == Certainty.NONE


@pytest.mark.parametrize(
    ("put_up_by", "taken_by", "tampered"),
    [("platform", "host", True), ("platform", "platform", False), ("host", "host", False), ("unknown", "host", False)],
)
def test_only_a_host_who_takes_off_the_platforms_label_hides_it(put_up_by: str, taken_by: str, tampered: bool) -> None:
    room = after(label(0, by=put_up_by), label(1_000, False, by=taken_by))
    assert (room.facts.tamper.certainty == Certainty.POSSIBLE) is tampered


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
    assert labelled_ms(room, T0, T0 + 300_000) == expected_ms


def test_unlabelled_bets_only_on_blocks_without_a_label_for_half_of_their_time() -> None:
    for off_ms, bets in ((150_000, False), (149_999, True)):
        looks = [ev(e.DetectorScore, at, score=0.99) for at in range(0, 300_000, 10_000)]
        room = a_room(in_time(beats(7 * MINUTE), looks, [label(0), label(off_ms, False)]))
        assert "AI" in room.families
        assert (room.evidence("UNLABELLED") is room.families["AI"]) is bets  # AI stands in until a labelled block


def test_flickering_out_of_order_for_minutes_stays_bounded_and_stops_nothing() -> None:
    """Each label is reported a minute late, each gap at once: the marks that are kept may all be gaps."""
    room = a_room([beat(0)])
    for i in range(100):
        feed(room, [label(50_000 + i, False), label(i, True)])
    feed(room, [label(60_000, False), *beats(12 * MINUTE, from_ms=60_000)])
    assert len(room.label_marks) == LABEL_MARKS_MAX
    assert room.facts.label.continuous is False


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
    assert room.facts.label.visible
    assert room.facts.ai_presenter.certainty == certainty
