"""A room's life: every phase and event; sessions with and without a close; silence; what comes after the end."""

import pytest

from tests.audit.build import HOUR, MINUTE, SECOND, T0, a_room, ask, beat, beats, ev, feed, in_time, say
from worker.audit import events as e
from worker.audit.apply import apply
from worker.audit.facts import SESSION_BIT, Facts
from worker.audit.lifecycle import NEXT, SILENCE_MS, Status
from worker.audit.room import Phase

EXPECTED = """\
            opened   heartbeat  heartbeat+paused  paused  resumed  closed  comment
UNKNOWN     LIVE     LIVE       PAUSED            PAUSED  LIVE     CLOSED  UNKNOWN
LIVE        LIVE     LIVE       PAUSED            PAUSED  LIVE     CLOSED  LIVE
PAUSED      PAUSED   LIVE       PAUSED            PAUSED  LIVE     CLOSED  PAUSED
CLOSED      CLOSED   CLOSED     CLOSED            CLOSED  CLOSED   CLOSED  CLOSED
"""
COLUMNS = {
    "opened": (e.RoomOpened, {}),
    "heartbeat": (e.RoomHeartbeat, {}),
    "heartbeat+paused": (e.RoomHeartbeat, {"paused": True}),
    "paused": (e.RoomPaused, {}),
    "resumed": (e.RoomResumed, {}),
    "closed": (e.RoomClosed, {}),
    "comment": (e.ViewerComment, {}),
}
_HEAD, *_ROWS = EXPECTED.splitlines()
TABLE = [
    (row.split()[0], what, after) for row in _ROWS for what, after in zip(_HEAD.split(), row.split()[1:], strict=True)
]
INTO = {
    "UNKNOWN": [ask(0)],
    "LIVE": [beat(0)],
    "PAUSED": [beat(0), ev(e.RoomPaused, 1)],
    "CLOSED": [beat(0), ev(e.RoomClosed, 1)],
}


@pytest.mark.parametrize(("before", "what", "after"), TABLE)
def test_every_phase_and_event(before: str, what: str, after: str) -> None:
    room = a_room(INTO[before])
    assert Phase(room.phase).name == before
    kind, fields = COLUMNS[what]
    feed(room, [ev(kind, 10_000, **fields)])
    assert Phase(room.phase).name == after


def test_the_table_of_moves_covers_every_phase_but_the_closed_one() -> None:
    assert {phase for phase, _ in NEXT} == set(Phase) - {Phase.CLOSED}
    assert len(NEXT) == 3 * 4


@pytest.mark.parametrize("kind", [e.ViewerComment, e.HostSpeech, e.WatermarkRead, e.RoomHeartbeat, e.ChallengeResult])
def test_after_the_close_an_event_is_out_of_session_and_one_of_before_is_late(kind: type) -> None:
    room = a_room([beat(0), ev(e.RoomClosed, 100_000)])
    before = room.facts
    assert feed(room, [ev(kind, 100_001), ev(kind, 100_000), ev(kind, 90_000)]) == [
        Status.OUT_OF_SESSION, Status.LATE, Status.LATE,
    ]  # fmt: skip
    assert room.facts == before and room.max_at_ms == T0 + 100_000


def test_an_event_of_another_session_is_out_of_session_and_changes_nothing() -> None:
    room = a_room([beat(0)])
    assert feed(room, [ev(e.WatermarkRead, 10, session_id="other")]) == [Status.OUT_OF_SESSION]
    assert room.facts == Facts() and room.max_at_ms == T0


def test_an_event_without_a_session_belongs_to_the_present_one() -> None:
    room = a_room([beat(0)])
    assert feed(room, [ev(e.WatermarkRead, 10, session_id=None)]) == [Status.APPLIED]
    assert room.facts.ai_presenter.certainty


def test_a_room_first_heard_without_a_session_takes_the_first_that_is_named() -> None:
    """Neither a comment nor a heartbeat that names it begins anew: what was heard before stays."""
    for named in (ask(2_000), beat(2_000), ev(e.RoomOpened, 2_000)):
        room = a_room([ev(e.WatermarkRead, 0, session_id=None)])
        assert feed(room, [named]) == [Status.APPLIED]
        assert room.session_id == "s1" and room.session_start_ms == T0
        assert room.facts.ai_presenter.certainty


def second(at_ms: int, **fields: object) -> e.RoomHeartbeat:
    """A heartbeat of the next session, which started just then."""
    beat_of_s2: e.RoomHeartbeat = beat(at_ms, session_id="s2", started_at_ms=T0 + at_ms, **fields)
    return beat_of_s2


def test_a_next_session_ends_the_one_before_it_with_or_without_a_close() -> None:
    marked = [beat(0), ev(e.WatermarkRead, 1_000)]
    closed = a_room([*marked, ev(e.RoomClosed, 2_000), second(60_000)])
    unclosed = a_room([*marked, ask(2_000), second(60_000)])
    for room in (closed, unclosed):
        assert (room.session_id, Phase(room.phase)) == ("s2", Phase.LIVE)
        assert room.facts == Facts()
        assert room.session_start_ms == room.max_at_ms == T0 + 60_000
        assert room.families == {} and room.excerpts == ()


def test_a_session_that_the_next_one_ends_lets_rules_look_before_anything_is_forgotten() -> None:
    room = a_room([beat(0), ev(e.WatermarkRead, 1_000)])
    assert apply(room, second(60_000), 9) == Status.SESSION_ENDED
    assert room.changed & SESSION_BIT
    assert room.phase == Phase.CLOSED and room.closed_ms == T0 + 1_000
    assert room.facts.ai_presenter.certainty and room.session_id == "s1"
    assert apply(room, second(60_000), 9) == Status.APPLIED
    assert room.first_offset == 9


def test_a_descriptor_of_an_earlier_or_equal_start_begins_nothing() -> None:
    room = a_room([beat(0)])
    stray = beat(60_000, session_id="s0", started_at_ms=T0)
    assert feed(room, [stray]) == [Status.OUT_OF_SESSION]
    assert room.session_id == "s1"


def test_the_last_block_of_a_session_counts_though_it_was_never_full() -> None:
    looks = [ev(e.DetectorScore, at, score=0.99) for at in range(0, 100_000, 10_000)]
    room = a_room(in_time([beat(0)], looks, [ev(e.RoomClosed, 120_000)]))
    assert room.families["AI"].values[0] == 1.0
    assert room.panes == {}


def test_viewers_who_still_waited_when_the_session_closed_accuse_nobody() -> None:
    room = a_room([beat(0), say(1_000), *(ask(20_000 + i) for i in range(5)), ev(e.RoomClosed, 40_000)])
    assert room.counts.prompts == 0 and "NONINT" not in room.families


def test_six_hours_of_silence_end_a_session_and_one_millisecond_less_does_not() -> None:
    marked = [beat(0), ev(e.WatermarkRead, 0)]
    at_six = a_room(marked)
    feed(at_six, [ask(SILENCE_MS)])
    after_six = a_room(marked)
    feed(after_six, [ask(SILENCE_MS + 1)])
    assert at_six.facts.ai_presenter.certainty and not after_six.facts.ai_presenter.certainty
    forgotten = a_room([ask(SILENCE_MS + 1)])
    assert after_six.session_start_ms == forgotten.session_start_ms


def test_a_silent_room_that_was_closed_begins_anew_too() -> None:
    room = a_room([beat(0), ev(e.RoomClosed, 1_000)])
    assert feed(room, [ask(1_000 + SILENCE_MS + 1)]) == [Status.APPLIED]
    assert room.phase == Phase.UNKNOWN


@pytest.mark.parametrize("hours", [0, 1, 48])
def test_a_review_is_taken_in_a_live_and_in_a_closed_room_however_late(hours: int) -> None:
    review = ev(e.ReviewDecided, hours * HOUR, session_id=None)
    for log in ([beat(0), beat(90_000)], [beat(0), ev(e.RoomClosed, 1_000)]):
        room = a_room(log)
        assert feed(room, [review]) == [Status.APPLIED]
        assert room.reviews == [("v", "upheld", "reviewer")]


def test_a_reviewers_clock_moves_no_event_time() -> None:
    """Reviews come from another system, hours later: they neither make events late nor keep a silent room alive."""
    room = a_room([beat(0), ev(e.WatermarkRead, 0)])
    feed(room, [ev(e.ReviewDecided, 4 * MINUTE)])
    assert feed(room, [ask(1_000)]) == [Status.APPLIED]
    feed(room, [ev(e.ReviewDecided, 7 * HOUR), ask(8 * HOUR)])
    assert room.session_start_ms == T0 + 8 * HOUR and not room.facts.ai_presenter.certainty


def test_breaks_never_pile_up() -> None:
    log = [beat(0)]
    for i in range(1, 40):
        log += [ev(e.RoomPaused, i * SECOND), ev(e.RoomResumed, i * SECOND + 400)]
    room = a_room(log)
    assert len(room.breaks) == 8
    feed(room, beats(12 * MINUTE, from_ms=60_000))
    assert len(room.breaks) == 0


def test_after_six_hours_a_room_of_no_consequence_is_as_one_that_was_forgotten() -> None:
    """Workers forget such rooms: what is kept of one for longer must not show in what comes later."""
    later = [beat(2 * SILENCE_MS), ask(2 * SILENCE_MS + 1_000), ask(2 * SILENCE_MS + 2_000)]
    kept = a_room([beat(0), ask(1_000), ev(e.WatermarkRead, 2_000), *later])
    forgotten = a_room(later)
    kept.offset = kept.first_offset = forgotten.offset = forgotten.first_offset = 0
    kept.prompts = forgotten.prompts = ()
    kept.excerpts = forgotten.excerpts = ()
    kept.panes = forgotten.panes = {}
    assert kept == forgotten
