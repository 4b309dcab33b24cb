"""Reviews in a partition's log: each is answered and counted, and a replay says the same to the byte."""

import json
from collections import Counter
from random import Random

import pytest
import yaml

from tests.contracts.contract import SCHEMAS, Contract
from tests.policy.build import DAY, a_policy, a_rule
from tests.support.engine import Sent, room_log
from worker.audit import snapshot
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.records import OutRecord
from worker.topics import IDENTITIES_TOPIC, REVIEWS_TOPIC, ROOMS_TOPIC, VIOLATIONS_TOPIC

RULE = a_rule(caps="{per_hour: 15, on_exceed: park}", cooldown="1m", clear_after="1m", escalate_after="5m")
TOPICS = (VIOLATIONS_TOPIC, REVIEWS_TOPIC, ROOMS_TOPIC, IDENTITIES_TOPIC)
TRAIT = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())["components"]["messageTraits"]["reviewEventBinary"]


def a_processor(rooms: MemoryRooms | None = None) -> PartitionProcessor:
    judge = Judge(load_policies({"p.yaml": a_policy(RULE)}, run_tests=False))
    return PartitionProcessor(topic="live.room.events", partition=0, rooms=rooms or MemoryRooms(), judge=judge)


def judged(
    records: list[Sent], size: int, *, restarts: bool = False
) -> tuple[dict[str, list[OutRecord]], Counter[str]]:
    """What leaves, by topic, and how reviews were counted; between batches rooms may be written and read again."""
    processor = a_processor()
    found: dict[str, list[OutRecord]] = {topic: [] for topic in TOPICS}
    chunks: dict[str, dict[int, bytes]] = {}
    counted: Counter[str] = Counter()
    for first in range(0, len(records), size):
        out = processor.process(records[first : first + size])
        for topic in TOPICS:
            found[topic] += out.of(topic)
        if restarts or first + size >= len(records):
            counted.update({f"{outcome} {result}": n for (outcome, result), n in processor.counts.reviews.items()})
        if restarts:
            kept, before = MemoryRooms(), processor
            kept.caps = before.rooms.caps
            for room_id, room in before.rooms.live.items():
                chunks.setdefault(room_id, {}).update(snapshot.take_changed_chunks(room))
                kept.live[room_id] = snapshot.decode(snapshot.encode(room), chunks[room_id])
            processor = a_processor(kept)
            processor.watermark_ms = before.watermark_ms
    return found, counted


def reviewed_log(seed: int) -> list[Sent]:
    """A partition's log with reviews of what is found in it, and of what never was: in any order, twice, long after."""
    rng = Random(seed)
    plain = list(room_log(seed, rooms=6, steps=3_000))
    log = [Sent(0, n, at_ms, key, value, ()) for n, (key, value, at_ms) in enumerate(plain)]
    found = [(r.key or b"", json.loads(r.value or b"")["violation_id"]) for r in judged(log, 500)[0][VIOLATIONS_TOPIC]]
    assert len(found) > 40
    inserted: list[tuple[int, bytes, dict[str, object]]] = []
    end_ms = plain[-1][2]
    for n in range(250):
        key, name = rng.choice(found)
        if n % 17 == 0:
            name = "a" * 26
        if n % 41 == 0:
            key = b"room:nobody-knows"
        place = rng.randrange(len(plain)) if n % 5 else len(plain)
        at_ms = plain[place][2] - rng.choice((0, 10_000, DAY)) if n % 5 else end_ms + rng.choice((DAY, 100 * DAY))
        review = {
            "type": "review.decided", "id": f"r{rng.randrange(200)}", "room_id": key.decode(), "at_ms": at_ms,
            "violation_id": name, "outcome": rng.choice(("upheld", "overturned", "partly")),
            "by": rng.choice(("reviewer", "reviewer", "appeal")), "keep": rng.choice((None, ["notify"])),
        }  # fmt: skip
        inserted += [(place, key, review)] * rng.choice((1, 1, 2))
    last_ms = end_ms + 3 * 365 * DAY
    for key, name in found[-30:]:
        inserted.append((len(plain), key, {
            "type": "review.decided", "id": f"late-{name}", "room_id": key.decode(), "at_ms": last_ms,
            "violation_id": name, "outcome": "overturned", "by": "appeal",
        }))  # fmt: skip
    merged: list[tuple[bytes, bytes, int]] = []
    by_place: dict[int, list[tuple[bytes, dict[str, object]]]] = {}
    for place, key, review in inserted:
        by_place.setdefault(place, []).append((key, review))
    for place in range(len(plain) + 1):
        for key, review in by_place.get(place, ()):
            merged.append((key, json.dumps(review).encode(), max(int(str(review["at_ms"])), plain[place - 1][2])))
        if place < len(plain):
            merged.append(plain[place])
    return [Sent(0, n, at_ms, key, value, ()) for n, (key, value, at_ms) in enumerate(merged)]


LOG = reviewed_log(4)


def test_a_replay_says_the_same_to_the_byte_whatever_the_batches_and_after_any_restart() -> None:
    whole, counted = judged(LOG, 10_000)
    kinds = Counter(json.loads(r.value or b"")["transition"] for r in whole[VIOLATIONS_TOPIC])
    assert min(kinds[kind] for kind in ("opened", "escalated", "parked", "cleared", "withdrawn")) >= 5, kinds
    assert min(counted[f"overturned {result}"] for result in ("applied", "no_change", "outranked", "unmatched")) >= 3
    assert judged(LOG, 10_000)[0] == whole
    for size in (1, 37):
        assert judged(LOG, size)[0] == whole, f"batches of {size}"
    assert judged(LOG, 211, restarts=True) == (whole, counted)


def test_no_id_comes_with_two_contents() -> None:
    for topic in (VIOLATIONS_TOPIC, REVIEWS_TOPIC):
        records = judged(LOG, 500)[0][topic]
        contents = {(dict(r.headers)["ce_id"], r.value) for r in records}
        assert len(contents) == len({name for name, _ in contents}) == len(records) > 50


def test_every_review_that_is_no_duplicate_is_answered_counted_and_keeps_the_contract() -> None:
    processor = a_processor()
    answers = processor.process(LOG).of(REVIEWS_TOPIC)
    applied = processor.counts.events[next(k for k in processor.counts.events if k.__name__ == "ReviewDecided")]
    assert len(answers) == applied == sum(processor.counts.reviews.values()) > 200
    contract = Contract("live.audit.reviews")
    of_the_log = {
        record.offset: json.loads(record.value or b"") for record in LOG if b"review.decided" in (record.value or b"")
    }
    for answer in answers:
        assert contract.producer_accepts(answer.value or b""), answer.value
        said, headers = json.loads(answer.value or b""), dict(answer.headers)
        review = of_the_log[said["log"]["offset"]]
        assert (said["review_id"], said["violation_id"]) == (review["id"], review["violation_id"])
        assert set(TRAIT["headers"]["required"]) <= headers.keys()
        assert (headers["ce_type"] or b"").decode() in TRAIT["headers"]["properties"]["ce_type"]["enum"]
        assert (headers["ce_id"] or b"").decode() == said["answer_id"]


def test_years_later_nothing_matches_and_that_is_said() -> None:
    late = [json.loads(r.value or b"") for r in judged(LOG, 500)[0][REVIEWS_TOPIC] if b"late-" in (r.value or b"")]
    assert len(late) >= 20
    assert {(said["result"], said["standing"]) for said in late} == {("unmatched", None)}


@pytest.mark.parametrize("ahead_ms", [0, 100_000])
def test_a_review_of_a_room_that_no_one_knows_is_answered_and_begins_nothing(ahead_ms: int) -> None:
    """Its clock would else be the room's."""
    plain = [
        Sent(0, n + 1, at_ms, key, value, ()) for n, (key, value, at_ms) in enumerate(room_log(9, rooms=1, steps=400))
    ]
    at_ms = plain[0].timestamp + ahead_ms
    value = {
        "type": "review.decided", "id": "r", "room_id": "room:0", "at_ms": at_ms, "violation_id": "a" * 26,
        "outcome": "upheld", "by": "reviewer",
    }  # fmt: skip
    review = Sent(0, 0, plain[0].timestamp, b"room:0", json.dumps(value).encode(), ())
    (answer,) = a_processor().process([review]).of(REVIEWS_TOPIC)
    assert json.loads(answer.value or b"")["result"] == "unmatched"
    with_it, without = judged([review, *plain], 50)[0], judged(plain, 50)[0]
    for topic in (VIOLATIONS_TOPIC, ROOMS_TOPIC, IDENTITIES_TOPIC):
        assert with_it[topic] == without[topic]


def test_a_closed_room_tells_its_host_at_once_what_people_decided() -> None:
    """No later time comes in a closed room, and people mostly decide after the close."""
    log = [Sent(0, n, at_ms, key, value, ()) for n, (key, value, at_ms) in enumerate(room_log(4, rooms=6, steps=3_000))]
    processor = a_processor()
    violations = processor.process(log).of(VIOLATIONS_TOPIC)
    live = {r.key for r in violations if b'"mode":"live"' in (r.value or b"")}
    room = next(room for key, room in processor.rooms.live.items() if key.encode() in live and room.session.host_id)
    key, name = room.room_id.encode(), next(iter(room.episodes.values())).violation_id
    close = {"type": "room.closed", "id": "close", "room_id": room.room_id, "at_ms": room.max_at_ms,
             "session_id": room.session.id}  # fmt: skip
    told = []
    for n, event in enumerate((close, *(
        {"type": "review.decided", "id": f"r{at}", "room_id": room.room_id, "at_ms": room.max_at_ms + DAY + at,
         "violation_id": name, "outcome": outcome, "by": "appeal"}
        for at, outcome in enumerate(("upheld", "overturned"))
    ))):  # fmt: skip
        appended_ms = log[-1].timestamp + (DAY + n if n else 0)
        record = Sent(0, len(log) + n, appended_ms, key, json.dumps(event).encode(), ())
        said = [json.loads(r.value or b"") for r in processor.process([record]).of(IDENTITIES_TOPIC)]
        told.append([(bool(one.get("upheld")), bool(one.get("overturned"))) for one in said if one["kind"] == "host"])
    assert told[1:] == [[(True, False)], [(False, True)]]
