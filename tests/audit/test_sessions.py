"""Sessions of a room, rule by rule of tests/meaning/CONTRACT.md: leases, aliases, reopening, and what is foreign."""

from typing import Any

import pytest

from tests.audit.build import HOUR, MINUTE, SECOND, T0, a_room, ask, beat, beats, ev, feed, in_time, reborn, say
from worker.audit import events as e
from worker.audit import snapshot
from worker.audit.apply import apply
from worker.audit.facts import SESSION_BIT
from worker.audit.lifecycle import settle
from worker.audit.room import ALIASES_MAX, ASIDE_MAX, FOREVER_MS, STRANGERS_MAX, Phase, Room, Session
from worker.audit.sessions import Status, take_letter

LEASE_MS, REOPEN_MS, SILENCE_MS, LETTERS_MAX = 90_000, 600_000, 6 * HOUR, 10
YEAR_2099 = 4_070_908_800_000
ASIDE_BYTES = 700
"""What a session takes that was set aside with nothing in it."""


def rival(at_ms: int, name: str = "s2", *, began_ms: int | None = None, **fields: Any) -> Any:
    """A heartbeat of another session, which began just then or when it is said."""
    return beat(at_ms, session_id=name, started_at_ms=T0 + at_ms if began_ms is None else began_ms, **fields)


def send(room: Room, event: Any, appended_ms: int) -> Status:
    """Apply one event that was appended `appended_ms` after T0."""
    room.offset += 1
    status = apply(room, event, room.offset, T0 + appended_ms)
    if status is Status.SESSION_ENDED:
        status = apply(room, event, room.offset, T0 + appended_ms)
    room.changed = 0
    return status


def close(at_ms: int, **fields: Any) -> Any:
    return ev(e.RoomClosed, at_ms, **fields)


# --- 1: the first record that names a session begins it


def test_rule_1_the_first_record_that_names_a_session_begins_it() -> None:
    room = a_room([ev(e.WatermarkRead, 1_000)])
    assert (room.session.id, room.session.start_ms, room.session.number) == ("s1", T0 + 1_000, 1)
    assert room.session.phase == Phase.UNKNOWN and not room.session.began_ms
    feed(room, [beat(2_000)])
    assert room.session.phase == Phase.LIVE and room.session.began_ms == T0


def test_rule_1_a_session_began_at_its_first_descriptor_if_its_start_lies_ahead() -> None:
    room = a_room([beat(5_000, started_at_ms=YEAR_2099), beat(20_000, started_at_ms=T0)])
    assert room.session.began_ms == T0 + 5_000 and not room.session.whole


# --- 2: who takes the room


def test_rule_2_a_later_start_takes_the_room_and_an_earlier_or_equal_one_does_not() -> None:
    for began_ms, after in ((T0 + 1, "s2"), (T0, "s1"), (T0 - HOUR, "s1")):
        room = a_room([beat(0), rival(20_000, began_ms=began_ms, host_id="h2")])
        assert room.session.id == after


def test_rule_2_a_closed_session_gives_way_to_any() -> None:
    room = a_room([beat(0), close(10_000)])
    assert feed(room, [rival(20_000, began_ms=T0 - HOUR)]) == [Status.APPLIED]
    assert room.session.id == "s2" and room.aside == []


def test_rule_2_a_session_without_a_descriptor_for_90_s_of_append_time_gives_way() -> None:
    for silent_ms, status in ((LEASE_MS, Status.FOREIGN), (LEASE_MS + 1, Status.APPLIED)):
        room = a_room([beat(0), ask(80_000)])
        assert send(room, rival(5_000, began_ms=T0 - HOUR), silent_ms) == status


def test_rule_2_a_session_that_a_stray_record_began_gives_way_to_any_descriptor() -> None:
    room = a_room([ev(e.WatermarkRead, 1_000, session_id="stray")])
    assert feed(room, [beat(500, started_at_ms=T0 - HOUR)]) == [Status.APPLIED]
    assert room.session.id == "s1" and not room.session.claims


def test_rule_2_rules_look_before_a_session_leaves_the_air() -> None:
    room = a_room([beat(0), ev(e.WatermarkRead, 1_000)])
    assert apply(room, rival(60_000), 9, T0 + 60_000) == Status.SESSION_ENDED
    assert room.changed & SESSION_BIT and room.session.off_appended_ms == T0 + 60_000
    assert room.session.facts.ai_presenter.certainty and room.session.id == "s1"
    assert apply(room, rival(60_000), 9, T0 + 60_000) == Status.APPLIED
    assert (room.session.id, room.session.first_offset) == ("s2", 9)
    assert not room.session.facts.ai_presenter.certainty


def test_a_start_in_2099_holds_a_room_for_105_s_at_most() -> None:
    """One stray heartbeat: the room's own comes every 15 s, and takes it back when the lease has run out."""
    room = a_room([*beats(300_000, every_ms=15_000), ev(e.WatermarkRead, 200_000)])
    feed(room, [rival(301_000, began_ms=YEAR_2099)])
    away = 0
    for at_ms in range(315_000, 600_000, 15_000):
        (status,) = feed(room, [beat(at_ms)])
        away += status is Status.FOREIGN
    assert away == 6 and room.session.id == "s1" and room.session.facts.ai_presenter.certainty
    ((start_ms, end_ms),) = room.session.breaks
    assert (start_ms, end_ms) == (T0 + 301_000, T0 + 405_000)


# --- 3: aliases


def test_rule_3_another_id_of_the_same_host_and_start_is_the_same_session() -> None:
    room = a_room([beat(0), ev(e.WatermarkRead, 1_000), beat(20_000, session_id="s1b")])
    assert (room.session.id, room.session.aliases, room.session.number) == ("s1", ("s1b",), 1)
    assert feed(room, [ask(21_000, session_id="s1b"), ask(22_000)]) == [Status.APPLIED, Status.APPLIED]
    assert room.session.facts.ai_presenter.certainty


def test_rule_3_four_aliases_are_kept() -> None:
    room = a_room([beat(i * 1_000, session_id=f"a{i}") for i in range(ALIASES_MAX + 3)])
    assert len(room.session.aliases) == ALIASES_MAX
    assert feed(room, [ask(9_000, session_id="a4"), ask(9_001, session_id="a5")]) == [Status.APPLIED, Status.FOREIGN]


# --- 4: set aside, and back


def test_rule_4_a_displaced_session_goes_on_with_all_that_it_had() -> None:
    log = in_time(beats(400_000), [say(at * SECOND) for at in range(0, 400, 4)],
                  [ev(e.DetectorScore, at * SECOND, score=0.99) for at in range(0, 400, 10)])  # fmt: skip
    room = a_room([*log, ev(e.WatermarkRead, 400_000)])
    before = room.session
    families = {name: family.masses for name, family in before.families.items()}
    panes, spoken = (
        dict(before.panes),
        bytes(before.speech.store.times) if before.speech and before.speech.store else b"",
    )
    assert families and panes and spoken
    feed(room, [rival(401_000, began_ms=YEAR_2099)])
    assert room.session.id == "s2" and room.aside == [before]
    feed(room, [ask(402_000, session_id="s2")])
    assert feed(room, [beat(500_000)]) == [Status.APPLIED]
    session = room.session
    assert session is before and session.breaks == ((T0 + 401_000, T0 + 500_000),)
    assert session.facts.ai_presenter.certainty and session.speech is not None and session.speech.store is not None
    assert bytes(session.speech.store.times)[: len(spoken)] == spoken
    assert session.families.keys() >= families.keys() and session.ring == b""


def test_rule_4_what_was_open_closes_against_the_rooms_watermark_without_bets_from_the_break() -> None:
    room = a_room([beat(0), say(1_000), *(ask(60_000 + i, comment_id=f"c{i}") for i in range(5)), beat(80_000)])
    feed(room, [rival(81_000, began_ms=YEAR_2099)])
    feed(room, [beat(200_000), *in_time(beats(400_000, from_ms=220_000), [say(at) for at in (210_000, 390_000)])])
    assert room.session.id == "s1" and not [start for start in room.session.panes if start < T0 + 300_000]
    assert room.session.counts.prompts == 0 and "NONINT" not in room.session.families


@pytest.mark.parametrize(("away_ms", "back"), [(REOPEN_MS, True), (REOPEN_MS + 1, False)])
def test_rule_4_a_session_is_set_aside_for_ten_minutes_of_append_time(away_ms: int, back: bool) -> None:
    room = a_room([beat(0), ev(e.WatermarkRead, 1_000), rival(2_000, began_ms=YEAR_2099)])
    assert send(room, beat(50_000), 2_000 + away_ms) == Status.APPLIED
    assert (room.session.number == 1) is back
    assert bool(room.session.facts.ai_presenter.certainty) is back


def test_rule_4_four_are_set_aside_those_with_most_descriptors() -> None:
    log = []
    for i in range(ASIDE_MAX + 2):
        log += [rival(i * 1_000 + k, f"r{i}", began_ms=T0 + i * 1_000) for k in range(1 if i == 2 else 3)]
    room = a_room(log)
    assert [one.id for one in room.aside] == ["r0", "r1", "r3", "r4"] and room.session.id == "r5"


def test_rule_4_a_session_that_was_displaced_with_nothing_in_it_is_small() -> None:
    room = a_room([beat(0), *[rival(i, f"r{i}", began_ms=T0 + i) for i in range(1, ASIDE_MAX + 1)]])
    assert len(room.aside) == ASIDE_MAX
    alone = len(snapshot.encode(a_room([beat(0)])))
    assert len(snapshot.encode(room)) - alone <= ASIDE_MAX * ASIDE_BYTES


# --- 5: reopening


def test_rule_5_a_descriptor_after_the_close_reopens_and_sheds_nothing() -> None:
    log = in_time(beats(400_000), [ev(e.DetectorScore, at * SECOND, score=0.99) for at in range(0, 400, 10)])
    room = a_room([*log, ev(e.WatermarkRead, 400_000), ev(e.LabelState, 400_000), close(400_000)])
    assert room.session.phase == Phase.CLOSED
    before = snapshot.encode(room)
    assert feed(room, [beat(400_000 + REOPEN_MS)]) == [Status.APPLIED]
    session = room.session
    assert session.phase == Phase.LIVE and session.number == 1 and not session.off_appended_ms
    assert session.facts.ai_presenter.certainty and session.facts.label.ever and session.families["AI"].blocks[0]
    assert session.breaks == ((T0 + 400_000, T0 + 400_000 + REOPEN_MS),)
    assert before != snapshot.encode(room)


def test_rule_5_ten_minutes_later_it_is_another_session_of_the_same_id() -> None:
    room = a_room([beat(0), ev(e.WatermarkRead, 1_000), close(2_000)])
    feed(room, [beat(2_000 + REOPEN_MS + 1)])
    assert (room.session.id, room.session.number) == ("s1", 2) and not room.session.facts.ai_presenter.certainty


def test_rule_5_a_descriptor_of_before_the_close_changes_nothing() -> None:
    room = a_room([beat(0), close(100_000)])
    assert feed(room, [beat(100_000), beat(95_000)]) == [Status.APPLIED, Status.APPLIED]
    assert room.session.phase == Phase.CLOSED


def test_a_close_that_a_descriptor_has_overtaken_does_not_count() -> None:
    room = a_room([beat(100_000), close(99_999)])
    assert room.session.phase == Phase.LIVE
    feed(room, [close(100_000)])
    assert room.session.phase == Phase.CLOSED


def test_viewers_who_still_waited_when_the_session_closed_accuse_no_one() -> None:
    log = [beat(0), say(1_000), *(ask(20_000 + i, comment_id=f"c{i}") for i in range(5)), close(40_000)]
    for back in ([], in_time(beats(6 * MINUTE, from_ms=80_000), [say(100_000), say(350_000)])):
        room = a_room([*log, *back])
        assert room.session.counts.prompts == 0 and "NONINT" not in room.session.families


@pytest.mark.parametrize(("every_ms", "off_ms"), [(MINUTE, 3_000), (4 * MINUTE, 5_000), (10 * MINUTE, 5_000)])
def test_reconnecting_does_not_keep_a_host_who_answers_no_one_from_being_judged(every_ms: int, off_ms: int) -> None:
    """At every pace the same prompts fall due as without reconnects, but for those asked while it was off the air."""
    end_ms = 31 * MINUTE
    asked = [ask(at, comment_id=f"c{at}") for at in range(20_000, end_ms, 20_000)]
    spoken = [say(at) for at in range(0, end_ms, 10_000)]
    steady = a_room(in_time(beats(end_ms), asked, spoken))
    cuts = range(every_ms, end_ms - MINUTE, every_ms)
    on_air = [
        x for x in in_time(beats(end_ms), asked, spoken) if not any(0 <= x.at_ms - T0 - cut < off_ms for cut in cuts)
    ]
    room = a_room(in_time(on_air, [close(cut) for cut in cuts], [beat(cut + off_ms) for cut in cuts]))
    assert room.session.number == 1 and room.session.phase == Phase.LIVE
    lost = steady.session.counts.prompts - room.session.counts.prompts
    assert 0 <= lost <= len(cuts) * 2
    assert room.session.families["NONINT"].blocks == steady.session.families["NONINT"].blocks


def test_minutes_off_the_air_do_not_count_as_idle_and_those_before_are_not_lost() -> None:
    log = in_time(
        beats(14 * MINUTE), [ev(e.FrameMeasured, at, person_present=False) for at in range(0, 14 * MINUTE, 30_000)]
    )
    room = a_room([*log, close(14 * MINUTE)])
    assert room.session.facts.idle.certainty
    since_ms = room.session.facts.idle.since_ms
    feed(room, [beat(19 * MINUTE)])
    assert room.session.facts.idle.certainty and room.session.facts.idle.since_ms == since_ms + 5 * MINUTE


# --- 6: a closed session's records


def test_rule_6_for_ten_minutes_facts_and_registers_are_kept_and_what_is_after_the_close_is_late() -> None:
    room = a_room([beat(0), close(100_000)])
    kept = [
        ev(e.WatermarkRead, 90_000),
        ev(e.LabelState, 90_000),
        ev(e.FrameMeasured, 90_000),
        ev(e.ChallengeResult, 90_000),
    ]
    kinds = (e.DetectorScore, e.HostReply, e.ViewerLiked)
    before, late = ([say(t), ask(t), *(ev(kind, t) for kind in kinds)] for t in (99_999, 100_000))
    assert [send(room, x, 110_000) for x in before] == [Status.APPLIED] * len(before)
    assert [send(room, x, 100_000 + REOPEN_MS) for x in kept] == [Status.APPLIED] * len(kept)
    assert [send(room, x, 100_000 + REOPEN_MS) for x in late] == [Status.LATE] * len(late)
    assert room.session.facts.ai_presenter.certainty and room.session.counts.late == len(late)


def test_rule_6_then_all_but_answers_are_out_of_session() -> None:
    room = a_room([beat(0), close(100_000)])
    kinds = (e.WatermarkRead, e.ViewerComment, e.RoomClosed, e.ViewerLiked, e.ChallengeResult)
    assert {send(room, ev(kind, 99_000), 100_001 + REOPEN_MS) for kind in kinds} == {Status.OUT_OF_SESSION}
    answer = ev(e.RegistrationState, 99_000, session_id=None)
    assert send(room, answer, 100_001 + REOPEN_MS) == Status.APPLIED and room.session.facts.registration.known


def test_to_settle_a_closed_session_takes_nothing_that_can_be_read_and_it_does_not_matter_when() -> None:
    log = in_time(beats(400_000), [say(at * SECOND) for at in range(0, 400, 4)],
                  [ev(e.DetectorScore, at * SECOND, score=0.99) for at in range(0, 400, 10)])  # fmt: skip
    evicted, met = (a_room([*log, close(400_000)]) for _ in range(2))
    for room in (evicted, met):
        room.session.excerpts = ()  # they name events, whose ids differ
    settle(evicted)
    settle(evicted)
    for room in (evicted, met):
        assert send(room, ev(e.WatermarkRead, 400_000, id="w"), 400_001 + REOPEN_MS) == Status.OUT_OF_SESSION
        assert room.session.speech is None and room.session.panes == {} and room.session.due_ms == FOREVER_MS
        assert room.session.families["AI"].blocks[0]


# --- 7: foreign


def test_rule_7_a_record_that_names_another_session_is_foreign() -> None:
    room = a_room([beat(0)])
    for kind in (e.WatermarkRead, e.ViewerComment, e.ViewerLiked, e.RoomClosed, e.RegistrationState):
        assert feed(room, [ev(kind, 10, session_id="other")]) == [Status.FOREIGN]
    assert room.session.phase == Phase.LIVE and not room.session.facts.ai_presenter.certainty


def test_rule_7_without_a_session_a_record_of_before_the_start_is_foreign() -> None:
    room = a_room([beat(0), beat(60_000)])
    early, own = ev(e.WatermarkRead, T0 - 1, session_id=None), ev(e.WatermarkRead, T0, session_id=None)
    assert feed(room, [early, own]) == [Status.FOREIGN, Status.APPLIED]


def test_rule_7_without_a_session_a_record_that_comes_before_any_is_foreign() -> None:
    room = a_room()
    log = [ev(e.WatermarkRead, 0, session_id=None), ask(0, session_id=None), ev(e.ViewerLiked, 0, session_id=None)]
    assert feed(room, log) == [Status.FOREIGN] * 3
    assert room.session == Session() and room.max_at_ms == 0


def test_rule_7_answers_without_a_session_belong_to_the_current_one() -> None:
    answer = ev(e.RegistrationState, T0 - HOUR, session_id=None)
    room = a_room([beat(0)])
    assert feed(room, [answer]) == [Status.APPLIED] and room.session.facts.registration.known
    assert feed(a_room(), [ev(e.FleetMatched, 0, session_id=None)]) == [Status.APPLIED]


def test_the_first_ten_foreign_records_of_each_of_eight_sessions_are_shown() -> None:
    room = a_room([beat(0)])
    shown = [take_letter(room, ask(i, session_id="other")) for i in range(LETTERS_MAX + 5)]
    assert shown == [True] * LETTERS_MAX + [False] * 5
    assert take_letter(room, ask(0, session_id=None))
    made_up = [take_letter(room, ask(i, session_id=f"x{i % 9}")) for i in range(300)]
    assert sum(made_up) == (STRANGERS_MAX - 2) * LETTERS_MAX
    assert len(room.strangers) == STRANGERS_MAX


def test_a_new_session_is_shown_its_own_strangers() -> None:
    room = a_room([beat(0), *(ask(i, session_id=f"x{i}") for i in range(9))])
    for i in range(9):
        take_letter(room, ask(i, session_id=f"x{i}"))
    assert not take_letter(room, ask(9, session_id="y"))
    feed(room, [ev(e.RoomClosed, MINUTE), beat(2 * MINUTE, session_id="s2", started_at_ms=T0 + 2 * MINUTE)])
    assert take_letter(room, ask(3 * MINUTE, session_id="y"))


# --- 8: what a foreign record moves


def test_rule_8_a_foreign_record_moves_append_time_and_nothing_else() -> None:
    room = a_room([beat(0), ask(1_000)])
    before = snapshot.encode(room)
    assert send(room, ask(500_000, session_id="other"), 500_000) == Status.FOREIGN
    assert room.appended_ms == T0 + 500_000 and room.max_at_ms == T0 + 1_000
    room.appended_ms, room.offset = T0 + 1_000, room.offset - 1
    assert snapshot.encode(room) == before


def test_a_repeated_heartbeat_of_a_clock_that_is_hours_ahead_reopens_nothing() -> None:
    ahead = beat(2 * HOUR, id="far", started_at_ms=T0)
    room = a_room()
    send(room, ahead, 0)
    send(room, close(2 * HOUR), 2_000)
    assert send(room, ahead, 32_000) == Status.DUPLICATE and room.session.phase == Phase.CLOSED


# --- silence


def test_six_hours_of_append_time_without_a_record_leave_nothing() -> None:
    for silent_ms, kept in ((SILENCE_MS, True), (SILENCE_MS + 1, False)):
        room = a_room([beat(0), ev(e.WatermarkRead, 0)])
        send(room, ev(e.WatermarkRead, 0, outcome="not_detected"), silent_ms)
        assert bool(room.session.facts.ai_presenter.certainty) is kept


def test_a_room_that_was_silent_is_as_one_that_was_evicted() -> None:
    later = [beat(2 * SILENCE_MS, id="l1"), ask(2 * SILENCE_MS + 1_000, id="l2")]
    log = [beat(0), ask(1_000), ev(e.WatermarkRead, 2_000), rival(3_000, began_ms=YEAR_2099)]
    kept, evicted = a_room(log), Room("douyin:1", 3, offset=len(log) - 1)
    for room in (kept, evicted):
        feed(room, later)
    assert snapshot.encode(kept) == snapshot.encode(evicted)


# --- replay = live


def test_a_room_with_sessions_aside_is_the_same_from_every_snapshot() -> None:
    log: list[Any] = in_time(beats(900_000), [say(at * SECOND) for at in range(0, 900, 7)])
    log = [x for x in log if not 500_000 <= x.at_ms - T0 < 560_000]
    log += [rival(130_000, began_ms=YEAR_2099), rival(140_000, began_ms=YEAR_2099, host_id="x"), close(500_000)]
    log = in_time(log, [ask(at, comment_id=f"c{at}") for at in range(0, 900_000, 33_000)])
    live = a_room(log)
    for cut in range(0, len(log), 9):
        room = a_room(log[:cut])
        room = reborn(room, {})
        feed(room, log[cut:])
        room.session.excerpts = live.session.excerpts
        assert snapshot.encode(room) == snapshot.encode(live), cut
