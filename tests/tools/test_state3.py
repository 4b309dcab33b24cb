"""State of version 3 is read as its own code wrote it: the sample holds its bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable

import msgspec
import pytest
from xxhash import xxh3_64_digest

from tests.contracts.contract import Contract
from tests.support import state3
from tests.support.state3 import DAY_MS, IDENTITIES_CHANGELOG, NOW_MS, ROOMS_CHANGELOG, Kept, partition_of
from worker.audit.past import PastHost, PastPlatform, PastRoom
from worker.egress.history import encode_past
from worker.tools.state3 import Changelog, Identities, Rooms, State3Error
from worker.topics import EVENTS_TOPIC, HISTORY_TOPIC, IDENTITIES_TOPIC


def taken(changelog: Changelog, records: Iterable[Kept]) -> None:
    for record in records:
        changelog.take(record)


def rooms() -> dict[str, PastRoom]:
    found: dict[str, PastRoom] = {}
    for partition in range(state3.PARTITIONS):
        changelog = Rooms()
        taken(changelog, partition_of(ROOMS_CHANGELOG, partition))
        assert changelog.applied == len(partition_of(EVENTS_TOPIC, partition))
        found |= {past.room_id.removeprefix("wechat_channels:"): past for past in changelog.past()}
    return found


def identities() -> dict[str, PastHost | PastPlatform]:
    found: dict[str, PastHost | PastPlatform] = {}
    for partition in range(state3.PARTITIONS):
        changelog = Identities()
        taken(changelog, partition_of(IDENTITIES_CHANGELOG, partition))
        assert changelog.applied == len(partition_of(IDENTITIES_TOPIC, partition))
        for past in changelog.past(NOW_MS):
            found[past.platform if isinstance(past, PastPlatform) else past.host_id] = past
    return found


def test_rooms_with_a_past_are_found_and_no_others() -> None:
    assert sorted(rooms()) == ["capped-a", "capped-d", "done", "old", "running", "twice", "waiting", "won"]


def test_upheld_violations_are_found_with_the_id_of_their_episode_where_it_is_known() -> None:
    first, second = (state3.violation("twice", "cleared", newest=newest) for newest in (False, True))
    opened = state3.violation("twice", "opened")
    known = [(one.rule, one.at_ms, one.opened_ms, one.violation_id) for one in rooms()["twice"].upheld]
    assert known == [
        ("MARK-01", first["decided_at_ms"], None, None),
        ("MARK-01", second["decided_at_ms"], opened["decided_at_ms"], second["violation_id"]),
    ]
    assert not rooms()["won"].upheld
    assert not rooms()["waiting"].upheld


def test_episodes_are_found_as_they_were() -> None:
    running, last = rooms()["running"], state3.violation("running", "escalated")
    (episode,) = running.episodes
    assert (episode.state, episode.step, episode.violation_id) == ("escalated", 1, last["violation_id"])
    assert episode.session_id == running.session_id == last["session_id"]
    assert episode.opened_ms == state3.violation("running", "opened")["decided_at_ms"]
    assert rooms()["won"].episodes[0].state == "withdrawn"
    assert rooms()["done"].episodes[0].upheld
    assert rooms()["capped-d"].episodes[0].parked == state3.violation("capped-d", "parked")["violation_id"]


def test_a_room_is_found_with_whom_it_belongs_to() -> None:
    about, said = rooms()["waiting"], state3.violation("waiting", "opened")
    assert (about.platform, about.region, about.host_id) == (said["platform"], said["region"], said["host_id"])
    assert about.operator_id == said["operator_id"]
    assert msgspec.to_builtins(about.shop_ids) == said["shop_ids"]
    assert about.offset < len(state3.topic(EVENTS_TOPIC))


def test_hosts_and_platforms_are_found() -> None:
    found = identities()
    assert sorted(found) == ["host-twice", "wechat_channels"]
    host, platform = found["host-twice"], found["wechat_channels"]
    assert isinstance(host, PastHost)
    assert isinstance(platform, PastPlatform)
    assert [(one.rule, one.room_id) for one in host.upheld] == [("MARK-01", "wechat_channels:twice")]
    assert (platform.sessions, platform.discoveries, len(platform.found)) == (11, 1, 1)


def test_what_is_older_than_half_a_year_is_left_behind() -> None:
    changelog = Rooms()
    records = partition_of(ROOMS_CHANGELOG, 1)
    taken(changelog, records)
    ids = [past.room_id for past in changelog.past()]
    assert "wechat_channels:expired" not in ids
    assert any(record.key == b"wechat_channels:expired" for record in records)
    changelog.watermark_ms = NOW_MS - 30 * DAY_MS
    assert "wechat_channels:expired" in [past.room_id for past in changelog.past()]


def test_all_of_it_fits_the_contract() -> None:
    contract = Contract(HISTORY_TOPIC)
    activation = Rooms().activation(2, "old")
    for past in (*rooms().values(), *identities().values(), activation):
        value = encode_past(past).value or b""
        assert contract.producer_accepts(value), json.loads(value)


def test_a_record_that_was_overtaken_is_passed_over() -> None:
    records = partition_of(ROOMS_CHANGELOG, 2)
    core = next(record for record in records if record.key == b"wechat_channels:running")
    gone = core._replace(value=None, headers=(("offset", b"5"),))
    changelog = Rooms()
    taken(changelog, [*records, gone])
    assert "wechat_channels:running" in [past.room_id for past in changelog.past()]
    taken(changelog, [gone._replace(headers=(("offset", b"5000"),))])
    assert "wechat_channels:running" not in [past.room_id for past in changelog.past()]


def core_of(records: list[Kept]) -> Kept:
    return next(record for record in records if b"#" not in (record.key or b"") and record.value)


def resealed(core: bytes) -> bytes:
    return xxh3_64_digest(core) + core


@pytest.mark.parametrize("version", [2, 4])
def test_another_version_is_refused_by_name(version: int) -> None:
    core = core_of(partition_of(ROOMS_CHANGELOG, 0))
    body = bytearray((core.value or b"")[8:])
    body[8] = version
    with pytest.raises(State3Error, match=f"a room of version {version}, this export reads version 3"):
        Rooms().take(core._replace(value=resealed(bytes(body))))


def test_bytes_that_were_cut_or_altered_are_refused() -> None:
    core = core_of(partition_of(ROOMS_CHANGELOG, 0))
    with pytest.raises(State3Error, match="cut or altered"):
        Rooms().take(core._replace(value=(core.value or b"")[:-1]))
    host = core_of(partition_of(IDENTITIES_CHANGELOG, 2))
    with pytest.raises(State3Error, match="cut or altered"):
        Identities().take(host._replace(key=b"host:h", value=(host.value or b"")[:-1] + b"\0"))
