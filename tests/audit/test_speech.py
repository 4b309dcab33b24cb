"""The speech ring against brute force over all pairs, its wrap-around, and its chunks."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.audit.speech import (
    CANDIDATES_MAX,
    CAPACITY,
    CHUNK,
    CHUNKS,
    SpeechRing,
    add,
    modal_lag,
    new_ring,
    restore,
    take_changed_chunks,
)


def near(a: int, b: int) -> bool:
    """Hamming distance at most 8 and one 16-bit band in common: what the documentation promises to find."""
    return (a ^ b).bit_count() <= 8 and any((a ^ b) >> (16 * i) & 0xFFFF == 0 for i in range(4))


def flipped(rng: Random, value: int, bits: int) -> int:
    for bit in rng.sample(range(64), bits):
        value ^= 1 << bit
    return value


def hashes(seed: int, count: int) -> list[int]:
    """Segments of which every third resembles an earlier one, at distances 0 to 10."""
    rng = Random(seed)
    found: list[int] = []
    for i in range(count):
        fresh = i % 3 or not found
        found.append(rng.getrandbits(64) if fresh else flipped(rng, rng.choice(found), rng.randint(0, 10)))
    return found


@settings(derandomize=True, deadline=None, max_examples=8)
@given(st.integers(0, 2**32))
def test_near_duplicates_are_those_of_all_pairs(seed: int) -> None:
    """Among the segments that are old enough and not about to be overwritten."""
    ring = new_ring()
    past: list[tuple[int, int]] = []
    for i, value in enumerate(hashes(seed, CAPACITY + 300)):
        second = 7 * i
        seen = past[-(CAPACITY - CHUNK) :]
        found = {(second - then) // 5 for then, other in seen if near(value, other)}
        chant = sum(lag <= 120 for lag in found) > 3  # more than three times in ten minutes
        assert add(ring, second, value) == ([] if chant else sorted(found)[:CANDIDATES_MAX])
        past.append((second, value))


@pytest.mark.parametrize("bits", [0, 1, 2, 3])
def test_distances_up_to_three_are_always_found(bits: int) -> None:
    rng = Random(bits)
    for _ in range(300):
        ring, value = new_ring(), rng.getrandbits(64)
        add(ring, 0, value)
        assert add(ring, 50, flipped(rng, value, bits)) == [10]


def test_distances_above_eight_are_never_found() -> None:
    rng = Random(9)
    for _ in range(300):
        ring, value = new_ring(), rng.getrandbits(64)
        add(ring, 0, value)
        assert add(ring, 50, flipped(rng, value, 9)) == []


def test_a_match_across_two_neighbouring_entries_is_none() -> None:
    """Bytes that agree only when read from the middle of an entry."""
    ring = new_ring()
    add(ring, 0, 0x1100_1100_1100_1100)
    add(ring, 5, 0x2200_2200_2200_2200)
    assert add(ring, 50, 0x0011_0011_0011_0011) == []


def test_the_ring_overwrites_the_oldest_and_stays_as_large() -> None:
    ring = new_ring()
    rng = Random(1)
    first = rng.getrandbits(64)
    add(ring, 0, first)
    for i in range(1, 3 * CAPACITY):
        add(ring, i, rng.getrandbits(64))
    assert ring.store is not None
    assert [len(band) for band in ring.store.bands] == [2 * CAPACITY] * 4
    assert len(ring.store.times) == 4 * CAPACITY and len(ring.recent) == 8
    assert add(ring, 4 * CAPACITY, first) == []


def test_only_chunks_that_changed_are_taken_and_each_once() -> None:
    ring = new_ring()
    assert take_changed_chunks(ring) == {}
    for i in range(CHUNK):
        add(ring, i, i)
    assert set(take_changed_chunks(ring)) == {0}
    assert take_changed_chunks(ring) == {}
    add(ring, 500, 1)
    assert set(take_changed_chunks(ring)) == {1}
    for i in range(CAPACITY - CHUNK - 1):
        add(ring, 600 + i, i)
    add(ring, 9_000, 7)  # wraps into the first chunk
    assert set(take_changed_chunks(ring)) == set(range(CHUNKS)) and ring.count == CAPACITY + 1


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.integers(0, 2 * CAPACITY), st.integers(0, 99))
def test_a_ring_from_its_chunks_is_the_ring(count: int, seed: int) -> None:
    ring, chunks = new_ring(), {}
    rng = Random(seed)
    for i in range(count):
        add(ring, i, rng.getrandbits(64))
        if rng.random() < 0.02:
            chunks.update(take_changed_chunks(ring))
    chunks.update(take_changed_chunks(ring))
    again = SpeechRing(ring.count, ring.recent)
    restore(again, chunks)
    assert again.store is not None and ring.store is not None
    assert (again.store.bands, again.store.times) == (ring.store.bands, ring.store.times)


@pytest.mark.parametrize(
    "damage",
    [lambda c: {}, lambda c: {0: c[0][:-1]}, lambda c: {0: c[0][:-12]}, lambda c: {1: c[0]}],
)
def test_a_missing_or_short_chunk_is_refused(damage: object) -> None:
    ring = new_ring()
    for i in range(50):
        add(ring, i, i)
    chunks = take_changed_chunks(ring)
    with pytest.raises(ValueError, match="speech chunk 0"):
        restore(SpeechRing(ring.count), damage(chunks))  # type: ignore[operator]


def test_the_modal_lag_is_the_one_most_of_the_last_eight_share() -> None:
    ring = SpeechRing(recent=((10,), (11, 40), (9,), (), (70,), (10,), (70,), (40,)))
    assert modal_lag(ring) == (10, 4)
    assert modal_lag(SpeechRing(recent=((), ()))) == (0, 0)
