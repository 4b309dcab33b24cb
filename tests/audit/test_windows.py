"""Windows, signals and families against the oracle, and their half-open boundaries by name."""

from collections import Counter

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.audit.build import MINUTE, ROOM_ID, SECOND, T0, a_room, ask, beat, beats, ev, feed, in_time, say
from tests.audit.oracle import Oracle
from tests.audit.rooms import random_log
from worker.audit import events as e
from worker.audit import windows
from worker.audit.room import BLOCK_MS, PANE_MS, Room, block_start
from worker.audit.sessions import Status


def log_e(room: Room) -> dict[str, float]:
    """ln M of each family that has bet; AI stands in for UNLABELLED until a labelled block."""
    named = {**room.session.families, "UNLABELLED": room.evidence("UNLABELLED")}
    return {name: family.log_e() for name, family in named.items() if family and family.last_ms > room.session.start_ms}


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=25, phases=(Phase.generate,))
@given(st.integers(0, 2**32))
def test_every_family_equals_the_slow_and_obvious_one(seed: int) -> None:
    log = random_log(seed, minutes=40)
    room, oracle = a_room(log), Oracle(log)
    assert log_e(room) == pytest.approx(oracle.log_e(), abs=1e-9)
    if not oracle.breaks:
        assert room.session.counts.prompts == sum(block.due for block in oracle.blocks)


@pytest.mark.slow
def test_random_rooms_reach_every_family_and_every_reason_to_abstain() -> None:
    """The property above is worth as much as the rooms it draws."""
    seen: set[str] = set()
    for seed in range(20):
        oracle = Oracle(random_log(seed, minutes=40))
        seen |= set(oracle.log_e())
        for block in oracle.blocks:
            seen |= {f"unanswered {block.unanswered}", f"excitation {block.excitation}"}
            if block.unanswered is None:
                seen |= {"paused"} if block.paused_ms else set()
                seen |= {"overload"} if block.skipped > block.due else set()
                seen |= {"few prompts"} if block.due < 3 else set()
    assert seen >= {
        "NONINT", "AI", "UNLABELLED", "PLAY", "CHALLENGE", "unanswered 1.0", "unanswered 0.0", "unanswered None",
        "paused", "overload", "few prompts", "excitation 1.0", "excitation 0.0", "excitation None",
    }  # fmt: skip


# --- boundaries ---


def test_a_pane_closes_when_the_watermark_reaches_its_end_and_not_a_millisecond_before() -> None:
    room = a_room([beat(0), ask(9_999), beat(69_999)])
    assert list(room.session.panes) == [T0]
    feed(room, [beat(70_000)])
    assert list(room.session.panes) == [] and len(room.session.prompts) == 1


def test_rooms_close_their_blocks_at_times_of_their_own_and_every_session_at_the_same() -> None:
    starts = sorted(block_start(f"room:{n}", T0) for n in range(3_000))
    assert starts[0] > T0 - BLOCK_MS and starts[-1] <= T0
    in_each_pane = Counter((T0 - start) // PANE_MS for start in starts)
    assert len(in_each_pane) == 30 and max(in_each_pane.values()) < 2 * 100  # a hundred on average
    for at_ms in (T0 + 1, T0 + BLOCK_MS - 1, T0 + BLOCK_MS, T0 - 1):
        assert (block_start(ROOM_ID, at_ms) - T0) % BLOCK_MS == 0 <= at_ms - block_start(ROOM_ID, at_ms) < BLOCK_MS


def test_an_event_exactly_at_a_panes_end_belongs_to_the_next() -> None:
    room = a_room([beat(0), ask(10_000)])
    assert list(room.session.panes) == [T0 + 10_000]


def test_a_block_closes_at_its_end_plus_lateness() -> None:
    log = [*beats(350 * SECOND), beat(359_999)]
    room = a_room(log)
    assert room.session.block_start_ms == T0
    feed(room, [beat(360_000)])
    assert room.session.block_start_ms == T0 + 5 * MINUTE


def test_an_event_exactly_at_a_blocks_end_belongs_to_the_next() -> None:
    looks = [ev(e.DetectorScore, at) for at in range(240_000, 291_000, 10_000)]
    six_in_the_first = a_room(in_time(beats(7 * MINUTE), looks))
    one_at_the_end = a_room(in_time(beats(7 * MINUTE), looks[:5], [ev(e.DetectorScore, 300_000)]))
    assert "AI" in six_in_the_first.session.families
    assert "AI" not in one_at_the_end.session.families


def test_sixty_seconds_late_is_in_time_and_one_millisecond_more_is_late() -> None:
    room = a_room([beat(0), beat(90_000)])
    assert feed(room, [ask(30_000), ask(29_999)]) == [Status.APPLIED, Status.LATE]
    assert room.session.counts.late == 1 and room.session.counts.comments == 1


def test_a_late_event_changes_nothing_but_the_count_of_late_ones() -> None:
    log = random_log(5, minutes=20)
    plain, with_late = a_room([ev(e.HostReply, 0), *log]), a_room([ev(e.HostReply, 0), *log])
    assert set(feed(with_late, [say(0, "感谢大家"), ev(e.HostReply, 0), ev(e.DetectorScore, 0)])) == {Status.LATE}
    with_late.session.counts.late = plain.session.counts.late
    assert with_late.session == plain.session


@pytest.mark.parametrize(("asked_ms", "due_in"), [(169_999, [3, 0]), (170_000, [0, 3])])
def test_a_prompt_due_exactly_at_a_blocks_end_counts_in_the_next(asked_ms: int, due_in: list[int]) -> None:
    log = in_time(beats(12 * MINUTE), [ask(asked_ms) for _ in range(3)], [say(310_000)])
    oracle, room = Oracle(log), Room(ROOM_ID)
    found = []
    for event in log:
        before, counted = room.session.block_start_ms, room.session.counts.prompts
        feed(room, [event])
        if room.session.block_start_ms != before and room.session.block_start_ms > T0:
            found.append(room.session.counts.prompts - counted)
    assert found[:2] == due_in == [block.due for block in oracle.blocks[:2]]


def test_prompts_fall_due_in_their_own_block_though_nothing_else_happens() -> None:
    """Three questions, and then nothing but a word and heartbeats, are three prompts of that block."""
    room = a_room(in_time(beats(6 * MINUTE), [say(116_000)], [ask(5_000 + i) for i in range(3)]))
    assert room.session.counts.prompts == 3
    assert room.session.families["NONINT"].values[0] == 1.0


def test_two_answers_near_a_blocks_end_answer_both_blocks() -> None:
    """One prompt is due just before the end, others just after; each block knows that its viewers were answered."""
    answer = "这件衣服一共多少钱我来说"
    log = in_time(
        beats(15 * MINUTE), [ask(168_000), ask(169_000), ask(169_500), ask(170_000), ask(171_000), ask(172_000)],
        [say(174_000, answer), say(320_000)],
    )  # fmt: skip
    room = a_room(log)
    assert room.session.counts.answered == 2
    assert room.session.families["NONINT"].values[0] == 0.0


@pytest.mark.parametrize(("said_ms", "answered"), [(140_000, True), (140_001, False), (10_000, False), (10_001, True)])
def test_speech_answers_from_twenty_seconds_before_its_prompt_to_twenty_after_its_time(
    said_ms: int, answered: bool
) -> None:
    log = in_time(beats(6 * MINUTE), [ask(30_000) for _ in range(3)], [say(said_ms, "这件衣服多少钱我现在告诉你")])
    assert bool(a_room(log).session.counts.answered) is answered


@pytest.mark.parametrize(("after_ms", "answered"), [(90_000, True), (90_001, False), (0, False), (1, True)])
def test_a_reply_counts_after_its_prompt_and_up_to_ninety_seconds_later(after_ms: int, answered: bool) -> None:
    """Its clock is that of the prompts."""
    log = in_time(beats(6 * MINUTE), [ask(30_000) for _ in range(3)], [ev(e.HostReply, 30_000 + after_ms)])
    assert bool(a_room(log).session.counts.answered) is answered


def test_a_break_over_a_blocks_end_silences_both_blocks_and_no_third() -> None:
    for start_s, end_s, silent in [(290, 310, {0, 1}), (300, 310, {1}), (310, 340, {1}), (290, 300, {0})]:
        questions = [ask(at * SECOND) for at in range(0, 900, 15)]
        log = in_time(
            [beat(0)], [say(at * SECOND) for at in (5, 279, 299, 605, 899, 960)], questions,
            [ev(e.RoomPaused, start_s * SECOND), ev(e.RoomResumed, end_s * SECOND)],
            beats(17 * MINUTE, from_ms=16 * MINUTE),
        )  # fmt: skip
        oracle = Oracle(log)
        assert {i for i, block in enumerate(oracle.blocks) if block.paused_ms} == silent
        assert log_e(a_room(log)) == pytest.approx(oracle.log_e(), abs=1e-9)


def test_prompts_whose_time_had_run_out_before_a_break_still_count_and_the_waiting_ones_do_not() -> None:
    early, waiting = [ask(100_000 + i) for i in range(3)], [ask(220_000 + i) for i in range(3)]
    pause = [ev(e.RoomPaused, 305_000), ev(e.RoomResumed, 400_000)]
    room = a_room(in_time([beat(0)], [say(500), say(299_000)], early, waiting, pause, beats(900_000, from_ms=420_000)))
    assert room.session.counts.prompts == 3


def test_an_answered_viewer_is_not_forgotten_because_a_break_began() -> None:
    """An answer whose prompt was due before the break keeps the block from being called unanswered."""
    silent = [ask(20_000 + i) for i in range(3)]
    heard = [ask(160_000), say(165_000, "这件衣服多少钱我现在告诉你")]
    pause = [ev(e.RoomPaused, 305_000), ev(e.RoomResumed, 400_000)]
    room = a_room(in_time([beat(0)], silent, heard, [say(299_000)], pause, beats(900_000, from_ms=420_000)))
    assert room.session.families["NONINT"].values[0] == 0.0


def test_hours_of_silence_close_every_block_at_once_and_forget_the_last_value() -> None:
    log = in_time(beats(6 * MINUTE), [say(500), say(119_000)], [ask(5_000 + i) for i in range(3)])
    room = a_room(log)
    feed(room, [beat(5 * 60 * MINUTE)])
    assert room.session.block_start_ms == T0 + 5 * 60 * MINUTE - 5 * MINUTE  # its end is not past yet: lateness
    assert room.session.families["NONINT"].prev == (None, None)


def test_prompts_open_before_a_silence_fall_due_in_their_own_block() -> None:
    questions = [ask(290_000 + i) for i in range(3)]
    log = in_time([beat(0)], questions, [say(310_000), say(410_000)], [beat(4 * 60 * MINUTE)])
    oracle = Oracle(log)
    assert [block.due for block in oracle.blocks[:3]] == [0, 3, 0]
    assert log_e(a_room(log)) == pytest.approx(oracle.log_e(), abs=1e-9)


def test_a_clock_that_said_1970_makes_no_room_ask_for_half_a_century() -> None:
    room = a_room([beat(1 - T0, started_at_ms=1), ask(2 - T0), say(3 - T0)])
    feed(room, beats(30 * MINUTE))
    assert room.session.asking is not None and room.session.asking.requests < 20
    assert room.session.block_start_ms > room.watermark_ms - BLOCK_MS


def test_a_session_whose_first_clock_said_1970_closes_no_blocks_of_half_a_century(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = a_room([beat(0), ev(e.RoomClosed, 1_000), beat(-T0, session_id="s2"), *beats(MINUTE, session_id="s2")])
    closed = 0

    def count(room: Room, end_ms: int) -> None:
        nonlocal closed
        closed += 1
        assert closed < 200
        close_block(room, end_ms)

    close_block = windows._close_block
    monkeypatch.setattr(windows, "_close_block", count)
    asked = [ask(at_ms, session_id="s2") for at_ms in range(60_000, 700_000, 10_000)]
    feed(room, in_time(beats(12 * MINUTE, from_ms=MINUTE, session_id="s2"), asked))
    assert closed and room.session.block_start_ms > room.watermark_ms - BLOCK_MS
