"""What must hold of every room, on random ones."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.meaning import toy
from tests.meaning.log import HOUR, KINDS, MINUTE, SECOND, Record
from tests.meaning.oracle import Seen, account, judge, rooms_of, sights
from tests.meaning.rooms import GUILTY_KINDS, KEEPER_KINDS, T0, Faults, bent, random_faults, reconnecting, truth
from tests.meaning.scan import scan
from tests.meaning.test_counterexamples import LABEL, MARK, POLICIES, Log, douyin, labelled, live

SEEDS = [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 14))]


def looks_of(records: Sequence[Record]) -> set[int]:
    """Where rules are looked at, to keep the tests quick: every tenth record, and facts."""
    return {r.offset for r in records if r.offset % 10 == 9 or r.event["type"] in ("label.state", "watermark.read")}


def outcome(records: Sequence[Record]) -> tuple[set[tuple[str, str, int, int]], Mapping[str, int]]:
    """(rule, mode, step, certainty) of all that was said, and the highest level of each family."""
    looks = looks_of(records)
    said = judge(records, POLICIES, toy.levels, looks=looks)
    peaks: dict[str, int] = {}
    for room in rooms_of(records):
        for _, seen in sights(room, toy.levels, looks):
            peaks = {f: max(level, peaks.get(f, 0)) for f, level in seen.world.levels.items()}
    return {(d.rule, d.mode, d.step, d.certainty) for d in said}, peaks


def last_of(records: Sequence[Record]) -> Seen:
    return [seen for _, seen in sights(rooms_of(records)[0], toy.levels, {records[-1].offset})][-1]


def known(seen: Seen) -> dict[str, Any]:
    """What is known at the end, without the clocks of arrival."""
    facts = {name: dict(fact) for name, fact in seen.world.facts.items()}
    return {**facts, "blocks": [(b.number, [x.id for x in b.events], b.why) for b in seen.look.blocks]}


@pytest.mark.parametrize("kind", KEEPER_KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_fault_raises_what_an_honest_room_gets(kind: str, seed: int) -> None:
    happened = truth(kind, seed, minutes=13)
    said, peaks = outcome(bent(happened, Faults()))
    under, raised = outcome(bent(happened, random_faults(seed)))
    assert under <= said
    assert all(level <= peaks.get(family, 0) for family, level in raised.items())


@pytest.mark.parametrize("kind", [*KEEPER_KINDS, *GUILTY_KINDS])
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_arrival_within_bounds_changes_nothing(kind: str, seed: int) -> None:
    happened = truth(kind, seed, minutes=12)
    end = Record(10_000, T0 + 13 * MINUTE, {**happened[0].event, "id": "end", "at_ms": T0 + 13 * MINUTE})
    straight = [*bent(happened, Faults()), end]
    shuffled = [*bent(happened, Faults(seed=seed, jitter=10 * SECOND, swapped=0.2)), end]
    assert [r.event["id"] for r in straight] != [r.event["id"] for r in shuffled]
    assert known(last_of(straight)) == known(last_of(shuffled))
    assert live(judge(straight, POLICIES, toy.levels)) == live(judge(shuffled, POLICIES, toy.levels))


@pytest.mark.parametrize("kind", [*KEEPER_KINDS, *GUILTY_KINDS])
def test_repeats_change_nothing(kind: str) -> None:
    records = bent(truth(kind, 4, minutes=12), Faults())
    rnd = random.Random(4)
    twice = []
    for n, record in enumerate(records):
        twice.append(record)
        counted = [r for r in records[max(0, n - 60) : n + 1] if not r.event["type"].startswith("room.")]
        if counted and rnd.random() < 0.4:
            twice.append(Record(record.offset, record.timestamp_ms, rnd.choice(counted).event))
    assert account(twice)["duplicate"] == len(twice) - len(records) > 40
    assert known(last_of(twice)) == known(last_of(records))
    said = {(d.rule, d.transition, d.step, d.append_ms) for d in judge(records, POLICIES, toy.levels)}
    assert said == {(d.rule, d.transition, d.step, d.append_ms) for d in judge(twice, POLICIES, toy.levels)}


def test_a_register_from_a_wild_clock_is_not_renewed_by_its_repeat() -> None:
    log = Log("douyin").beats(10)
    log.put(10_000, 2 * HOUR, LABEL, id="wild").put(200_000, 200_000, LABEL, visible=False)
    for at in range(210_000, 300_000, 1_000):
        log.put(at, at, {"type": "frame.measured", "person_present": True})
    before = last_of(log.records()).label
    assert before.visible is False
    assert last_of(log.put(400_000, 2 * HOUR, LABEL, id="wild").records()).label == before


@pytest.mark.parametrize("seed", range(12))
def test_a_guilty_fact_is_kept_at_any_age(seed: int) -> None:
    rnd = random.Random(seed)
    log = Log("wechat_channels").beats(60)
    at = rnd.randrange(0, 50 * MINUTE)
    arrives = rnd.randrange(at, 58 * MINUTE)
    skew = rnd.choice((0, -90 * SECOND, -5 * HOUR))
    log.put(arrives, at + skew, MARK)
    opened = [d for d in log.said() if d.rule == "WX-AVATAR-01"]
    assert [(d.transition, d.append_ms) for d in opened][:1] == [("opened", T0 + arrives)]


@pytest.mark.parametrize("seed", range(12))
def test_under_any_fault_the_first_mark_that_counts_opens_its_rule(seed: int) -> None:
    records = bent(truth("unlabelled", seed, platform="wechat_channels"), random_faults(seed))
    baseline = next(r.timestamp_ms for r in records if not r.created)
    marks = [
        p.entry.offset
        for p in scan(records, baseline_ms=baseline)
        if p.entry.type == "watermark.read" and p.status == "applied" and p.current and p.current.host is not None
    ]
    opened = [d.offset for d in judge(records, POLICIES, looks=looks_of(records)) if d.rule == "WX-AVATAR-01"]
    assert opened[:1] == marks[:1]
    ahead = random_faults(seed).skew.get("F", 0) > 120 * SECOND
    assert marks or ahead or random_faults(seed).delay["F"]


@pytest.mark.parametrize("seed", range(6))
def test_what_belongs_to_a_former_session_is_foreign(seed: int) -> None:
    rnd = random.Random(seed)
    log = Log("wechat_channels").beats(10)
    log.put(600_000, 600_000, {"type": "room.closed"})
    log.session = "s2"
    for at in range(700_000, 1_500_000, 15 * SECOND):
        log.beat(at, started=700_000)
    for n in range(5):
        log.put(rnd.randrange(705_000, 1_400_000), rnd.randrange(0, 699_000), MARK, session_id=rnd.choice((None, "s1")))
        log.put(rnd.randrange(705_000, 1_400_000), n, LABEL, session_id="s1")
    assert live(log.said()) == set()
    assert account(log.records())["foreign"] == 10


@pytest.mark.parametrize("cut", [3, 20, 40])
def test_a_label_not_yet_heard_of_is_unknown_in_mid_session(cut: int) -> None:
    records = [r for r in bent(truth("unlabelled", 1, minutes=14), Faults()) if r.event["type"] != "detector.score"]
    kept = [r for r in records if r.timestamp_ms > T0 + cut * 5 * SECOND + 60 * SECOND]
    seen = last_of(kept)
    assert (seen.label.visible, seen.label.continuous) == (None, None)
    assert live(judge(kept, POLICIES, looks=looks_of(kept))) == set()
    at = kept[len(kept) // 3].timestamp_ms
    off = Record(
        5_000, at, {**LABEL, "visible": False, "id": "off", "room_id": "douyin:r1", "session_id": "s1", "at_ms": at}
    )
    told = sorted([*kept, off], key=lambda r: r.timestamp_ms)
    assert "CN-LABEL-01" in live(judge(told, POLICIES))


def test_a_label_is_unknown_behind_lost_records_until_it_is_heard_of() -> None:
    records = bent(truth("unlabelled", 1, minutes=14), Faults())
    gap = next(r.offset for r in records if r.timestamp_ms > T0 + 10 * SECOND)
    assert "CN-LABEL-01" in live(judge(records, POLICIES, looks=looks_of(records)))
    lost = judge(records, POLICIES, looks=looks_of(records), gaps={gap})
    assert "CN-LABEL-01" not in live(lost)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["avatar", "stripped"])
def test_a_lease_gives_back_what_it_displaced(kind: str, seed: int) -> None:
    happened = truth(kind, seed, minutes=14)
    stray = T0 + random.Random(seed).randrange(30, 200) * SECOND
    plain, captured = bent(happened, Faults()), bent(happened, Faults(wild=(stray,)))
    assert outcome(captured)[0] == outcome(plain)[0]
    assert last_of(captured).look.session.number == 1
    foreign = account(captured)["foreign"]
    assert 0 < foreign <= len(plain) * 120 / (14 * 60)


@pytest.mark.parametrize("seed", range(5))
def test_what_becomes_of_a_record_depends_on_those_before_it_alone(seed: int) -> None:
    happened = reconnecting(truth("avatar", seed, minutes=8), 3 * MINUTE, 5 * SECOND)
    records = bent(happened, replace(random_faults(seed), created=0, wild=(T0 + 100 * SECOND,)))
    whole = scan(records)
    for upto in range(0, len(records), 37):
        assert scan(records[:upto]) == whole[:upto]


def test_random_rooms_are_made_of_events_that_the_schema_accepts() -> None:
    path = Path(__file__).resolve().parents[2] / "schemas" / "live.room.events" / "v1.schema.json"
    schema = Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
    for kind in (*KEEPER_KINDS, *GUILTY_KINDS):
        for record in bent(reconnecting(truth(kind, 1, minutes=5), 100_000, 5_000), random_faults(1))[::7]:
            schema.validate(record.event)
    for record in [*labelled("douyin").records(), *douyin().records()][::5]:
        schema.validate(record.event)
    types = {branch["if"]["properties"]["type"]["const"] for branch in schema.schema["allOf"]}
    assert types == set(KINDS)


def test_of_two_streams_on_one_room_the_later_is_judged_and_the_other_is_foreign() -> None:
    log = Log("wechat_channels").beats(20)
    for at in range(60_000, 20 * MINUTE, 15 * SECOND):
        log.beat(at + 1_000, started=60_000, session_id="s2", host_id="other")
        log.put(at + 2_000, at + 2_000, MARK, session_id="s1")
    assert live(log.said()) == set()
    assert account(log.records())["foreign"] == 75 + 76


@pytest.mark.parametrize("seed", range(6))
def test_every_record_is_accounted_for_once(seed: int) -> None:
    records = bent(reconnecting(truth("silent", seed), 4 * MINUTE, 5 * SECOND), random_faults(seed))
    assert sum(account(records).values()) == len(records)
