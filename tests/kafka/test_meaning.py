"""Random rooms through a real Kafka: what the worker emits, against the oracle fed with what the broker stamped."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.meaning.aspects import ASPECTS, HOLDS_IN_KAFKA, Case
from tests.meaning.core import said_in
from tests.meaning.log import SECOND, Record
from tests.meaning.rooms import T0, moved
from tests.meaning.varied import WEATHERS, varied
from tests.support.engine import Log, Worker
from tests.support.kafka import KafkaCluster
from worker.topics import EVENTS_TOPIC, VIOLATIONS_TOPIC

SEEDS = range(20)


def produced(seed: int, now_ms: int) -> Iterator[tuple[bytes, bytes, int]]:
    """(key, value, timestamp that the broker will not keep) of a room that ends a minute ago, or in a minute."""
    records = varied(seed, WEATHERS[seed % len(WEATHERS)])
    ends = max(record.timestamp_ms for record in records)
    by = now_ms - ends + (60 * SECOND if seed % 2 else -60 * SECOND)
    for record in records:
        event = moved(record.event, by)
        yield str(event["room_id"]).encode(), json.dumps(event).encode(), T0


def test_what_the_worker_emits_is_what_core_and_oracle_make_of_the_log_as_stamped(
    kafka: KafkaCluster, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    log = Log(kafka, topic_name("") + ".").create()
    now_ms = int(time.time() * 1_000)
    for seed in SEEDS:
        log.produce(produced(seed, now_ms))
    with Worker(log, tmp_path) as worker:
        log.wait_quiet(worker)
        assert worker.term() == 0, worker.log()
    rooms: dict[bytes, list[Record]] = defaultdict(list)
    for sent in log.read(EVENTS_TOPIC):
        assert sent.timestamp >= now_ms, "the broker stamps records with the time of its own clock"
        rooms[sent.key or b""].append(Record(sent.offset, sent.timestamp, json.loads(sent.value or b"")))
    emitted = defaultdict(list)
    for sent in log.read(VIOLATIONS_TOPIC):
        emitted[sent.key].append(said_in(sent.value or b""))
    assert len(rooms) == len(SEEDS)
    assert sum(map(len, emitted.values())) > len(SEEDS) // 2
    for key, records in rooms.items():
        case = Case(records)
        assert emitted[key] == [said for after in case.core for said in after.said], key
        for aspect in HOLDS_IN_KAFKA:
            assert next(ASPECTS[aspect](case), None) is None, f"{aspect} in {key!r}"
    log.delete()
