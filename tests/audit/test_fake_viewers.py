"""`fake_viewers`: whom bots make look asked for, and whom nobody may take for a bot."""

from collections import deque
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from tests.audit.build import MINUTE, ROOM_ID, SECOND, T0, a_room, ask, beats, ev, feed, in_time, reborn, say
from tests.audit.rooms import sentence
from worker.audit import events as e
from worker.audit.characters import letters
from worker.audit.room import Room
from worker.audit.signals import bots

END = 90 * MINUTE


def people(seed: int = 1, mean_s: float = 40, until_ms: int = END) -> list[Any]:
    """Viewers ask what nobody asked before, whenever they like; a few of them often."""
    rng, at = Random(seed), 0.0
    found: list[Any] = []
    while (at := at + rng.expovariate(1 / mean_s) * SECOND) < until_ms:
        viewer = f"v{int(rng.paretovariate(1.0))}"
        found.append(ask(int(at), f"{sentence(rng)}{len(found)}吗", viewer_id=viewer))
    return found


def scheduled(every_ms: int = 30 * SECOND, bots: int = 6) -> list[Any]:
    """Bots ask in turn, to the second, and not always what is seen to be a question."""
    rng = Random(2)
    return [
        ask(at, sentence(rng) + ("吗" if rng.random() < 0.8 else ""), viewer_id=f"bot{i % bots}")
        for i, at in enumerate(range(5_000, END, every_ms))
    ]


def answered(asked: list[Any], after_ms: int = 8 * SECOND) -> list[Any]:
    """Speech that repeats each question's words a while after."""
    return [say(x.at_ms + after_ms, f"这个问题{x.text}我来说一下") for x in asked if "吗" in x.text]


def chatter(seed: int = 3) -> list[Any]:
    rng = Random(seed)
    return [say(at, sentence(rng)) for at in range(0, END, 20 * SECOND)]


def share(room: Room) -> float | None:
    return bots.value(room.session.askers)


def last_values(log: list[Any]) -> list[float | None]:
    """Values of `unanswered` of the last hour, block by block."""
    room, found = Room(ROOM_ID), []
    for event in in_time(beats(END), log):
        start = room.session.block_start_ms
        feed(room, [event])
        if room.session.block_start_ms != start and "NONINT" in room.session.families:
            found.append(room.session.families["NONINT"].prev[0])
    return found[-12:]


def test_a_recording_that_bots_ask_what_it_answers_answers_nobody() -> None:
    bots = scheduled()
    fed = last_values([*bots, *answered(bots), *people(mean_s=45), *chatter()])
    assert fed.count(1.0) >= 8, fed


def test_a_host_who_answers_people_too_is_not_accused_though_bots_ask() -> None:
    bots, real = scheduled(), people(mean_s=45)
    honest = last_values([*bots, *answered(bots), *real, *answered(real), *chatter()])
    assert 1.0 not in honest


def test_a_room_of_bots_alone_accuses_nobody() -> None:
    """Nothing is left to judge by."""
    values = last_values([*scheduled(), *chatter()])
    assert values[-6:] == [None] * 6


def test_bots_that_copy_are_discounted_and_so_is_whom_they_copied() -> None:
    rng = Random(5)
    copied = []
    for i in range(120):
        text = f"{sentence(rng)}现在还有优惠吗"
        copied += [ask(i * 40_000 + j * 7_000, text, viewer_id=f"b{rng.randrange(40)}") for j in range(3)]
    room = a_room(in_time(beats(END), copied))
    assert (share(room) or 0) > 0.6
    waiting = a_room(in_time(copied, beats(copied[-1].at_ms + 75_000, from_ms=copied[-1].at_ms + 1)))
    assert copied[-1].text[:32] not in {prompt.text for prompt in waiting.session.prompts}


def test_a_viewer_who_writes_nearly_everything_is_discounted_among_others_and_never_in_a_small_room() -> None:
    rng = Random(6)

    def talkative(others: int) -> list[Any]:
        at, found = 0, []
        for i in range(150):
            at += rng.randint(3_000, 40_000)
            viewer = f"v{i % others}" if i % 6 == 0 else "talkative"
            found.append(ask(at, f"{sentence(rng)}吗", viewer_id=viewer))
        return in_time(beats(END), found)

    assert (share(a_room(talkative(others=5))) or 0) > 0.6
    assert share(a_room(talkative(others=2))) == 0


@pytest.mark.parametrize("text", ["1", "666吗", "多少钱", "主播好", "怎么买呢"])
def test_a_crowd_that_types_one_short_thing_is_heard(text: str) -> None:
    rng = Random(7)
    log = [ask(rng.randrange(END), text, viewer_id=f"v{rng.randrange(500)}", question=True) for _ in range(900)]
    assert share(a_room(in_time(beats(END), log))) == 0


@pytest.mark.parametrize("seed", range(5))
def test_people_who_now_and_then_ask_the_same_are_heard(seed: int) -> None:
    rng = Random(seed)
    asked = people(seed, mean_s=15)
    for x in asked:
        if rng.random() < 0.3:
            x.text = rng.choice(["一米六五穿多大码合适呢", "请问什么时候可以发货呀", "这一款有没有黑色的呢"])
    assert (share(a_room(in_time(beats(END), asked))) or 0) < 0.02


def test_gifts_and_orders_always_count() -> None:
    paid = [ev(e.ViewerGift, at, viewer_id=f"b{at // 30_000 % 6}") for at in range(0, END, 30 * SECOND)]
    room = a_room(in_time(beats(END), paid, [say(at) for at in range(0, END, MINUTE)]))
    assert room.session.askers is None
    assert room.session.counts.prompts == len([x for x in paid if x.at_ms + 130_000 < room.session.block_start_ms])


def naive(log: list[Any]) -> list[bool]:
    """What is discounted, from the documentation: everything kept as it is, four a pane."""
    panes: dict[int, list[Any]] = {}
    for x in log:
        panes.setdefault((x.at_ms - T0) // 10_000, []).append(x)
    rank = {x.id: xxh3_64_intdigest(x.id.encode()) for x in log}
    kept = [x for found in panes.values() for x in sorted(found, key=lambda x: rank[x.id])[:4]]
    memory: deque[tuple[str, str, int, bool]] = deque(maxlen=128)  # text or "", viewer, second, copy
    found = []
    for x in sorted(kept, key=lambda x: (x.at_ms, rank[x.id])):
        text = letters(x.text[:32]) if len(letters(x.text[:32])) >= 8 else ""
        copy = bool(text) and any(t == text and v != x.viewer_id for t, v, _, _ in memory)
        copies, long = sum(c for *_, c in memory), sum(bool(t) for t, *_ in memory)
        mine = [s for _, v, s, _ in memory if v == x.viewer_id]
        gaps = [b - a for a, b in zip(mine, [*mine[1:], x.at_ms // 1000], strict=True)] if mine else []
        beat = min(gaps, default=0)
        regular = len(gaps) >= 5 and beat >= 30 and all(abs(g / beat - round(g / beat)) <= 0.05 for g in gaps)
        crowd = len(memory) >= 16 and len({v for _, v, _, _ in memory}) >= 4
        copying = copies >= 8 and copies >= long / 2
        found.append(crowd and ((copy and copying) or len(mine) > len(memory) * 2 / 3 or regular))
        memory.append((text, x.viewer_id, x.at_ms // 1000, copy))
    return found[-128:]


def mixed(seed: int) -> list[Any]:
    rng = Random(seed)
    log = people(seed, mean_s=rng.choice([5, 40]), until_ms=40 * MINUTE)
    log += [x for x in scheduled(rng.choice([7, 30]) * SECOND) if x.at_ms < T0 + 40 * MINUTE and "吗" in x.text]
    texts = [f"{sentence(rng)}多少钱一件" for _ in range(6)]
    for _ in range(rng.choice([0, 300])):
        log.append(ask(rng.randrange(40 * MINUTE), rng.choice(texts), viewer_id=f"c{rng.randrange(30)}"))
    return log


@pytest.mark.parametrize("seed", range(12))
def test_what_is_discounted_is_what_the_documentation_says(seed: int) -> None:
    log = mixed(seed)
    room = a_room(in_time(beats(45 * MINUTE), log))
    assert room.session.askers is not None
    assert list(map(bool, room.session.askers.discounted)) == naive(log)


def test_the_oracle_sees_something() -> None:
    assert sum(sum(naive(mixed(seed))) for seed in range(12)) > 200


@settings(derandomize=True, deadline=None, max_examples=10, phases=(Phase.generate,))
@given(st.integers(0, 99), st.integers(0, 99))
def test_disorder_within_lateness_and_restarts_change_nothing(seed: int, order: int) -> None:
    rng, log = Random(order), mixed(seed)
    shuffled = sorted(in_time(log, beats(45 * MINUTE)), key=lambda x: x.at_ms + rng.randint(0, 50_000))
    plain, other, chunks = a_room(in_time(beats(45 * MINUTE), log)), Room(ROOM_ID), {}  # type: ignore[var-annotated]
    half = rng.randrange(len(shuffled))
    feed(other, shuffled[:half])
    other = reborn(other, chunks)
    feed(other, shuffled[half:])
    assert other.session.askers == plain.session.askers
