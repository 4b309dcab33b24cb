"""`latency` and `cadence` in a room: what gives them a value, and who keeps his."""

from collections.abc import Iterable
from math import exp
from random import Random
from typing import Any

import pytest

from tests.audit.build import MINUTE, SECOND, T0, a_room, ask, beat, beats, ev, feed, in_time, say
from worker.audit import events as e
from worker.audit.room import Room
from worker.audit.signals import cadence, latency

END = 20 * MINUTE


def answering(delays_ms: Iterable[float], *, waiting: int = 0) -> list[Any]:
    """A question a minute, by the side of others that nobody answers, and a reply that names it."""
    log = []
    for i, delay_ms in enumerate(delays_ms):
        at, name = i * MINUTE + 500, f"asked-{i}"
        log += [ask(at - n - 1, "发什么快递呢") for n in range(waiting)]
        log += [ask(at, comment_id=name), ev(e.HostReply, at + int(delay_ms), comment_id=name)]
    return log


def judged(log: list[Any]) -> Room:
    return a_room(in_time(beats(END), log))


def test_a_machine_answers_after_the_same_time_and_a_person_does_not() -> None:
    rng = Random(1)
    assert latency.value(judged(answering([4_000 + rng.randint(0, 400) for _ in range(10)]))) == 1
    assert latency.value(judged(answering([6_000 * exp(rng.gauss(0, 0.7)) for _ in range(10)]))) == 0


def test_seven_answers_are_too_few_and_eight_are_enough() -> None:
    assert latency.value(judged(answering([4_000] * 7))) is None
    assert latency.value(judged(answering([4_000] * 8))) == 1


def test_who_falls_behind_when_many_wait_is_a_person_however_regular() -> None:
    quick, slow = answering([4_000] * 5), answering([5_500] * 5, waiting=3)
    for event in slow:
        event.at_ms += 6 * MINUTE
        if getattr(event, "comment_id", "c1").startswith("asked"):
            event.comment_id += "-busy"
    assert latency.value(judged(quick + slow)) == 0


def test_a_reply_to_the_room_or_to_somebody_unheard_says_nothing_of_delays() -> None:
    log = answering([4_000] * 10)
    for event in log:
        if isinstance(event, e.HostReply):
            event.comment_id = None if event.at_ms % 2 else "unheard"
    assert judged(log).session.delays is None


def test_the_beginning_of_the_first_speech_that_fits_ends_the_delay() -> None:
    question, answer = "黑色的还有没有大码库存", "黑色的大码库存还有最后十件"
    room = judged(
        [
            ask(10_000, question),
            say(18_000, answer, start_ms=T0 + 14_000, end_ms=T0 + 17_000),
            say(25_000, answer, start_ms=T0 + 22_000, end_ms=T0 + 25_000),
        ]
    )
    assert room.session.delays is not None and room.session.delays.count == 1
    assert exp(room.session.delays.y) == pytest.approx(4_000)


def test_times_that_cannot_be_meant_are_passed_over() -> None:
    clocks = [say(i * 3_000, start_ms=T0 + 1, end_ms=T0) for i in range(100)]
    clocks += [say(400_000 + i * 3_000, start_ms=0, end_ms=1) for i in range(100)]
    assert judged(clocks).session.pauses is None


def talking(pauses_ms: Iterable[float], length_ms: int = 2_500) -> list[Any]:
    log, at = [], T0
    for pause_ms in pauses_ms:
        start = at + int(pause_ms)
        at = start + length_ms
        log.append(say(at + 200, f"第{at}句话慢慢说", start_ms=start, end_ms=at))
    return log


def test_pauses_of_a_clock_and_of_reading_each_weigh_half() -> None:
    rng = Random(2)
    assert cadence.value(judged(talking([300] * 100))) == 1
    assert cadence.value(judged(talking([1_200] * 100))) == 0.5
    assert cadence.value(judged(talking([150 * exp(rng.gauss(0, 0.8)) for _ in range(100)]))) in (0, 0.5)
    assert cadence.value(judged(talking([700 * exp(rng.gauss(0, 0.9)) for _ in range(100)]))) == 0


def test_cadence_abstains_with_little_speech() -> None:
    assert cadence.value(judged(talking([300] * 30))) is None
    assert cadence.value(judged(talking([300] * 32))) == 1


def test_a_break_is_no_pause() -> None:
    log = talking([300] * 40)
    for event in log[20:]:
        event.at_ms, event.start_ms, event.end_ms = (
            ms + 5 * MINUTE for ms in (event.at_ms, event.start_ms, event.end_ms)
        )
    stop = [ev(e.RoomPaused, log[19].at_ms + SECOND), ev(e.RoomResumed, log[20].start_ms - SECOND)]
    room = a_room(in_time([beat for beat in beats(END) if not stop[0].at_ms <= beat.at_ms <= stop[1].at_ms], log, stop))
    assert room.session.pauses is not None and room.session.pauses.count == 38
    assert cadence.value(room) == 1


def test_a_new_session_begins_with_nothing() -> None:
    room = judged(talking([300] * 40) + answering([4_000] * 10))
    assert room.session.delays and room.session.pauses
    later = T0 + END + MINUTE
    feed(room, [beat(later, session_id="s2", started_at_ms=later)])
    assert not room.session.delays
    assert not room.session.pauses
