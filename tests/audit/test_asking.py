"""When the worker asks: against the policy as it is told, for a thousand hours, in any order, over a restart."""

from itertools import pairwise
from math import exp, log
from random import Random
from typing import Any

import pytest

from tests.audit.build import HOUR, MINUTE, SECOND, T0, a_room, beats, challenged, ev, feed, in_time, say
from worker.audit import events as e
from worker.audit import requests, snapshot
from worker.audit.apply import apply
from worker.audit.evidence import Level, level_of, new_family, step
from worker.audit.requests import Request
from worker.audit.room import Room


class Told:
    """What happened between a policy and a host, kept whole: a history to check the policy's story against."""

    def __init__(self, seed: int, hours: int, fails: float, breaks: bool) -> None:
        rng = Random(seed)
        state = requests.begin(f"room/{seed}", T0)
        requests.stir(state, rng.getrandbits(64))
        family = new_family("CHALLENGE", T0)
        self.asked: list[int] = []
        self.cusums: list[float] = []
        self.watched: list[bool] = []
        self.breaks = [(T0 + h * HOUR, T0 + h * HOUR + rng.randint(3, 40) * MINUTE) for h in range(hours) if breaks]
        while state.due_ms < T0 + hours * HOUR:
            at = state.due_ms
            requests.fall_due(state, may_ask=not self.in_break(at), kinds=("show",))
            if not requests.take(state):
                continue
            self.cusums.append(state.cusum)
            self.asked.append(at)
            failed = rng.random() < fails
            requests.note_issued(state, at, at)
            mass, last_ms = family.mass(), family.last_ms
            step(family, at + 20 * SECOND, (float(failed),), (0.05,))
            family.level = level_of(family.mass(), family.level)
            state.watched = family.level >= Level.WATCH
            self.watched.append(state.watched)
            requests.note_answered(state, failed, requests.gained(family, last_ms, mass), at + 20 * SECOND)

    def in_break(self, at: int) -> bool:
        return any(start <= at < end for start, end in self.breaks)


def most_in_an_hour(times: list[int]) -> int:
    return max((sum(at <= other < at + HOUR for other in times) for at in times), default=0)


def test_a_thousand_honest_hours_see_fewer_than_two_challenges_an_hour_and_none_in_a_break() -> None:
    count, longest = 0, 0
    for seed in range(100):
        told = Told(seed, 10, fails=0.03, breaks=seed % 2 == 0)
        count += len(told.asked)
        longest = max(longest, most_in_an_hour(told.asked))
        assert not [at for at in told.asked if told.in_break(at)]
    assert 1.0 < count / 1_000 < 2.0
    assert longest <= 12


@pytest.mark.parametrize("fails", [0.3, 0.7, 1.0])
def test_no_hour_holds_more_than_twelve_or_than_twenty_once_failures_have_come_to_watch(fails: float) -> None:
    for seed in range(20):
        told = Told(seed, 12, fails, breaks=False)
        assert most_in_an_hour(told.asked) <= 20
        for at, watched in zip(told.asked[1:], told.watched, strict=False):
            assert watched or sum(at - HOUR < other <= at for other in told.asked) <= 12
    assert fails < 1 or most_in_an_hour(told.asked) == 20


def test_a_request_says_how_many_an_hour_the_room_may_see_at_present() -> None:
    state = requests.begin("room", T0)
    for watched in (False, True):
        state.watched = watched
        while not state.pending:
            requests.fall_due(state, may_ask=True, kinds=())
        assert requests.take(state)[0].per_hour == (20 if watched else 12)


def test_gaps_are_two_minutes_while_failures_mount_and_spot_checks_otherwise() -> None:
    for seed in range(30):
        told = Told(seed, 10, fails=0.15, breaks=False)
        for i, (earlier, later) in enumerate(pairwise(told.asked)):
            gap = later - earlier
            recent = [at for at in told.asked[: i + 1] if at > later - HOUR]
            if told.cusums[i + 1] > 0:
                assert gap == 2 * MINUTE or len(recent) >= (19 if told.watched[i] else 11), (seed, i)
            elif i == 0:
                assert gap == 5 * MINUTE
            else:
                assert 5 * MINUTE <= gap <= 3 * HOUR


def test_waits_are_exponential_with_a_mean_of_an_hour() -> None:
    gaps = [b - a for seed in range(60) for a, b in list(pairwise(Told(seed, 30, 0.0, breaks=False).asked))[1:]]
    expected = 5 / 60 + exp(-5 / 60) - exp(-3)  # E[min(max(X, 5 min), 3 h)], X exponential
    assert abs(sum(gaps) / len(gaps) / HOUR - expected) < 0.1


def test_first_challenges_come_when_nobody_can_know() -> None:
    firsts = [Told(seed, 1, 0.0, breaks=False).asked[0] - T0 for seed in range(200)]
    assert 2 * MINUTE <= min(firsts) < 2 * MINUTE + 10 * SECOND
    assert 4 * MINUTE - 10 * SECOND < max(firsts) < 4 * MINUTE
    same_room = set()
    for ids in range(50):
        state = requests.begin("room", T0)
        requests.stir(state, Random(ids).getrandbits(64))
        requests.fall_due(state, may_ask=True, kinds=())
        same_room.add(state.due_ms)
    assert len(same_room) > 45, "the time hangs on the ids of events, not on the room's name"


def test_suspicion_is_asked_about_at_once_and_then_at_growing_gaps_while_passed() -> None:
    state = requests.begin("room", T0)
    times = []
    family = new_family("NONINT", T0)
    now = T0
    for _ in range(4):  # four blocks of silence
        now += 30 * MINUTE
        step(family, now, (1.0, None))
    requests.fall_due(state, may_ask=True, kinds=())
    while state.due_ms < now:
        requests.fall_due(state, may_ask=True, kinds=())
        requests.note_issued(state, state.asked[-1], state.asked[-1])
    requests.look(state, requests.NONINT, family, now)
    suspected = max(state.suspicion) >= requests.SUSPICION_NATS
    family.m = [m * 20 for m in family.m]
    family.last_ms += 1
    requests.look(state, requests.NONINT, family, now + 1)
    requests.take(state)
    while state.due_ms < now + 4 * HOUR:
        requests.fall_due(state, may_ask=True, kinds=())
        if requests.take(state):
            times.append(state.asked[-1])
            requests.note_issued(state, times[-1], times[-1])
            requests.note_answered(state, False, log(0.6), times[-1] + SECOND)
    assert not suspected
    assert times[0] - now <= 2 * MINUTE + 30 * SECOND
    assert [round((b - a) / MINUTE) for a, b in pairwise(times)][:5] == [6, 12, 24, 48, 48]


def test_a_platform_that_never_answers_is_asked_three_times_and_then_every_three_hours() -> None:
    state = requests.begin("room", T0)
    times = []
    while state.due_ms < T0 + 24 * HOUR:
        requests.fall_due(state, may_ask=True, kinds=())
        times += [request.at_ms for request in requests.take(state)]
    assert [b - a for a, b in pairwise(times)][2:] == [3 * HOUR] * (len(times) - 3)
    assert len(times) <= 11
    requests.note_issued(state, T0 + 24 * HOUR, T0 + 24 * HOUR)
    assert state.unanswered == 0


def test_challenges_that_the_platform_thought_of_itself_count() -> None:
    state = requests.begin("room", T0)
    for i in range(12):
        requests.note_issued(state, T0 + i * MINUTE, T0 + i * MINUTE)
    requests.note_answered(state, True, 3.0, T0 + 12 * MINUTE)
    while state.due_ms < T0 + HOUR:
        requests.fall_due(state, may_ask=True, kinds=())
    assert requests.take(state) == []


# --- in a room -----------------------------------------------------------------------------------------------------


def requests_of(log: list[Any], restart_at: int | None = None) -> list[Request]:
    room, found = Room("douyin:1"), []
    for i, event in enumerate(log):
        apply(room, event, i, event.at_ms)
        if i == restart_at:
            room = snapshot.decode(snapshot.encode(room), snapshot.take_changed_chunks(room))
        if room.session.asking is not None:
            found += requests.take(room.session.asking)
    return found


def a_suspicious_room(seed: int) -> list[Any]:
    """Two hours in which nobody is answered, looks are random, and challenges come now and then."""
    rng = Random(seed)
    questions = [ev(e.ViewerComment, at + rng.randint(0, 9_999), text="多少钱？") for at in range(0, 2 * HOUR, 20_000)]
    scores = [ev(e.DetectorScore, at, score=rng.random()) for at in range(0, 2 * HOUR, 10_000)]
    issued = [ev(e.ChallengeIssued, at, challenge_id=f"c{at}") for at in range(5 * MINUTE, 2 * HOUR, 9 * MINUTE)]
    results = [
        ev(e.ChallengeResult, at + 30_000, challenge_id=f"c{at}", outcome=rng.choice(["passed", "failed"]))
        for at in range(5 * MINUTE, 2 * HOUR, 9 * MINUTE)
    ]
    speech = [say(at, f"随便说说第{at}句话没有人听") for at in range(0, 2 * HOUR, 15_000)]
    return in_time(beats(2 * HOUR), questions, scores, issued, results, speech)


@pytest.mark.parametrize("seed", range(3))
def test_neither_order_nor_repetition_nor_a_restart_changes_a_request(seed: int) -> None:
    log = a_suspicious_room(seed)
    expected = requests_of(log)
    assert {"entry", "mounting"} <= {request.reason for request in expected}
    rng = Random(seed)
    first, rest = log[0], log[1:]
    moved = [first, *sorted(rest, key=lambda event: event.at_ms + rng.randint(0, 19_000))]
    assert moved != log
    last_ms = log[-1].at_ms - MINUTE  # what the last minute made is not yet known in every order
    assert [r for r in requests_of(moved) if r.at_ms < last_ms] == [r for r in expected if r.at_ms < last_ms]
    assert requests_of([event for event in log for _ in range(rng.randint(1, 2))]) == expected
    assert requests_of(log, restart_at=rng.randrange(len(log))) == expected


def test_requests_have_the_time_at_which_they_fell_due_and_not_that_of_the_event() -> None:
    sparse = requests_of(in_time([ev(e.RoomOpened, 0)], beats(HOUR)[::3]))
    assert [r.reason for r in sparse][:2] == ["entry", "entry"]
    assert sparse[0].at_ms == requests_of(in_time([ev(e.RoomOpened, 0)], beats(HOUR)))[0].at_ms
    assert sparse[0].deadline_ms == sparse[0].at_ms + 45 * SECOND


def test_nobody_is_asked_in_a_break() -> None:
    log = in_time(
        [ev(e.RoomOpened, 0), ev(e.RoomPaused, MINUTE), ev(e.RoomResumed, 40 * MINUTE)],
        [ev(e.RoomHeartbeat, at, paused=MINUTE <= at < 40 * MINUTE) for at in range(0, HOUR, 20_000)],
    )
    assert all(r.at_ms >= T0 + 40 * MINUTE for r in requests_of(log))


def test_who_signs_or_was_never_heard_is_not_asked_to_say_something() -> None:
    heard = requests_of(in_time([ev(e.RoomOpened, 0), say(SECOND)], beats(HOUR)))
    silent = requests_of(in_time([ev(e.RoomOpened, 0)], beats(HOUR)))
    signs = requests_of(in_time([ev(e.RoomOpened, 0), say(SECOND), ev(e.HostReply, 2, medium="sign")], beats(HOUR)))
    assert heard[0].kinds == ("say", "gesture", "show")
    assert silent[0].kinds == signs[0].kinds == ("gesture", "show")


def test_more_looks_are_asked_for_while_detectors_stand_between_watch_and_label_at_most_every_ten_minutes() -> None:
    log = in_time([ev(e.RoomOpened, 0)], beats(2 * HOUR), [
        ev(e.DetectorScore, at, score=0.99 if (at // 10_000) % 10 < 5 else 0.1) for at in range(0, 2 * HOUR, 10_000)
    ])  # fmt: skip
    wanted = [r for r in requests_of(log) if r.action == "sample_more"]
    assert wanted
    assert all(b.at_ms - a.at_ms >= 10 * MINUTE for a, b in pairwise(wanted))
    assert wanted[0].kinds == ("face",), "the voice was looked at"


def test_a_closed_room_asks_for_nothing() -> None:
    failures = [event for at in range(2 * MINUTE, 30 * MINUTE, 2 * MINUTE) for event in challenged(at)]
    room = a_room(in_time([ev(e.RoomOpened, 0)], beats(30 * MINUTE), failures, [ev(e.RoomClosed, 30 * MINUTE)]))
    assert room.session.asking is not None
    assert all(request.at_ms <= T0 + 30 * MINUTE for request in requests.take(room.session.asking))
    feed(room, [ev(e.ReviewDecided, 5 * HOUR)])
    assert room.session.asking.due_ms == requests.FOREVER_MS
    assert requests.take(room.session.asking) == []
