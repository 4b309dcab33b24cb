"""10⁵ records, many of them hostile: each is accounted for exactly, by a fate that was known when it was made."""

from collections import Counter
from random import Random
from typing import Any, NamedTuple

import orjson
import pytest

from tests.bench.corpus import corpus
from tests.support.headers import header
from worker.partition.rooms import BreakerTripped, MemoryRooms, PartitionProcessor
from worker.policy.judge import Judge
from worker.tools.policyfiles import read_policies
from worker.topics import DEAD_LETTERS_TOPIC

RECORDS = 100_000
WEIGHS = {"viewer.comment", "viewer.gift", "host.speech", "detector.score"}  # taken once


class Rec(NamedTuple):
    """A record as a broker would hand it out."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def _hostile(
    rng: Random, timestamp: int, key: bytes, event: dict[str, Any]
) -> tuple[str, int, bytes | None, bytes | None]:
    """A spoiled record and the class that it must be dead-lettered as."""
    text = orjson.dumps(event)
    kind = rng.randrange(12)
    if kind == 0:
        return "not_json", timestamp, key, b"\x00" + rng.randbytes(rng.randrange(200))
    if kind == 1:
        return "not_json", timestamp, key, text.replace(b'"at_ms":', b'"at_ms":NaN,"x":', 1)
    if kind == 2:
        return "too_large", timestamp, key, text[:-1] + b',"pad":"' + b"x" * 70_000 + b'"}'
    if kind == 3:
        return "too_large", timestamp, key, text[:-1] + b',"deep":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    if kind == 4:
        return "key_mismatch", timestamp, b"another-room", text
    if kind == 5:
        return "key_mismatch", timestamp, None, text
    if kind == 6:
        return "future_timestamp", timestamp, key, orjson.dumps({**event, "at_ms": timestamp + 86_400_001})
    if kind == 7:
        return "unknown_type", timestamp, key, orjson.dumps({**event, "type": "room.exploded"})
    if kind == 8:
        return "missing_field", timestamp, key, orjson.dumps({k: v for k, v in event.items() if k != "room_id"})
    if kind == 9:
        return "wrong_type", timestamp, key, orjson.dumps({**event, "at_ms": "now"})
    if kind == 10:
        return "not_json", timestamp, key, None
    return "not_object", timestamp, key, b"[1,2,3]"


def _log(rng: Random) -> tuple[list[Rec], Counter[str], Counter[str]]:
    """Records, how many of each fate, how many of each class of dead letter."""
    records: list[Rec] = []
    fates: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    good: list[tuple[int, bytes, bytes, dict[str, Any]]] = []
    applied: dict[bytes, int] = {}  # the last offset applied by room
    for timestamp, key, value in corpus(RECORDS, rooms=50):
        if len(records) == RECORDS:
            break
        event = orjson.loads(value)
        dice = rng.random()
        if dice < 0.12:
            wrong, when, its_key, its_value = _hostile(rng, timestamp, key, event)
            fates["dead_lettered"] += 1
            classes[wrong] += 1
            records.append(Rec(len(records), when, its_key, its_value))
            continue
        if dice < 0.17 and good:
            again = next((g for g in reversed(good[-40:]) if g[3]["type"] in WEIGHS), None)
            if again is not None:
                fates["duplicate"] += 1
                records.append(Rec(len(records), again[0], again[1], again[2]))
                continue
        if dice < 0.20 and event["type"] in WEIGHS and key in applied:
            fates["late"] += 1
            late = orjson.dumps({**event, "at_ms": event["at_ms"] - 301_000})  # no watermark waits for so long
            records.append(Rec(len(records), timestamp, key, late))
            continue
        if dice < 0.22 and good:
            fates["replay_skipped"] += 1
            records.append(Rec(applied[good[-1][1]], *good[-1][:3]))
            continue
        fates["applied"] += 1
        applied[key] = len(records)
        good.append((timestamp, key, value, event))
        records.append(Rec(len(records), timestamp, key, value))
    return records, fates, classes


def _processor() -> PartitionProcessor:
    return PartitionProcessor(topic="live.room.events", partition=0, rooms=MemoryRooms(), judge=Judge(read_policies()))


@pytest.mark.slow
def test_each_of_a_hundred_thousand_records_meets_the_fate_it_was_made_for() -> None:
    records, fates, classes = _log(Random(11))
    processor = _processor()
    letters = []
    for first in range(0, len(records), 1_000):
        letters += processor.process(records[first : first + 1_000]).of(DEAD_LETTERS_TOPIC)
    counts = processor.counts
    assert counts.balanced()
    assert counts.read == len(records)
    assert {name: getattr(counts, name) for name in fates} == dict(fates)
    assert {str(reason): n for reason, n in counts.rejected.items()} == dict(classes)
    assert min(fates.values()) > 100
    assert len(letters) == fates["dead_lettered"]
    assert {letter.topic for letter in letters} == {DEAD_LETTERS_TOPIC}
    kept = {int(header(letter, "dlq.original.offset")): (letter.key, letter.value) for letter in letters}
    assert all(kept[record.offset] == (record.key, record.value) for record in records if record.offset in kept)


def test_a_fifth_of_rubbish_stops_the_partition_with_a_line_that_says_what_to_do() -> None:
    """Before the topic is emptied into the dead letters."""
    good = list(corpus(2_000, rooms=5))
    records = [Rec(i, *(good[i] if i % 4 else (good[i][0], good[i][1], b"rubbish"))) for i in range(2_000)]
    with pytest.raises(BreakerTripped, match=r"live.room.events\[0\] stops before offset .*dlq ls"):
        _processor().process(records)
