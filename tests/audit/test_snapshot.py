"""Snapshots: whatever is cut, flipped or newer is refused as a SnapshotError, never read as something else."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.build import a_room
from tests.audit.rooms import random_log
from worker.audit import snapshot
from worker.audit.reviews import Review
from worker.audit.room import Pane, Room
from worker.audit.snapshot import VERSION, SnapshotError, decode, encode, offset_of

LIVED = a_room(random_log(3, minutes=15))
CORE = encode(LIVED)
CHUNKS = snapshot.take_changed_chunks(LIVED)


def test_a_snapshot_gives_the_room_back() -> None:
    again = decode(CORE, CHUNKS)
    assert encode(again) == CORE
    assert offset_of(CORE) == LIVED.offset
    assert again.session.speech is not None and LIVED.session.speech is not None
    assert again.session.speech.store is not None and LIVED.session.speech.store is not None
    assert again.session.speech.store.bands == LIVED.session.speech.store.bands


def test_encoding_leaves_the_room_as_it_was() -> None:
    assert LIVED.session.speech is not None and LIVED.session.speech.store is not None
    assert encode(LIVED) == encode(LIVED)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.integers(0, len(CORE) - 1))
def test_a_truncated_snapshot_is_refused(length: int) -> None:
    for read in (lambda core: decode(core, CHUNKS), offset_of):
        with pytest.raises(SnapshotError):
            read(CORE[:length])


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(0, len(CORE) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_refused(at: int, bit: int) -> None:
    bad = bytearray(CORE)
    bad[at] ^= 1 << bit
    for read in (lambda core: decode(core, CHUNKS), offset_of):
        with pytest.raises(SnapshotError):
            read(bytes(bad))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    for read in (lambda core: decode(core, {}), offset_of):
        with pytest.raises(SnapshotError):
            read(noise)


def sealed(body: bytes) -> bytes:
    """A snapshot of this body whose checksum is right: it was written so."""
    return snapshot._sealed(body)


@pytest.mark.parametrize("body", [b"", b"\x90", b"\xc0", b"\x91\x01", b"\x93\xa1r\x03\xa1x", b"\xdd\xff\xff\xff\xff"])
def test_a_body_that_is_no_room_is_refused_though_its_checksum_is_right(body: bytes) -> None:
    for read in (lambda core: decode(core, {}), offset_of):
        with pytest.raises(SnapshotError):
            read(sealed(body))


def test_a_later_version_is_refused_by_its_number() -> None:
    with pytest.raises(SnapshotError, match=f"version {VERSION + 1}; this worker reads version {VERSION}"):
        decode(bytes((VERSION + 1,)) + CORE[1:], CHUNKS)


def test_an_older_snapshot_without_the_newest_fields_decodes_with_their_defaults() -> None:
    fields = msgspec.msgpack.decode(encode(a_room(random_log(3, minutes=2)))[9:])
    at = Room.__struct_fields__.index("session")
    older = decode(sealed(msgspec.msgpack.encode([*fields[:at], fields[at][:-1]])), {0: b"\0" * 12 * 128})
    assert (older.session.closed, older.inherited) == ((), None)


@pytest.mark.parametrize("chunks", [{}, {0: b""}, {0: b"\0" * 13}, {1: b"\0" * 1536}])
def test_missing_or_short_speech_chunks_are_refused(chunks: dict[int, bytes]) -> None:
    with pytest.raises(SnapshotError, match="speech chunk 0"):
        decode(CORE, chunks)


def test_two_rooms_share_nothing() -> None:
    """Defaults of one room are not those of another."""
    one, other = Room("a"), Room("b")
    one.reviews.append(Review("r", "v", "upheld", "reviewer", 1, 1))
    one.session.panes[0] = Pane(0)
    one.seen_other += b"x" * 8
    assert (other.reviews, other.session.panes, bytes(other.seen_other)) == ([], {}, b"")


def test_random_damage_to_a_few_bytes_is_refused() -> None:
    rng = Random(7)
    for _ in range(500):
        bad = bytearray(CORE)
        for _ in range(rng.randint(1, 6)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        if bytes(bad) != CORE:
            with pytest.raises(SnapshotError):
                decode(bytes(bad), CHUNKS)
