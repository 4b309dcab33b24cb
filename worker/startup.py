"""Before the worker starts: are the topics there, and as it takes them for granted?"""

import logging

from worker.policy.feed import POLICIES_TOPIC
from worker.processor import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, ROOMS_TOPIC, VIOLATIONS_TOPIC
from worker.settings import Settings
from worker.topics import Remedy, Topic, plan
from worker.transport.found import find_topics
from worker.transport.security import client_options

log = logging.getLogger(__name__)

TABLE = "rooms"


class StartError(Exception):
    """The worker cannot start; `problems` has a line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def changelog_topic(settings: Settings) -> str:
    """Where the rooms' state is written; Faust makes the name from the app's id and the table's."""
    return f"{settings.app_id}-{TABLE}-changelog"


def wanted_topics(settings: Settings) -> list[Topic]:
    """The topics that the worker cannot do without, and what it takes for granted about them."""
    source = settings.topic(EVENTS_TOPIC)

    def beside(name: str, cleanup: str) -> Topic:
        return Topic(name=name, same_partitions_as=source, config={"cleanup.policy": cleanup})

    published = Topic(name=settings.topic(POLICIES_TOPIC), partitions=1, config={"cleanup.policy": "compact"})
    return [
        *([published] if settings.policies == "topic" else []),
        Topic(name=source, config={"cleanup.policy": "delete"}),
        beside(settings.topic(VIOLATIONS_TOPIC), "delete"),
        beside(settings.topic(ROOMS_TOPIC), "compact"),
        beside(settings.topic(DEAD_LETTERS_TOPIC), "delete"),
        beside(changelog_topic(settings), "compact"),
    ]


async def check_topics(settings: Settings) -> int:
    """Compares the broker's topics with what the worker needs; returns the room log's number of partitions.

    Raises StartError with every difference, or because no broker answers.
    """
    wanted = wanted_topics(settings)
    try:
        found = await find_topics(client_options(settings), [topic.name for topic in wanted])
    except Exception as problem:  # a client's error of any kind has one meaning here
        what = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
        raise StartError([f"no answer from Kafka at {settings.brokers}: {what}"]) from problem
    differences = plan(wanted, found)
    untold = [difference for difference in differences if difference.remedy is Remedy.TELL]
    for difference in untold:
        log.warning("%s", difference)
    if len(differences) > len(untold):
        raise StartError([str(difference) for difference in differences if difference not in untold])
    return found[settings.topic(EVENTS_TOPIC)].partitions
