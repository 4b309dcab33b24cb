"""Before the worker starts: are the topics there, and as it takes them for granted?"""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from worker.lacks import Lack
from worker.settings import PREFIX, Settings
from worker.topics import (
    APPEND_TIME,
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    HISTORY_TOPIC,
    IDENTITIES_TOPIC,
    KEPT_FOR_EVER,
    POLICIES_TOPIC,
    REGISTRY_TOPIC,
    REQUESTS_TOPIC,
    REVIEWS_TOPIC,
    ROOMS_TOPIC,
    TIMESTAMP_TYPE,
    VIOLATIONS_TOPIC,
    Difference,
    Found,
    Remedy,
    Topic,
    plan,
)
from worker.transport.found import find_topics
from worker.transport.refusals import why_refused
from worker.transport.security import client_options

log = logging.getLogger(__name__)

TABLE = "rooms"
IDENTITIES_TABLE = "identities"


class StartError(Exception):
    """The worker cannot start; `problems` has a line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Partitions(NamedTuple):
    """Numbers of partitions: of the room log, and of the identities' topic."""

    rooms: int
    identities: int


def changelog_topic(settings: Settings, table: str = TABLE) -> str:
    """Where a table's state is written; Faust makes the name from the app's id and the table's."""
    return f"{settings.app_id}-{table}-changelog"


def wanted_topics(settings: Settings) -> list[Topic]:
    """The topics that the worker cannot do without, and what it takes for granted about them."""
    source = settings.topic(EVENTS_TOPIC)
    identities = settings.topic(IDENTITIES_TOPIC)
    appended = {} if settings.lacks(Lack.APPEND_TIME) else {TIMESTAMP_TYPE: APPEND_TIME}

    def beside(name: str, cleanup: str, other: str = source) -> Topic:
        return Topic(name=name, same_partitions_as=other, config={"cleanup.policy": cleanup})

    kept = {"cleanup.policy": "delete", "retention.ms": KEPT_FOR_EVER, **appended}
    published = Topic(name=settings.topic(POLICIES_TOPIC), partitions=1, config=kept)
    return [
        *([published] if settings.policies == "topic" else []),
        Topic(name=source, config={"cleanup.policy": "delete", **appended}),
        beside(settings.topic(VIOLATIONS_TOPIC), "delete"),
        beside(settings.topic(ROOMS_TOPIC), "compact"),
        *([beside(settings.topic(REQUESTS_TOPIC), "delete")] if settings.requests else []),
        beside(settings.topic(REVIEWS_TOPIC), "delete"),
        beside(settings.topic(DEAD_LETTERS_TOPIC), "delete"),
        beside(settings.topic(HISTORY_TOPIC), "compact"),
        beside(changelog_topic(settings), "compact"),
        Topic(name=identities, config={"cleanup.policy": "delete", **appended}),
        # A host's identity meets the registry on one partition.
        beside(settings.topic(REGISTRY_TOPIC), "compact", identities),
        beside(changelog_topic(settings, IDENTITIES_TABLE), "compact", identities),
    ]


async def check_topics(settings: Settings) -> Partitions:
    """Compares the broker's topics with what the worker needs; returns how many partitions there are.

    Raises StartError with every difference, or because no broker answers, or lets us in.
    """
    wanted = wanted_topics(settings)
    try:
        options = client_options(settings)
    except OSError as problem:
        raise StartError([f"a certificate or key cannot be used: {problem}"]) from problem
    try:
        found = await find_topics(options, [topic.name for topic in wanted])
    except Exception as problem:  # a client's error of any kind has one meaning here
        why = await why_refused(settings, options)
        raise StartError([f"no answer from Kafka at {settings.brokers}: {type(problem).__name__}", why]) from problem
    differences = plan(wanted, found)
    clocks = {topic.name for topic in wanted if TIMESTAMP_TYPE in topic.config}
    untold = [one for one in differences if one.remedy is Remedy.TELL and one.topic not in clocks]
    for difference in untold:
        log.warning("%s", difference)
    problems = [_problem(settings, one) for one in differences if one not in untold]
    problems += _lacks_nothing(settings, found)
    if problems:
        if settings.security_protocol != "PLAINTEXT" and len(found) < len(wanted):
            problems.append("a topic that this user may not describe looks as if it were missing: compare its rights")
        raise StartError(problems)
    return Partitions(*(found[settings.topic(name)].partitions for name in (EVENTS_TOPIC, IDENTITIES_TOPIC)))


def _problem(settings: Settings, difference: Difference) -> str:
    """Return why the worker does not start on a topic that differs, and what to do."""
    if difference.what == TIMESTAMP_TYPE:
        return (
            f"{difference.topic}: {TIMESTAMP_TYPE} is {difference.found}, must be {APPEND_TIME}: verdicts go by the "
            "broker's clock, not by its producers'. Alter it while everything runs, producers change nothing: "
            f"`stream-audit topics apply --bootstrap {settings.brokers}`, or `kafka-configs.sh --bootstrap-server "
            f"{settings.brokers} --alter --entity-type topics --entity-name {difference.topic} --add-config "
            f"{TIMESTAMP_TYPE}={APPEND_TIME}`"
        )
    if difference.remedy is Remedy.TELL:
        return (
            f"{difference.topic}: the broker does not tell whether {TIMESTAMP_TYPE} is {APPEND_TIME}: give this user "
            f"DescribeConfigs on the topic. An embedded broker that has no append time needs "
            f"{PREFIX}BROKER_LACKS={Lack.APPEND_TIME}"
        )
    return str(difference)


def _lacks_nothing(settings: Settings, found: Mapping[str, Found]) -> list[str]:
    """Return what was declared to be missing and is there: a check must not be skipped by mistake."""
    there = found.get(settings.topic(EVENTS_TOPIC))
    if settings.lacks(Lack.APPEND_TIME) and there is not None and TIMESTAMP_TYPE in (there.config or {}):
        return [f"{PREFIX}BROKER_LACKS={settings.broker_lacks}: this broker has append time. Unset the variable"]
    return []
