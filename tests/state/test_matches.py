"""Identities through their changelog: what is recovered is what was kept; a zombie loses; nothing is silent."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import pytest

from tests.support.mutate import mutated
from worker.audit.announce import TTL_MS, Identity
from worker.audit.elond import Platform
from worker.identities.fleets import Fleet, take
from worker.identities.hosts import Host, Registration, register
from worker.partition.identities import Kept
from worker.state.codec import META_KEY, ChangelogError, Write
from worker.state.identities import MatchStore, decode, encode

T0 = 1_740_000_000_000
REGISTERED = Registration(
    host_id="h", platform="douyin", avatar_registered=True, driver_verified=True, likeness_consent=False,
    updated_at_ms=T0, brand_id="maotai",
)  # fmt: skip


class Record(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp: int = 0


def fleet(offset: int, rooms: int = 3, at_ms: int = T0) -> Fleet:
    made = Fleet(offset=offset)
    for i in range(rooms):
        said = Identity(
            kind="voice", identity="v", room_id=f"r{i}", platform="douyin", host_id=f"h{i}", at_ms=at_ms, live=True
        )
        take(made, said)
    return made


def host(offset: int, registry_offset: int = -1) -> Host:
    made = Host(offset=offset, max_at_ms=T0)
    if registry_offset >= 0:
        register(made, "h", REGISTERED, registry_offset)
    return made


def store(**kept: Kept) -> MatchStore:
    made = MatchStore("changelog", 0)
    for key, value in kept.items():
        made.kept[key.replace("_", ":")] = value
        made.dirty.add(key.replace("_", ":"))
    return made


def recovered(*writes: Write) -> MatchStore:
    made = MatchStore("changelog", 0)
    made.apply([Record(i, *write) for i, write in enumerate(writes)])
    return made


def test_what_is_recovered_is_what_was_kept() -> None:
    before = store(voice_v=fleet(5), host_h=host(4, 9), platform_douyin=Platform(7, 3, 1, [42]))
    after = recovered(*before.capture(8, 10, T0, 0))
    assert after.kept == before.kept and after.fleet_rooms == {"voice": 3} and after.fleets == {"voice": 1}
    assert after.meta is not None and (after.meta.applied_offset, after.registry_applied) == (8, 10)
    assert after.capture(8, 10, T0, 0)[-1].key == META_KEY and not after.dirty


def test_a_zombies_late_flush_loses_and_is_written_over() -> None:
    new, old = fleet(9, 4), fleet(5, 2)
    after = recovered(Write(b"voice:v", encode(new)), Write(b"voice:v", encode(old)))
    assert after.kept["voice:v"] == new and after.stale == 1
    assert after.capture(10, 0, T0, 0)[0].value == encode(new)
    newer_registration = recovered(Write(b"host:h", encode(host(3, 8))), Write(b"host:h", encode(host(3, 7))))
    assert newer_registration.kept["host:h"] == host(3, 8)


def test_what_another_worker_has_written_meanwhile_is_an_error() -> None:
    owner = recovered(*store(voice_v=fleet(5)).capture(8, 10, T0, 0))  # records 0 to 2
    owner.changelog_end.wrote(2, 4)
    owner.changelog_end.wrote(2, 6)
    with pytest.raises(ChangelogError, match=r"changelog\[0\]: another worker wrote offsets 7 to 8"):
        owner.changelog_end.wrote(1, 9)


def test_what_no_room_shows_any_more_is_forgotten_once_it_is_committed() -> None:
    kept = store(voice_v=fleet(5), host_h=host(4), host_r=host(4, 9), platform_douyin=Platform(7))
    kept.capture(8, 10, T0, 8)
    later_ms = T0 + 3 * TTL_MS
    assert kept.capture(8, 10, later_ms, 3)[:-1] == [], "not yet committed"
    gone = kept.capture(8, 10, later_ms, 8)[:-1]
    assert sorted(write.key for write in gone) == [b"host:h", b"voice:v"] and kept.expired == 2
    assert sorted(kept.kept) == ["host:r", "platform:douyin"] and kept.fleet_rooms == {"voice": 0}
    after = recovered(Write(b"voice:v", encode(fleet(5))), *gone)
    assert after.kept == {}


def test_a_tombstone_that_comes_late_takes_nothing() -> None:
    kept = store(voice_v=fleet(5))
    kept.capture(8, 0, T0, 8)
    tombstone = kept.capture(8, 0, T0 + 3 * TTL_MS, 8)[0]
    after = recovered(Write(b"voice:v", encode(fleet(6))), tombstone)
    assert "voice:v" in after.kept and after.stale == 1


@pytest.mark.parametrize("value", [b"", b"\x02" + bytes(20), encode(fleet(1))[:-1], b"\x01" + bytes(8) + b"\xc1"])
def test_a_record_that_cannot_be_read_ends_the_worker_by_name(value: bytes) -> None:
    with pytest.raises(ChangelogError, match=r"changelog changelog\[0\] offset 0, key voice:v: "):
        recovered(Write(b"voice:v", value))


def test_offsets_never_lead_the_state() -> None:
    kept = recovered(*store().capture(8, 10, T0, 0))
    kept.check_committed(8, 10)
    kept.check_committed(None, None)
    with pytest.raises(ChangelogError, match=r"the identities' topic: offset 9 is committed.*reaches only offset 8"):
        kept.check_committed(9, 10)
    with pytest.raises(ChangelogError, match=r"the registry: offset 11 is committed.*reaches only offset 10"):
        kept.check_committed(8, 11)


def test_each_kind_comes_back_as_what_it_is() -> None:
    for key, kept in (("voice:v", fleet(1)), ("host:h", host(1, 2)), ("platform:jd", Platform(1, 2, 3, [4]))):
        assert decode(key, encode(kept)) == kept


def test_a_damaged_record_is_an_error_with_its_place_or_changes_nothing() -> None:
    made = store(voice_v=fleet(7), host_h=host(8, registry_offset=3), platform_douyin=Platform(offset=9))
    writes = made.capture(10, 4, T0, 0)
    assert {write.key for write in writes} == {b"voice:v", b"host:h", b"platform:douyin", b"#registry", META_KEY}
    records = [Record(offset, write.key, write.value, write.headers) for offset, write in enumerate(writes)]
    values = [write.value or b"" for write in writes]
    rng, refused, rounds = Random(7), 0, 4_000
    for round_ in range(rounds):
        at = rng.randrange(len(records))
        damaged = records[at]._replace(value=mutated(rng, values[at], values))
        again = MatchStore("changelog", 0)
        try:
            again.apply([*records[:at], damaged, *records[at + 1 :]])
        except ChangelogError as error:
            refused += 1
            assert f"changelog changelog[0] offset {at}, key" in str(error), f"round {round_}"
        else:
            found = {key: encode(kept) for key, kept in again.kept.items()}
            assert found == {key: encode(kept) for key, kept in made.kept.items()}, f"round {round_}: {damaged.key!r}"
            assert (again.meta, again.registry_applied) == (made.meta, 4), f"round {round_}: {damaged.key!r}"
    assert refused > 0.9 * rounds


def test_damaged_keys_and_headers_are_errors_or_other_identities() -> None:
    made = store(voice_v=fleet(7), host_h=host(8, registry_offset=3))
    writes = made.capture(10, 4, T0, 0)
    rng = Random(8)
    for round_ in range(2_000):
        write = rng.choice(writes)
        headers = rng.choice(((), (("offset", rng.randbytes(3)),), (("offset", None),), (("offset", b"5"),)))
        damaged = Record(99, mutated(rng, write.key), rng.choice((write.value, None)), headers)
        again = recovered(*writes)
        try:
            again.apply([damaged])
        except ChangelogError as error:
            assert "changelog[0] offset 99" in str(error), f"round {round_}"
        else:
            hit = damaged.key.decode() if damaged.key else ""
            for key, kept in made.kept.items():
                assert key == hit or encode(again.kept[key]) == encode(kept), f"round {round_}: {damaged.key!r}"
            assert (again.meta, again.registry_applied) == (made.meta, 4), f"round {round_}: {damaged.key!r}"
