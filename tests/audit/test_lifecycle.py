"""A session's life: every phase and event, and reviews. Who displaces whom is in `test_sessions`."""

import pytest

from tests.audit.build import HOUR, MINUTE, T0, a_room, ask, beat, ev, feed
from worker.audit import events as e
from worker.audit.room import Phase
from worker.audit.sessions import Status

EXPECTED = """\
            opened   heartbeat  heartbeat+paused  heartbeat-paused  paused  resumed  closed  comment
UNKNOWN     LIVE     LIVE       PAUSED            LIVE              PAUSED  UNKNOWN  CLOSED  UNKNOWN
LIVE        LIVE     LIVE       PAUSED            LIVE              PAUSED  LIVE     CLOSED  LIVE
PAUSED      PAUSED   PAUSED     PAUSED            LIVE              PAUSED  LIVE     CLOSED  PAUSED
CLOSED      LIVE     LIVE       PAUSED            LIVE              CLOSED  CLOSED   CLOSED  CLOSED
"""
COLUMNS = {
    "opened": (e.RoomOpened, {}),
    "heartbeat": (e.RoomHeartbeat, {}),
    "heartbeat+paused": (e.RoomHeartbeat, {"paused": True}),
    "heartbeat-paused": (e.RoomHeartbeat, {"paused": False}),
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
    assert Phase(room.session.phase).name == before
    kind, fields = COLUMNS[what]
    feed(room, [ev(kind, 10_000, **fields)])
    assert Phase(room.session.phase).name == after


@pytest.mark.parametrize("hours", [0, 1, 48])
def test_a_review_is_taken_in_a_live_and_in_a_closed_room_however_late(hours: int) -> None:
    review = ev(e.ReviewDecided, hours * HOUR, session_id=None)
    for log in ([beat(0), beat(90_000)], [beat(0), ev(e.RoomClosed, 1_000)]):
        room = a_room(log)
        assert feed(room, [review]) == [Status.APPLIED]
        assert [(r.violation_id, r.outcome, r.by) for r in room.reviews] == [("v", "upheld", "reviewer")]


def test_a_reviewers_clock_moves_no_event_time() -> None:
    """Reviews come from another system, hours later: they neither make events late nor keep a silent room alive."""
    room = a_room([beat(0), ev(e.WatermarkRead, 0)])
    feed(room, [ev(e.ReviewDecided, 4 * MINUTE)])
    assert feed(room, [ask(1_000)]) == [Status.APPLIED]
    feed(room, [beat(8 * HOUR, session_id="s2")])
    assert room.session.start_ms == T0 + 8 * HOUR and not room.session.facts.ai_presenter.certainty
