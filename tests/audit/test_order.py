"""Disorder within lateness, repeats and restarts change nothing that is concluded."""

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.audit.build import MINUTE, ROOM_ID, SECOND, a_room, ask, beat, beats, ev, feed, in_time, reborn, say
from tests.audit.rooms import random_log
from worker.audit import events as e
from worker.audit import snapshot
from worker.audit.evidence import Family
from worker.audit.room import Room
from worker.audit.sessions import Status

SEEDS = settings(derandomize=True, deadline=None, phases=(Phase.generate,))  # a smaller seed is no simpler room

STATISTICAL = (
    e.ViewerComment, e.ViewerGift, e.ViewerOrder, e.ViewerLiked, e.HostSpeech, e.HostReply, e.HostAction,
    e.DetectorScore, e.ChallengeIssued, e.ChallengeResult,
)  # fmt: skip
"""Whatever else there is speaks in log order: its order is part of the log."""


WEIGHING = (*STATISTICAL[:3], e.HostSpeech, e.HostReply, e.DetectorScore, e.ChallengeIssued, e.ChallengeResult)
"""Events that are remembered against repeats, among those of `random_log`."""


def disordered(log: list[Any], seed: int, reach_ms: int = 19 * SECOND) -> list[Any]:
    """The log with statistical events arriving up to `reach_ms` late; the others keep their places in time."""
    rng = Random(seed)
    delayed = [
        (event.at_ms + (rng.randint(0, reach_ms) if isinstance(event, STATISTICAL) else 0), i, event)
        for i, event in enumerate(log)
    ]
    return [event for _, _, event in sorted(delayed, key=lambda entry: entry[:2])]


def ending(log: list[Any]) -> list[Any]:
    """More than a ring of ids of each side, an hour after: every pane is closed, and both rings forget the order."""
    end_ms = log[-1].at_ms
    from_ms = end_ms + 10 * MINUTE
    kinds = [e.HostAction] * 80 + [e.ViewerGift] * 80
    return [beat(from_ms), *(ev(kind, from_ms + i) for i, kind in enumerate(kinds)), beat(from_ms + 10 * MINUTE)]


def families(room: Room) -> dict[str, Family]:
    return {name: room.session.families[name] for name in sorted(room.session.families)}


def _undate(room: Room) -> None:
    """Take off when facts became known, which is append time, and so not the same in another order."""
    facts = room.session.facts
    for name in facts.__struct_fields__:
        fact = getattr(facts, name)
        if "since_ms" in fact.__struct_fields__:
            setattr(facts, name, msgspec.structs.replace(fact, since_ms=0))
    room.session.marked = msgspec.structs.replace(room.session.marked, since_ms=0)
    room.session.accused_ms = 0


@pytest.mark.slow
@settings(SEEDS, max_examples=15)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_disorder_within_lateness_gives_the_same_evidence_facts_and_bytes(seed: int, order: int) -> None:
    log = random_log(seed, minutes=25)
    end = ending(log)
    plain, other = a_room(log + end), a_room(disordered(log, order) + end)
    assert plain.session.counts.late == other.session.counts.late == 0
    assert families(other) == families(plain)  # to the last bit
    for room in (plain, other):
        _undate(room)
    assert other.session.facts == plain.session.facts
    assert other.session.counts == plain.session.counts
    for room in (plain, other):
        room.offset = room.session.first_offset = 0
        room.session.excerpts = tuple(msgspec.structs.replace(quoted, offset=0) for quoted in room.session.excerpts)
        room.session.families = families(room)  # in the order of first bets, which a late challenge may change
    assert snapshot.encode(other) == snapshot.encode(plain)
    assert snapshot.take_changed_chunks(other) == snapshot.take_changed_chunks(plain)


@settings(SEEDS, max_examples=15)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_events_sent_again_are_counted_once(seed: int, choice: int) -> None:
    """As long as fewer than 64 of their side came between."""
    log = [event for event in random_log(seed, minutes=15) if isinstance(event, WEIGHING)]
    rng = Random(choice)
    repeated: list[Any] = []
    for i, event in enumerate(log):
        repeated.append(event)
        if rng.random() < 0.3:
            repeated.append(rng.choice([x for x in log[max(0, i - 30) : i + 1] if x.at_ms >= event.at_ms - MINUTE]))
    room = Room(ROOM_ID)
    statuses = feed(room, repeated)
    assert statuses.count(Status.DUPLICATE) == len(repeated) - len(log)
    plain = a_room(log)
    assert (
        families(room) == families(plain)
        and room.session.facts == plain.session.facts
        and room.session.counts == plain.session.counts
    )


def test_the_sixty_fourth_id_back_is_still_known_and_the_next_is_not() -> None:
    first = ask(0)
    gifts = [ev(e.ViewerGift, 1 + i) for i in range(64)]
    assert feed(a_room([first, *gifts[:63]]), [first]) == [Status.DUPLICATE]
    assert feed(a_room([first, *gifts]), [first]) == [Status.APPLIED]


def test_a_flood_of_viewers_does_not_wash_out_the_ids_of_evidence() -> None:
    failed = ev(e.ChallengeResult, 1_000)
    room = a_room([beat(0), failed, *(ev(e.ViewerGift, 2_000 + i) for i in range(1_000))])
    assert feed(room, [failed]) == [Status.DUPLICATE]


@pytest.mark.parametrize("kind", [e.ViewerComment, e.ViewerGift, e.HostSpeech, e.HostReply, e.DetectorScore])
def test_a_repeat_beyond_the_ring_of_ids_weighs_nothing_while_its_pane_is_open(kind: type) -> None:
    text = {"text": "这件衣服多少钱？"} if kind in (e.ViewerComment, e.HostSpeech) else {}
    first = [ev(kind, 70_000 + i, **text) for i in range(3)]
    flood = [ev(o, 80_001 + i) for i in range(80) for o in (e.ViewerGift, e.HostAction)]
    end = beats(20 * MINUTE, from_ms=82_000)
    once, twice = a_room([beat(0), *first, *flood, *end]), a_room([beat(0), *first, *flood, *first, *end])
    for room in (once, twice):
        room.offset, room.session.counts = 0, type(room.session.counts)()
        room.seen_viewer, room.seen_other = bytearray(), bytearray()
        room.seen_viewer_at = room.seen_other_at = 0
    assert once == twice


@settings(SEEDS, max_examples=15)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 2_000), min_size=1, max_size=5))
def test_a_room_restored_at_any_point_goes_on_as_if_nothing_had_happened(seed: int, cuts: list[int]) -> None:
    log = random_log(seed, minutes=20)
    plain, room = a_room(log), Room("douyin:1", 3)
    chunks: dict[int, bytes] = {}
    done = 0
    for cut in sorted({min(cut, len(log)) for cut in cuts}):
        feed(room, log[done:cut])
        done = cut
        room = reborn(room, chunks)
    feed(room, log[done:])
    assert snapshot.encode(room) == snapshot.encode(plain)
    chunks.update(snapshot.take_changed_chunks(room))
    assert chunks == snapshot.take_changed_chunks(plain)


@pytest.mark.parametrize("behind", [1, 40, 127])
@pytest.mark.parametrize("core_at", [600, 900, 1_000, 1_030, 2_040])
def test_speech_chunks_newer_than_their_core_equal_the_uninterrupted_run(core_at: int, behind: int) -> None:
    """A crash between writing chunks and writing the core: up to a chunk of segments is replayed over newer bytes."""
    rng = Random(core_at)
    texts = ["".join(rng.choices("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏", k=16)) for _ in range(150)]
    log = [say(i * 2_000, texts[i % 150] if i % 5 else texts[i % 37]) for i in range(core_at + 300)]
    first, plain = beat(0), Room(ROOM_ID)
    feed(plain, [first, *log])
    early = Room(ROOM_ID)
    feed(early, [first, *log[:core_at]])
    chunks, core = snapshot.take_changed_chunks(early), snapshot.encode(early)
    later = snapshot.decode(core, chunks)
    feed(later, log[core_at : core_at + behind])
    chunks.update(snapshot.take_changed_chunks(later))
    restored = snapshot.decode(core, chunks)
    feed(restored, log[core_at:])
    assert restored.session.speech is not None and restored.session.speech.count > core_at
    assert snapshot.encode(restored) == snapshot.encode(plain)


def test_replies_of_one_pane_answer_the_same_in_either_order() -> None:
    log = [beat(0), ask(1_000), ask(15_000), ask(85_000)]
    replies = [ev(e.HostReply, 90_500), ev(e.HostReply, 95_000)]
    tail = beats(7 * MINUTE, from_ms=100_000)
    assert (
        a_room([*log, *replies, *tail]).session.answered_due_ms
        == a_room([*log, *replies[::-1], *tail]).session.answered_due_ms
    )
    early = [a_room([*log, *order, beat(161_000)]).session.answered_due_ms for order in (replies, replies[::-1])]
    assert early[0] == early[1]


def test_pauses_in_order_and_everything_else_in_disorder_voids_the_same_prompts() -> None:
    """A prompt that arrives after the break, but was asked before or in it, waits in nobody's count."""
    pause, resume = ev(e.RoomPaused, 100_000), ev(e.RoomResumed, 120_000)
    asked = [ask(at) for at in (15_000, 40_000, 90_000, 110_000, 119_999)]
    late = [ask(125_000), ask(126_000), ask(127_000)]
    tail = in_time(beats(400_000, from_ms=140_000), [say(at) for at in (230_000, 290_000)])
    early = a_room([beat(0), asked[0], asked[1], asked[2], pause, asked[3], asked[4], resume, *late, *tail])
    disorder = a_room([beat(0), asked[0], asked[1], pause, resume, asked[3], asked[2], *late, asked[4], *tail])
    assert early.session.counts.prompts == disorder.session.counts.prompts == 3
