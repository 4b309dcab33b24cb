"""Excitation: whether what the host says fits those who just asked, or viewers of any time."""

from random import Random
from typing import Any

import pytest

from tests.audit.build import MINUTE, ROOM_ID, SECOND, a_room, ask, beats, ev, in_time, say
from tests.audit.rooms import sentence
from worker.audit import events as e
from worker.audit.room import Room
from worker.audit.signals.excitation import PAST_MAX
from worker.audit.signals.excitation import asked as asked_of

END = 40 * MINUTE
TOPICS = ["黑色大衣还有现货么", "红富士苹果甜度怎样", "无线耳机续航几小时", "儿童雨靴防滑吗", "陶瓷锅能进烤箱吗"]
ANSWERS = ["黑色大衣还有现货哦", "红富士苹果甜度很高", "无线耳机续航八小时", "儿童雨靴防滑底", "陶瓷锅能进烤箱的"]


def asked(every_ms: int = 20 * SECOND, until_ms: int = END) -> list[tuple[int, int]]:
    """When which topic is asked about."""
    rng = Random(3)
    return [(rng.randrange(until_ms), rng.randrange(len(TOPICS))) for _ in range(until_ms // every_ms)]


def questions(times: list[tuple[int, int]]) -> list[Any]:
    return [ask(at, TOPICS[topic]) for at, topic in times]


def chatter(until_ms: int = END) -> list[Any]:
    rng = Random(4)
    return [say(at, sentence(rng)) for at in range(3_000, until_ms, 10 * SECOND)]


def values(*groups: list[Any]) -> list[Any]:
    """Excitation at each block's end of a room that lived through these events."""
    log, found = in_time(beats(END + 2 * MINUTE), *groups), []
    room = Room(ROOM_ID)
    for block in range(1, 1 + (log[-1].at_ms - log[0].at_ms) // (5 * MINUTE)):
        room = a_room([x for x in log if x.at_ms <= log[0].at_ms + block * 5 * MINUTE + MINUTE])
        family = room.session.families.get("NONINT")
        found.append(family.prev[1] if family else None)
    return found


def test_a_host_who_answers_is_excited() -> None:
    times = asked()
    answers = [say(at + 8_000, ANSWERS[topic]) for at, topic in times]
    assert set(values(questions(times), answers, chatter())) == {None, 0.0}


def test_a_host_who_talks_past_everybody_is_not() -> None:
    assert set(values(questions(asked()), chatter())) == {None, 1.0}


def test_answers_to_somebody_elses_questions_excite_no_more_than_chance() -> None:
    """A recording holds answers, at times that have nothing to do with these viewers."""
    recorded = [say(at, ANSWERS[topic]) for at, topic in Random(9).sample(asked(), 30)]
    rng = Random(11)
    recorded = [say(rng.randrange(END), rng.choice(ANSWERS)) for _ in recorded]
    found = [value for value in values(questions(asked()), recorded, chatter()) if value is not None]
    assert sum(found) >= 0.5 * len(found) > 0


def test_replies_that_follow_viewers_excite_and_those_on_a_timer_do_not() -> None:
    times = asked(30 * SECOND)
    prompt = [ev(e.HostReply, at + 5_000) for at, _ in times]
    timed = [ev(e.HostAction, at, kind="pin_comment") for at in range(0, END, 30 * SECOND)]
    assert set(values(questions(times), prompt)) == {None, 0.0}
    assert 1.0 in values(questions(times), timed)


@pytest.mark.parametrize("missing", ["few prompts", "few onsets", "break", "crowd"])
def test_it_abstains(missing: str) -> None:
    times = asked(2 * MINUTE if missing == "few prompts" else 5 * SECOND if missing == "crowd" else 20 * SECOND)
    spoken = [say(at, "嗯") for at in range(0, END, 5 * MINUTE)] if missing == "few onsets" else chatter()
    breaks = []
    if missing == "break":
        for at in range(4 * MINUTE, END, 10 * MINUTE):
            breaks += [ev(e.RoomPaused, at), ev(e.RoomResumed, at + MINUTE)]
    log = in_time(questions(times), spoken, breaks)
    if missing == "break":
        room = a_room(in_time(beats(0), log, [ev(e.RoomResumed, END + 3 * MINUTE)]))
        assert room.session.families["NONINT"].prev[1] is None if "NONINT" in room.session.families else True
    else:
        assert set(values(log)) == {None}


def test_what_it_remembers_is_bounded() -> None:
    room = a_room(in_time(beats(END), questions(asked(200))))
    assert room.session.excitation is not None and len(asked_of(room.session.excitation)) <= PAST_MAX
