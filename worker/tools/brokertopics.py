"""A broker's topics: what is there, how missing ones are made, and how a setting is altered. Never deletes one."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from worker.tools.kafkaclient import connect, no_answer
from worker.topics import Difference, Found, Topic, resized

TIMEOUT_S = 15.0


class BrokerTopicsError(RuntimeError):
    """The broker cannot be reached or refused topics; the message says which and why."""


class BrokerTopics:
    """The topics of the broker at `bootstrap`, logged in as `kafkaclient` says."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = connect(AdminClient, bootstrap, {"socket.timeout.ms": int(TIMEOUT_S * 1000)})

    def describe(self, names: list[str]) -> dict[str, Found]:
        """Return those of the topics `names` that the broker has. Raises BrokerTopicsError without an answer."""
        try:
            there = self._admin.list_topics(timeout=TIMEOUT_S).topics
        except KafkaException as error:
            raise BrokerTopicsError(no_answer(self._bootstrap, error)) from error
        present = [name for name in names if name in there]
        answers = {}
        if present:
            resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
            answers = self._admin.describe_configs(resources, request_timeout=TIMEOUT_S)
        configs: dict[str, dict[str, str] | None] = {}
        for resource, answer in answers.items():
            try:
                configs[resource.name] = {name: entry.value for name, entry in answer.result().items()}
            except KafkaException:
                configs[resource.name] = None  # the mock broker, or no right to ask: `plan` says so
        return {
            name: Found(
                partitions=len(there[name].partitions),
                replication_factor=min((len(p.replicas) for p in there[name].partitions.values()), default=0),
                config=configs.get(name),
            )
            for name in present
        }

    def create(self, wanted: list[Topic], found: dict[str, Found]) -> None:
        """Create topics, each with the partitions that its source already has, as `describe` found it.

        Raises BrokerTopicsError, naming every topic that could not be created.
        """
        if not wanted:
            return
        sized = [_sized_like_source(topic, found) for topic in wanted]
        new = [NewTopic(t.name, t.partitions or 1, t.replication_factor or 1, config=dict(t.config)) for t in sized]
        faults = []
        for name, answer in self._admin.create_topics(new, request_timeout=TIMEOUT_S).items():
            try:
                answer.result()
            except KafkaException as error:
                faults.append(f"{name}: {error.args[0].str()}")
        if faults:
            raise BrokerTopicsError("not created: " + "; ".join(sorted(faults)))

    def alter(self, differences: list[Difference]) -> None:
        """Give settings of topics the values that are wanted. Other settings keep theirs.

        Raises BrokerTopicsError, naming every topic that could not be altered.
        """
        if not differences:
            return
        entries: dict[str, list[ConfigEntry]] = {}
        for one in differences:
            entry = ConfigEntry(one.what, one.wanted, incremental_operation=AlterConfigOpType.SET)
            entries.setdefault(one.topic, []).append(entry)
        resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=e) for name, e in entries.items()]
        faults = []
        answers = self._admin.incremental_alter_configs(resources, request_timeout=TIMEOUT_S)
        for resource, answer in answers.items():
            try:
                answer.result()
            except KafkaException as error:
                faults.append(f"{resource.name}: {error.args[0].str()}")
        if faults:
            raise BrokerTopicsError("not altered: " + "; ".join(sorted(faults)))


def _sized_like_source(topic: Topic, found: dict[str, Found]) -> Topic:
    source = topic.same_partitions_as
    if source is None or source not in found:
        return topic
    return resized([topic], partitions=found[source].partitions)[0]
