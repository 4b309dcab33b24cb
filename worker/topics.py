"""The topics: names, what each must look like (`schemas/*/topic.yaml`), and how those of a broker differ from that.

No I/O with a broker here: `plan` compares two pictures. `topics check`, `topics apply` and the worker's start-up
check use it; the start-up check builds its `Topic`s itself, knowing only names and which partitions must match.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

EVENTS_TOPIC = "live.room.events"
REGISTRY_TOPIC = "live.host.registry"
POLICIES_TOPIC = "live.audit.policies"
IDENTITIES_TOPIC = "live.audit.identities"
HISTORY_TOPIC = "live.audit.history"
VIOLATIONS_TOPIC = "live.audit.violations"
ROOMS_TOPIC = "live.audit.rooms"
REQUESTS_TOPIC = "live.audit.requests"
REVIEWS_TOPIC = "live.audit.reviews"
DEAD_LETTERS_TOPIC = "live.audit.deadletter"

TIMESTAMP_TYPE = "message.timestamp.type"
APPEND_TIME = "LogAppendTime"
"""The broker writes its own time over a producer's."""

KEPT_FOR_EVER = "-1"
"""`retention.ms` of a topic that loses no record."""

CLEANUPS = ("delete", "compact")
CONTENT_TYPES = ("application/json", "application/octet-stream", "application/msgpack")


class TopicFileError(Exception):
    """Topic files are missing or wrong; the message lists every fault found."""


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One wanted topic. What is None or empty is not compared.

    `same_partitions_as` names the topic whose number of partitions this one must have: a changelog's source, an
    output that one worker writes for one partition.
    """

    name: str
    partitions: int | None = None
    same_partitions_as: str | None = None
    replication_factor: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    summary: str = ""
    key: str = ""
    content_type: str = ""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One topic as a broker describes it; `config` None = the broker did not tell."""

    partitions: int
    replication_factor: int
    config: Mapping[str, str] | None = None


class Remedy(StrEnum):
    """What removes a difference."""

    CREATE = "create"
    ADD_PARTITIONS = "add partitions by hand: keys move, so drain the topic first"
    RECREATE = "partitions cannot be taken away: move to a new topic"
    ALTER = "`stream-audit topics apply` alters it, while everything runs"
    ALTER_CONFIG = "alter the configuration by hand"
    REASSIGN = "reassign replicas by hand"
    TELL = "the broker does not describe configurations: check by hand"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One way in which a broker is not as wanted: `what` is `topic`, `partitions`, `replication` or a config name."""

    topic: str
    what: str
    wanted: str
    found: str
    remedy: Remedy

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, must be {self.wanted} ({self.remedy.value})"


ALTERED = frozenset({TIMESTAMP_TYPE})
"""What may be altered under running producers and consumers, by name. Nothing that is in the log changes."""
ALTERED_OF_POLICIES = frozenset({"cleanup.policy", "retention.ms"})
"""Of the policies' topic these, too, where it shall keep all: then nothing is lost by it, and less than before."""


def plan(wanted: Iterable[Topic], found: Mapping[str, Found]) -> list[Difference]:
    """Every difference between the wanted topics and those of a broker, in the order of `wanted`.

    Topics that nobody wants are no difference. More partitions than wanted are one: the workers' state is keyed by
    partition number, and changelogs must match their source.
    """
    topics = {topic.name: topic for topic in wanted}
    differences = []
    for topic in topics.values():
        there = found.get(topic.name)
        if there is None:
            size = _partitions(topic, topics, found)
            wanted_size = f"{size} partitions" if size else "there"
            differences.append(_differ(topic, "topic", wanted_size, "missing", Remedy.CREATE))
            continue
        size = _partitions(topic, topics, found)
        if size is not None and size != there.partitions:
            remedy = Remedy.ADD_PARTITIONS if there.partitions < size else Remedy.RECREATE
            differences.append(_differ(topic, "partitions", str(size), str(there.partitions), remedy))
        copies = topic.replication_factor
        if copies is not None and there.replication_factor < copies:
            differences.append(
                _differ(topic, "replication", f"{copies} or more", str(there.replication_factor), Remedy.REASSIGN)
            )
        differences += _config_differences(topic, there)
    return differences


def _partitions(topic: Topic, topics: Mapping[str, Topic], found: Mapping[str, Found]) -> int | None:
    """How many partitions `topic` must have: those its source really has, else those that the files say."""
    source = topic.same_partitions_as
    if source is None:
        return topic.partitions
    if source in found:
        return found[source].partitions
    return topics[source].partitions if source in topics else topic.partitions


def _config_differences(topic: Topic, there: Found) -> list[Difference]:
    if there.config is None:
        return [_differ(topic, "config", "as in topic.yaml", "unknown", Remedy.TELL)] if topic.config else []
    return [
        _differ(topic, name, value, there.config.get(name, "unknown"), _remedy(topic, name))
        for name, value in sorted(topic.config.items())
        if there.config.get(name) != value
    ]


def _remedy(topic: Topic, name: str) -> Remedy:
    keeps_all = topic.name.endswith(POLICIES_TOPIC) and topic.config.get("retention.ms") == KEPT_FOR_EVER
    altered = name in ALTERED or (keeps_all and name in ALTERED_OF_POLICIES)
    return Remedy.ALTER if altered else Remedy.ALTER_CONFIG


def _differ(topic: Topic, what: str, wanted: str, found: str, remedy: Remedy) -> Difference:
    return Difference(topic=topic.name, what=what, wanted=wanted, found=found, remedy=remedy)


def resized(
    topics: Iterable[Topic], *, partitions: int | None = None, replication_factor: int | None = None
) -> list[Topic]:
    """The topics at another size, for laptops and tests. A topic of one partition stays one: it is a total order."""
    return [_resized(topic, partitions, replication_factor) for topic in topics]


def _resized(topic: Topic, partitions: int | None, replication_factor: int | None) -> Topic:
    if partitions is not None and topic.partitions != 1:
        topic = replace(topic, partitions=partitions)
    if replication_factor is not None:
        # One replica may be away, but the last may not be asked for more than itself.
        in_sync = min(int(topic.config.get("min.insync.replicas", "1")), max(1, replication_factor - 1))
        config = {**topic.config, "min.insync.replicas": str(in_sync)}
        topic = replace(topic, replication_factor=replication_factor, config=config)
    return topic


def load_topics(folder: Path) -> list[Topic]:
    """Every topic of `folder` (one `<topic>/topic.yaml` each), by name. Raises TopicFileError with all faults."""
    files = sorted(folder.glob("*/topic.yaml"))
    if not files:
        raise TopicFileError(f"{folder} holds no <topic>/topic.yaml: give a folder of topics with --schemas")
    topics, faults = [], []
    for file in files:
        try:
            topics.append(_topic(yaml.safe_load(file.read_text(encoding="utf-8")), file.parent.name))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            faults.append(f"{file}: not YAML: {error}")
        except ValueError as error:
            faults.append(f"{file}: {error}")
    names = {topic.name for topic in topics}
    faults += [
        f"{folder / topic.name / 'topic.yaml'}: same_partitions_as names no topic: {topic.same_partitions_as}"
        for topic in topics
        if topic.same_partitions_as is not None and topic.same_partitions_as not in names
    ]
    if faults:
        raise TopicFileError("\n".join(faults))
    return topics


_TEXTS = ("topic", "owner", "summary", "key", "cleanup", "compression", "content_type")
_NUMBERS = ("partitions", "replication_factor", "max_message_bytes")
_OPTIONAL = ("config", "internal", "same_partitions_as", "schema", "headers_schema")
_FIELDS = {*_TEXTS, *_NUMBERS, *_OPTIONAL, "retention_ms", "producers", "consumers"}


def _topic(written: Any, folder: str) -> Topic:
    """A parsed topic.yaml → Topic. Raises ValueError naming every faulty field."""
    if not isinstance(written, dict):
        raise ValueError("must be a mapping")
    faults = [f"unknown field {name}" for name in written.keys() - _FIELDS]
    faults += [f"{name} must be a text" for name in _TEXTS if not _is_text(written.get(name))]
    faults += [f"{name} must be a positive number" for name in _NUMBERS if not _is_positive(written.get(name))]
    for name in ("producers", "consumers"):
        parties = written.get(name)
        if not (isinstance(parties, list) and parties and all(_is_text(party) for party in parties)):
            faults.append(f"{name} must be a list of texts, not empty")
    if written.get("topic") != folder:
        faults.append(f"topic must be the folder's name, {folder}")
    if written.get("cleanup") not in CLEANUPS:
        faults.append(f"cleanup must be one of {', '.join(CLEANUPS)}")
    if written.get("content_type") not in CONTENT_TYPES:
        faults.append(f"content_type must be one of {', '.join(CONTENT_TYPES)}")
    kept_ms = written.get("retention_ms")
    if (written.get("cleanup") == "delete") != (_is_positive(kept_ms) or str(kept_ms) == KEPT_FOR_EVER):
        faults.append("retention_ms must be a number (-1: for ever) for cleanup delete, and null for cleanup compact")
    if not isinstance(written.get("config", {}), dict):
        faults.append("config must be a mapping")
    if faults:
        raise ValueError("; ".join(sorted(faults)))
    config = {
        "cleanup.policy": written["cleanup"],
        "compression.type": written["compression"],
        "max.message.bytes": str(written["max_message_bytes"]),
        **{name: str(value) for name, value in written.get("config", {}).items()},
    }
    if written["cleanup"] == "delete":
        config["retention.ms"] = str(written["retention_ms"])
    return Topic(
        name=folder,
        partitions=written["partitions"],
        same_partitions_as=written.get("same_partitions_as"),
        replication_factor=written["replication_factor"],
        config=config,
        owner=written["owner"],
        summary=written["summary"],
        key=written["key"],
        content_type=written["content_type"],
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
