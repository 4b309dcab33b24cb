"""Shared scripts: who reads the same finds each other, by sketches alone and through the identity agent."""

import json
from collections.abc import Iterable
from itertools import combinations
from random import Random
from typing import Any

import msgspec
import pytest

from tests.audit.build import MINUTE, SECOND, T0, a_room, beat, beats, ev, feed, in_time, say
from tests.policy.build import a_judge
from tests.support.circle import Circle
from worker.audit import announce, sketch
from worker.audit import events as e
from worker.audit.characters import letters
from worker.audit.room import Room
from worker.audit.signals import scripts
from worker.audit.sketch import Sketch
from worker.audit.text import words

LETTERS = [chr(0x4E00 + i) for i in range(3_000)]


def script(seed: object, sentences: int = 60, chars: int = 20) -> list[str]:
    rng = Random(f"script/{seed}")
    return ["".join(rng.choices(LETTERS, k=chars)) for _ in range(sentences)]


def misheard(texts: list[str], share: float, seed: int) -> list[str]:
    rng = Random(seed)
    return ["".join(rng.choice(LETTERS) if rng.random() < share else c for c in text) for text in texts]


def keys_of(texts: Iterable[str]) -> set[str]:
    sketched = Sketch()
    sketch.hear(sketched, map(words, texts))
    sketch.close(sketched)
    return set(sketch.keys(sketched))


def jaccard(one: list[str], other: list[str]) -> float:
    """Of the runs of four letters, counted plainly."""
    a, b = ({letters(t)[i : i + 4] for t in texts for i in range(len(letters(t)) - 3)} for texts in (one, other))
    return len(a & b) / len(a | b)


def test_two_who_read_one_script_share_every_key_in_whatever_order_and_pieces() -> None:
    texts = script(1)
    shuffled = Random(1).sample(texts, len(texts))
    assert len(keys_of(texts)) == sketch.KEYS
    assert keys_of(texts) == keys_of(shuffled) == keys_of(t[:12] + t[12:].upper() for t in shuffled)


@pytest.mark.slow
def test_the_chance_to_share_a_key_is_that_of_the_formula() -> None:
    found, similar = [], []
    for seed in range(400):
        one, other = (misheard(script(seed), 0.03, 2 * seed + side) for side in (0, 1))
        found.append(bool(keys_of(one) & keys_of(other)))
        similar.append(jaccard(one, other))
    j = sum(similar) / len(similar)
    wanted = 1 - (1 - j**sketch.ROWS) ** sketch.KEYS
    assert 0.55 < j < 0.75
    assert sum(found) / len(found) == pytest.approx(wanted, abs=0.08)  # three standard errors


@pytest.mark.slow
def test_readers_of_one_script_at_0_6_find_each_other_within_an_hour_of_blocks_as_a_rule() -> None:
    """Twelve blocks of which each side mishears so much that J is about 0.6."""
    hours = []
    for hour in range(60):
        pairs = [[misheard(script((hour, block)), 0.032, 100 * hour + 2 * block + s) for s in (0, 1)]
                 for block in range(12)]  # fmt: skip
        hours.append(any(keys_of(one) & keys_of(other) for one, other in pairs))
    assert sum(hours) / len(hours) > 0.85


def test_a_hundred_unrelated_rooms_share_no_key() -> None:
    rooms = [keys_of(script(seed)) for seed in range(100)]
    assert all(len(keys) == sketch.KEYS for keys in rooms)
    assert not any(one & other for one, other in combinations(rooms, 2))


def test_a_block_of_little_speech_or_of_a_chant_has_no_keys() -> None:
    assert keys_of(script(1, sentences=8)) == set()
    assert keys_of(script(1, sentences=5) * 40) == set()


def reading(texts: list[str], *, from_ms: int = 0, minutes: int = 5, every_ms: int = 5 * SECOND) -> list[Any]:
    """The script from its beginning in every block."""
    return [
        say(at, texts[at % (5 * MINUTE) // every_ms % len(texts)])
        for at in range(from_ms, from_ms + minutes * MINUTE, every_ms)
    ]


def told_keys(room: Room) -> set[str]:
    return {key for key in announce.shown(room) if key.startswith("script:")}


SPAN_AT = -T0 % sketch.SPAN_MS
"""The first of the spans that all rooms share begins there; the room's own blocks begin at other times."""


def test_a_room_tells_the_keys_of_its_last_two_spans() -> None:
    assert SPAN_AT > 0
    spoken = reading(script(1), from_ms=SPAN_AT) + reading(script(2), from_ms=SPAN_AT + 6 * MINUTE, minutes=3)
    log = in_time(beats(SPAN_AT + 30 * MINUTE), spoken)
    # Nobody speaks on, so a span closes with the room's next block: the first at ten minutes, and a minute of lateness.
    rooms = [a_room([event for event in log if event.at_ms <= T0 + at * MINUTE]) for at in (11, 16, 21, 26)]
    first, both, second, none = map(told_keys, rooms)
    assert len(first) == len(second) == sketch.KEYS and first.isdisjoint(second)
    assert both == first | second
    assert none == set() and rooms[-1].session.sketch is None


@pytest.mark.parametrize("seed", range(8))
def test_rooms_whose_blocks_begin_at_different_times_find_each_other_by_what_is_said_at_one_time(seed: int) -> None:
    """A script that never comes twice: nothing but the time at which it is said brings the two together."""
    texts = script(seed, sentences=240)
    spoken = [say(at, text) for at, text in zip(range(0, 20 * MINUTE, 5 * SECOND), texts, strict=True)]
    log = in_time(beats(20 * MINUTE), spoken)
    rooms = [Room(f"{seed}:{name}", 3) for name in "ab"]
    shared = 0
    for event in log:
        for room in rooms:
            feed(room, [event])
        shared = max(shared, len(told_keys(rooms[0]) & told_keys(rooms[1])))
    assert rooms[0].session.block_start_ms != rooms[1].session.block_start_ms
    assert shared >= sketch.KEYS  # of eight that each tells


@pytest.mark.parametrize("silence_minutes", [8, 13, 18, 40])
def test_a_silence_that_is_jumped_over_equals_one_that_passes(silence_minutes: int) -> None:
    spoken = in_time(beats(5 * MINUTE), reading(script(1)))
    end_ms = (5 + silence_minutes) * MINUTE
    jumped = a_room([*spoken, beat(end_ms)])
    passed = a_room([*spoken, *beats(end_ms, from_ms=5 * MINUTE + 20 * SECOND)])
    assert msgspec.to_builtins(jumped.session.sketch) == msgspec.to_builtins(passed.session.sketch)


def test_a_match_holds_while_its_script_is_read_and_not_after() -> None:
    room = a_room(in_time(beats(7 * MINUTE), reading(script(1))))
    key = sorted(told_keys(room))[0].partition(":")[2]
    feed(room, [ev(e.FleetMatched, 7 * MINUTE, kind="script", identity=key, size=3)])
    feed(room, [ev(e.FleetMatched, 7 * MINUTE, kind="voice", identity="v", size=2)])
    assert scripts.value(room) == 1 and room.session.facts.fleet.kind == "voice"
    feed(room, beats(20 * MINUTE, from_ms=7 * MINUTE + 20 * SECOND))
    assert scripts.value(room) is None
    assert room.session.ties is not None and [match.kind for _, match in room.session.ties.fleets] == ["voice"]


def test_scripts_never_drive_a_voice_out_of_the_matches_that_are_kept() -> None:
    room = a_room([beat(0), ev(e.FleetMatched, 1, kind="voice", identity="v", size=2)])
    feed(room, [ev(e.FleetMatched, 2 + i, kind="script", identity=f"s{i}", size=2) for i in range(40)])
    assert room.session.ties is not None and len(room.session.ties.fleets) == 16
    assert [match.kind for _, match in room.session.ties.fleets].count("voice") == 1


def _of(name: str, events: list[Any]) -> list[dict[str, Any]]:
    """The events of another room and host."""
    found = []
    for event in events:
        plain = {"type": event.__struct_config__.tag, **json.loads(msgspec.json.encode(event))}
        plain |= {"room_id": f"douyin:{name}", "id": f"{name}-{plain['id']}", "session_id": f"s-{name}"}
        found.append(plain | ({"host_id": f"h-{name}"} if "host_id" in plain else {}))
    return found


def test_through_the_identity_agent_both_readers_are_told_and_a_third_is_not() -> None:
    """One reads seven seconds behind the other, and is misheard in one letter of a hundred."""
    rooms = {"a": script("one"), "b": misheard(script("one"), 0.01, 1), "c": script("other")}
    log: list[dict[str, Any]] = []
    for i, (name, texts) in enumerate(rooms.items()):
        late_ms = i * 7 * SECOND
        log += _of(name, in_time(beats(31 * MINUTE, from_ms=late_ms), reading(texts, from_ms=late_ms, minutes=30)))
    circle = Circle(a_judge())
    circle.play(sorted(log, key=lambda event: event["at_ms"]))
    told = [answer for answer in circle.told("fleet.matched") if answer["kind"] == "script"]
    assert {answer["room_id"] for answer in told} == {"douyin:a", "douyin:b"}
    assert all(sorted(answer["rooms"]) == ["douyin:a", "douyin:b"] for answer in told if answer["size"] == 2)
    assert not any(answer["permitted"] for answer in told)
    assert min(answer["at_ms"] for answer in told) < T0 + 20 * MINUTE
