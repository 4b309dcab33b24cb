"""What identities and registry lead to: answers where rooms are, dead letters where their topic is."""

from typing import Any, NamedTuple

import msgspec

from worker.audit.announce import Identity
from worker.partition.identities import MatchProcessor, Placed
from worker.state.identities import MatchStore
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, IDENTITIES_TOPIC, REGISTRY_TOPIC

AT_MS = 1_772_413_200_000


class Kept(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def processor(**how: Any) -> MatchProcessor:
    return MatchProcessor(**{"partition": 0, "rooms_partitions": 3, "matches": MatchStore("identities", 0), **how})


def said(offset: int, room_id: str, partition: int) -> Kept:
    one = Identity(
        kind="voice",
        identity="v1",
        room_id=room_id,
        platform="douyin",
        host_id=f"host of {room_id}",
        at_ms=AT_MS,
        live=True,
        partition=partition,
    )
    return Kept(offset, AT_MS, b"voice:v1", msgspec.json.encode(one))


def where(placed: list[Placed]) -> list[tuple[str, int]]:
    return [(one.record.topic, one.partition) for one in placed]


def test_an_answer_goes_to_the_partition_that_the_room_named() -> None:
    out = processor().process([said(0, "r1", 1), said(1, "r2", 2)], IDENTITIES_TOPIC)
    assert where(out) == [(EVENTS_TOPIC, 2)]


def test_a_room_that_names_a_partition_which_the_room_log_has_not_is_a_dead_letter_and_leaves_no_trace() -> None:
    """The answer could be written nowhere, and the worker would end at this record each time it starts."""
    one = processor()
    out = one.process([said(0, "r1", 1), said(1, "r2", 3)], IDENTITIES_TOPIC)
    assert where(out) == [(DEAD_LETTERS_TOPIC, 0)]
    assert dict(out[0].record.headers)["dlq.error.class"] == b"out_of_range"
    assert where(one.process([said(2, "r3", 2)], IDENTITIES_TOPIC)) == [(EVENTS_TOPIC, 2)]
    assert (one.counts.read, one.counts.applied, one.counts.rejected) == (3, 2, 1)


def test_with_more_partitions_of_identities_than_of_rooms_dead_letters_still_have_a_place() -> None:
    out = processor(partition=7).process([Kept(0, AT_MS, b"h1", b"{")], REGISTRY_TOPIC)
    assert where(out) == [(DEAD_LETTERS_TOPIC, 1)]
