"""Sentry's arroyo: the job in RunTask, commits once a second. BOOTSTRAP EVENTS plain"""

import os
import sys
from typing import Any

import orjson
from arroyo.backends.kafka import KafkaConsumer
from arroyo.backends.kafka.configuration import build_kafka_consumer_configuration
from arroyo.commit import ONCE_PER_SECOND
from arroyo.processing.processor import StreamProcessor
from arroyo.processing.strategies import CommitOffsets, ProcessingStrategyFactory, RunTask
from arroyo.types import Topic

from tests.bench.job import Job
from tests.bench.peers.meter import Meter

bootstrap, events = sys.argv[1], int(sys.argv[2])
job, meter = Job(), Meter(events)


def update(message: Any) -> bytes | None:
    event = orjson.loads(message.payload.value)
    made = job.update(event["room_id"], event["type"], event["at_ms"], meter.seen)
    if made is not None:
        meter.emitted(made)
    if meter.at(meter.seen + 1):
        meter.finish()
    return made


class Factory(ProcessingStrategyFactory):
    def create_with_partitions(self, commit: object, partitions: object) -> RunTask:
        return RunTask(update, CommitOffsets(commit))


settings = build_kafka_consumer_configuration(
    {}, bootstrap_servers=[bootstrap], group_id=f"arroyo-{os.getpid()}", auto_offset_reset="earliest"
)
StreamProcessor(
    consumer=KafkaConsumer(settings),
    topic=Topic("live.room.events"),
    processor_factory=Factory(),
    commit_policy=ONCE_PER_SECOND,
).run()
