"""Descriptors and declared breaks are registers: the newest by key holds, in whatever order their words come."""

from tests.audit.build import MINUTE, SECOND, T0, a_room, ask, beat, beats, ev, feed, in_time, say
from worker.audit import breaks
from worker.audit import events as e
from worker.audit.room import Phase


def test_the_newest_descriptor_by_key_holds_in_whatever_order_they_come() -> None:
    old, new = beat(10_000, title="alt", viewers=1, id="a"), beat(20_000, title="neu", viewers=2, id="b")
    opened = ev(e.RoomOpened, 15_000, title="offen", id="c")
    found = set()
    for log in ([old, opened, new], [new, old, opened], [opened, new, old]):
        room = a_room(log)
        found.add((room.session.title, room.session.viewers, room.session.described))
    assert len(found) == 1 and found.pop()[:2] == ("neu", 2)
    room = a_room([old, ev(e.RoomOpened, 30_000, title="offen")])
    assert (room.session.title, room.session.viewers) == ("offen", 1)


def test_a_heartbeat_without_paused_says_nothing_and_one_with_it_is_a_word_about_the_break() -> None:
    room = a_room([beat(0), ev(e.RoomPaused, 10_000), beat(20_000)])
    assert room.session.phase == Phase.PAUSED
    feed(room, [beat(30_000, paused=False)])
    assert room.session.phase == Phase.LIVE and breaks.pauses(room.session) == [(T0 + 10_000, T0 + 30_000)]


def test_breaks_are_the_same_in_whatever_order_their_words_come() -> None:
    words = [ev(e.RoomPaused, 10_000), ev(e.RoomResumed, 20_000), ev(e.RoomPaused, 30_000), ev(e.RoomResumed, 40_000)]
    spans = {tuple(breaks.pauses(a_room([beat(0), *(words[i] for i in order)]).session))
             for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1))}  # fmt: skip
    assert spans == {((T0 + 10_000, T0 + 20_000), (T0 + 30_000, T0 + 40_000))}


def test_a_break_voids_prompts_when_they_fall_due_so_that_the_order_does_not_matter() -> None:
    asked = [ask(20_000 + i, comment_id=f"c{i}") for i in range(5)]
    breaks_off = [ev(e.RoomPaused, 50_000), ev(e.RoomResumed, 60_000)]
    tail = in_time(beats(7 * MINUTE, from_ms=80_000), [say(at) for at in range(70_000, 7 * MINUTE, 20_000)])
    for log in ([*asked, *breaks_off], [*breaks_off, *asked]):
        room = a_room([beat(0), say(1_000), *log, *tail])
        assert room.session.counts.prompts == 0


def test_breaks_never_pile_up() -> None:
    log = [beat(0)]
    for i in range(1, 60):
        log += [ev(e.RoomPaused, i * SECOND), ev(e.RoomResumed, i * SECOND + 400)]
    room = a_room(log)
    assert len(room.session.break_marks) <= 17
    feed(room, beats(12 * MINUTE, from_ms=60_000))
    assert len(room.session.break_marks) == 1
    for i in range(40):
        feed(room, [ev(e.RoomClosed, 12 * MINUTE + i * 10_000), beat(12 * MINUTE + i * 10_000 + 5_000)])
    assert len(room.session.breaks) <= 16 and len(room.session.blind) <= 32
