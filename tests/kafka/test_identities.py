"""Farms, registrations and restrictions on a real Kafka: found, told, and judged the same when all is repeated."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.support.engine import Log, Sent, Worker
from tests.support.kafka import KafkaCluster, wait_until
from worker.audit.announce import PERIOD_MS
from worker.lab.simulate.scenes import SCENES
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, IDENTITIES_TOPIC, REGISTRY_TOPIC, VIOLATIONS_TOPIC

POLICY = """
policy: farms
version: 1
effective_from_ms: 0
applies: {platforms: [wechat_channels, taobao], regions: [CN]}
defaults: {cooldown: 30m, rollout: {mode: live, percent: 100}}
rules:
  - id: FARM-01
    title: One voice, face, device or address in several rooms
    basis: {text: test, source: test, status: in_force, since: 2026-01-01, sureness: high}
    when: fleet.size >= 2 && !fleet.permitted
    severity: 2
    ladder: [review]
    tests:
      - {given: {fleet: {kind: voice, size: 2}}, expect: [review]}
      - {given: {fleet: {kind: voice, size: 2, permitted: true}}, expect: none}
  - id: REG-01
    title: A host that the registry knows without an avatar
    basis: {text: test, source: test, status: in_force, since: 2026-01-01, sureness: high}
    when: registration.known && !registration.avatar_registered
    severity: 2
    ladder: [review]
    tests:
      - {given: {registration: {known: true}}, expect: [review]}
      - {given: {registration: {known: false}}, expect: none}
"""
MINUTE_MS = 60_000
PLAYED: list[dict[str, Any]] = list(SCENES["avatar_farm"].play(3, duration_ms=17 * MINUTE_MS))
FARM = [event for event in PLAYED if event["at_ms"] < PLAYED[0]["at_ms"] + 15 * MINUTE_MS]  # the rooms stay open
ROOMS = sorted({event["room_id"] for event in FARM})
HOSTS = {e["room_id"]: e["host_id"] for e in FARM if "host_id" in e and e["type"] == "room.opened"}
START_MS = FARM[0]["at_ms"]
OFFICIAL = [f"taobao:official-{i}" for i in range(6)]


def official_rooms() -> Iterator[dict[str, Any]]:
    """Six rooms of one brand, of one operator and on one device, each with a host of its own."""
    for step in range(15 * 3):
        for i, room_id in enumerate(OFFICIAL):
            yield {
                "type": "room.heartbeat", "id": f"b{i}-{step}", "room_id": room_id, "session_id": f"s{i}",
                "at_ms": START_MS + step * 20_000, "platform": "taobao", "region": "CN", "host_id": f"official-{i}",
                "started_at_ms": START_MS, "selling": True, "viewers": 9, "operator_id": "brand", "device_id": "stage",
            }  # fmt: skip


EVENTS = sorted([*FARM, *official_rooms()], key=lambda event: event["at_ms"])
PARTS = [[e for e in EVENTS if (e["at_ms"] - START_MS) // (3 * MINUTE_MS) == part] for part in range(5)]
"""Three minutes each. A part is judged at once, hundreds of times faster than it would be live."""


def records(events: list[dict[str, Any]]) -> Iterator[tuple[bytes, bytes, int]]:
    for event in events:
        yield event["room_id"].encode(), json.dumps(event, ensure_ascii=False).encode(), event["at_ms"]


@pytest.fixture
def log(kafka: KafkaCluster, topic_name: Callable[[str], str]) -> Log:
    return Log(kafka, topic_name("") + ".", partitions=3).create()


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "farms.yaml").write_text(POLICY)
    return {"POLICIES_DIR": str(tmp_path / "policies"), "INSTANCE_ID": "pod-0"}


def register(log: Log, **hosts: Mapping[str, Any] | None) -> None:
    """Writes as a registration service in Java would: by Kafka's own partitioner."""
    producer = Producer({"bootstrap.servers": log.kafka.bootstrap, "partitioner": "murmur2_random"})
    for host_id, record in hosts.items():
        known = {"host_id": host_id, "driver_verified": True, "likeness_consent": True, "updated_at_ms": START_MS}
        value = None if record is None else json.dumps({**known, **record}).encode()
        producer.produce(log.topic(REGISTRY_TOPIC), value, host_id.encode())
    assert producer.flush(10) == 0


def told(log: Log, kind: str) -> dict[str, list[dict[str, Any]]]:
    """Answers of one type by room, in the order of the log, repeats left out."""
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for sent in log.read(EVENTS_TOPIC):
        event = json.loads(sent.value or b"")
        if event["type"] == kind:
            assert found[event["room_id"]].setdefault(event["id"], event) == event, "a repeat says the same"
    return {room_id: list(events.values()) for room_id, events in found.items()}


def replayed(log: Log) -> list[Sent]:
    """What the pure core makes of the room log as it lies in Kafka, answers and all."""
    found = []
    for partition in range(log.partitions):
        judge = Judge(load_policies({"farms.yaml": POLICY}))
        processor = PartitionProcessor(
            topic=log.topic(EVENTS_TOPIC), partition=partition, rooms=MemoryRooms(), judge=judge
        )
        out = processor.process([sent for sent in log.read(EVENTS_TOPIC) if sent.partition == partition])
        found += [
            Sent(partition, 0, r.timestamp_ms or 0, r.key, r.value, tuple(r.headers)) for r in out.of(VIOLATIONS_TOPIC)
        ]
    return found


def opened(log: Log, rule: str) -> set[str]:
    values = [json.loads(sent.value or b"") for sent in log.read(VIOLATIONS_TOPIC)]
    return {value["room_id"] for value in values if value["rule"]["id"] == rule and value["transition"] == "opened"}


def same_as_replayed(log: Log) -> None:
    assert {sent.content() for sent in log.read(VIOLATIONS_TOPIC)} == {sent.content() for sent in replayed(log)}
    assert log.read(DEAD_LETTERS_TOPIC) == []


def test_a_farm_is_found_and_a_brands_official_rooms_are_not(
    log: Log, tmp_path: Path, settings: dict[str, str]
) -> None:
    brand = {"platform": "taobao", "avatar_registered": True, "brand_id": "brand"}
    register(log, **{f"official-{i}": brand for i in range(6)})
    with Worker(log, tmp_path, **settings) as worker:
        for part in PARTS:
            log.produce(records(part))
            log.wait_quiet(worker)
        rooms_of = {kind: float(n) for kind, n in re.findall(r'fleet_rooms{kind="(\w+)"} (\S+)', worker.get("metrics"))}
        assert rooms_of.pop("script") >= 40, "a farm's avatars read the same words"
        assert sum(rooms_of.values()) == 40 * 3 + 6 * 2
        assert worker.metric("identities_rejected_total") == 0
        assert worker.term() == 0, worker.log()
    matches = told(log, "fleet.matched")
    matches = {room_id: [m for m in found if m["kind"] != "script"] for room_id, found in matches.items()}
    kinds = {room_id: {m["kind"]: m for m in matches[room_id]} for room_id in matches}
    assert set(kinds) == {*ROOMS, *OFFICIAL}
    for room_id in ROOMS:
        assert {kind: m["permitted"] for kind, m in kinds[room_id].items()} == dict.fromkeys(
            ("ip", "operator", "voice"), False
        )
        first = {m["kind"]: m["at_ms"] - START_MS for m in reversed(matches[room_id])}
        assert max(first.values()) <= 2 * PERIOD_MS
        assert kinds[room_id]["ip"]["size"] >= 20 and kinds[room_id]["voice"]["size"] >= 5
        assert len(kinds[room_id]["ip"]["rooms"]) == min(20, kinds[room_id]["ip"]["size"])
    for room_id in OFFICIAL:
        assert all(match["permitted"] for match in matches[room_id])
    assert opened(log, "FARM-01") == set(ROOMS)
    same_as_replayed(log)


def test_the_registrys_word_reaches_the_hosts_live_rooms(log: Log, tmp_path: Path, settings: dict[str, str]) -> None:
    room_id, other = ROOMS[0], ROOMS[1]
    known = {"platform": "wechat_channels", "avatar_registered": True}
    register(log, **{HOSTS[room_id]: known})
    with Worker(log, tmp_path, **settings) as worker:
        log.produce(records([e for e in EVENTS if e["room_id"] in (room_id, other)]))
        log.wait_quiet(worker)
        assert {s["known"] for s in told(log, "registration.state")[room_id]} == {True}
        assert {s["known"] for s in told(log, "registration.state")[other]} == {False}
        assert opened(log, "REG-01") == set()
        register(log, **{HOSTS[room_id]: {**known, "avatar_registered": False}})
        log.wait_quiet(worker)
        assert opened(log, "REG-01") == {room_id}
        register(log, **{HOSTS[room_id]: None})
        log.wait_quiet(worker)
        assert worker.term() == 0, worker.log()
    states = told(log, "registration.state")[room_id]
    words = dict.fromkeys((s["known"], s["avatar_registered"]) for s in states)
    assert list(words) == [(True, True), (True, False), (False, False)]
    assert sorted(s["registry_offset"] for s in states) == [s["registry_offset"] for s in states]
    same_as_replayed(log)


def test_kills_lose_and_invent_nothing(log: Log, tmp_path: Path, settings: dict[str, str]) -> None:
    """Killed three times in the middle: every room is told the same, and replay of the log gives the verdicts."""
    quick = {**settings, "COMMIT_INTERVAL_S": "0.1", "BATCH_RECORDS": "1000"}
    for part in PARTS[:3]:
        log.produce(records(part))
        before = sum(log.ends(IDENTITIES_TOPIC).values())
        with Worker(log, tmp_path, **quick) as worker:
            wait_until(
                lambda before=before: sum(log.ends(IDENTITIES_TOPIC).values()) > before + 30,  # type: ignore[misc]
                timeout_s=60, what=worker.log,
            )  # fmt: skip
            worker.kill9()
    with Worker(log, tmp_path, **quick) as worker:
        for part in PARTS[3:]:
            log.wait_quiet(worker)
            log.produce(records(part))
        log.wait_quiet(worker)
        assert worker.term() == 0, worker.log()
    matches = told(log, "fleet.matched")
    for room_id in ROOMS:
        last = {m["kind"]: m["size"] for m in matches[room_id]}
        assert last["ip"] >= 20 and last["operator"] >= 20 and last["voice"] >= 5
    tests = told(log, "restriction.tested")
    for of_a_platform in (ROOMS, OFFICIAL):
        indices = [tests[room_id][0]["index"] for room_id in of_a_platform]
        assert len(set(indices)) == len(indices), "every session has a place of its own"
    assert opened(log, "FARM-01") >= set(ROOMS)
    same_as_replayed(log)
