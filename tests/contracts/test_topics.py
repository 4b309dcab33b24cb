"""The folder `schemas/` is complete: every topic has an owner, every file a purpose, and AsyncAPI names them all."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contracts.contract import SCHEMAS
from worker.topics import Topic, load_topics

DESIGNED = {
    "live.room.events", "live.host.registry", "live.audit.policies", "live.audit.identities", "live.audit.violations",
    "live.audit.rooms", "live.audit.requests", "live.audit.reviews", "live.audit.deadletter", "live.audit.history",
    "stream-audit-rooms-changelog", "stream-audit-identities-changelog",
}  # fmt: skip
COMPACTED = {
    "live.host.registry", "live.audit.rooms", "live.audit.history",
    "stream-audit-rooms-changelog", "stream-audit-identities-changelog",
}  # fmt: skip
TOPICS = {topic.name: topic for topic in load_topics(SCHEMAS)}
ASYNCAPI: dict[str, Any] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
THREE_YEARS_MS = 3 * 366 * 86_400_000


def written(topic: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((SCHEMAS / topic / "topic.yaml").read_text())
    return loaded


def test_every_topic_of_the_design_is_there_and_no_other() -> None:
    assert set(TOPICS) == DESIGNED


def test_every_folder_is_a_topic_and_no_file_is_an_orphan() -> None:
    allowed = re.compile(
        r"README\.md|asyncapi\.yaml|[^/]+/topic\.yaml|[^/]+/v\d+\.schema\.json|[^/]+/v\d+/(in)?valid/[\w.]+\.json"
    )
    files = [path.relative_to(SCHEMAS).as_posix() for path in SCHEMAS.rglob("*") if path.is_file()]
    assert [name for name in files if not allowed.fullmatch(name)] == []
    assert {path.name for path in SCHEMAS.iterdir() if path.is_dir()} == set(TOPICS)
    for versioned in SCHEMAS.glob("*/v*/"):
        assert versioned.with_name(f"{versioned.name}.schema.json").exists(), versioned


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_json_topics_have_a_schema_and_others_say_what_they_are(topic: Topic) -> None:
    names = [written(topic.name).get("schema"), written(topic.name).get("headers_schema")]
    there = (SCHEMAS / topic.name / "v1.schema.json").exists()
    assert there == any(names)
    if topic.content_type == "application/json":
        assert names == ["v1.schema.json", None]
    elif not there:
        assert written(topic.name)["internal"]


def test_cleanup_is_as_designed() -> None:
    assert {name for name, topic in TOPICS.items() if topic.config["cleanup.policy"] == "compact"} == COMPACTED


def test_the_statutory_record_is_kept_for_three_years() -> None:
    for name in ("live.audit.violations", "live.audit.reviews"):
        assert int(TOPICS[name].config["retention.ms"]) >= THREE_YEARS_MS


@pytest.mark.parametrize("topic", [t for t in TOPICS.values() if t.same_partitions_as], ids=lambda t: t.name)
def test_co_partitioned_topics_say_the_same_number(topic: Topic) -> None:
    assert topic.partitions == TOPICS[topic.same_partitions_as or ""].partitions


def test_what_one_worker_writes_for_a_partition_is_partitioned_like_its_input() -> None:
    like_events = {name for name, topic in TOPICS.items() if topic.same_partitions_as == "live.room.events"}
    assert like_events == {
        "live.audit.violations", "live.audit.rooms", "live.audit.requests", "live.audit.reviews",
        "live.audit.deadletter", "live.audit.history", "stream-audit-rooms-changelog",
    }  # fmt: skip


# --- AsyncAPI: structure, and agreement with the files ------------------------------------------------------------


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def resolve(reference: str) -> Any:
    file, _, pointer = reference.partition("#")
    node: Any = json.loads(Path(SCHEMAS / file).read_text()) if file else ASYNCAPI
    for name in pointer.strip("/").split("/") if pointer else []:
        node = node[name]
    return node


def test_it_is_asyncapi_3_and_every_reference_leads_somewhere() -> None:
    assert ASYNCAPI["asyncapi"].startswith("3.")
    assert ASYNCAPI.keys() <= {
        "asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components",
    }  # fmt: skip
    assert {"title", "version"} <= ASYNCAPI["info"].keys()
    found = list(references(ASYNCAPI))
    assert len(found) > 50
    for reference in found:
        assert resolve(reference), reference


@pytest.mark.parametrize("name", ASYNCAPI["operations"])
def test_operations_are_well_formed(name: str) -> None:
    operation = ASYNCAPI["operations"][name]
    assert operation["action"] in ("send", "receive")
    channel = operation["channel"]["$ref"]
    assert re.fullmatch(r"#/channels/\w+", channel)
    for message in operation.get("messages", []):
        assert message["$ref"].startswith(f"{channel}/messages/")


def test_every_topic_is_a_channel_that_is_used_and_agrees_with_its_file() -> None:
    channels = {channel["address"]: (name, channel) for name, channel in ASYNCAPI["channels"].items()}
    assert set(channels) == set(TOPICS)
    used = {operation["channel"]["$ref"].removeprefix("#/channels/") for operation in ASYNCAPI["operations"].values()}
    for address, (name, channel) in channels.items():
        assert name in used
        kafka, topic = channel["bindings"]["kafka"], TOPICS[address]
        assert (kafka["partitions"], kafka["replicas"]) == (topic.partitions, topic.replication_factor)
        configuration = kafka["topicConfiguration"]
        assert configuration["cleanup.policy"] == [topic.config["cleanup.policy"]]
        assert str(configuration.get("retention.ms", "None")) == topic.config.get("retention.ms", "None")


def test_every_schema_and_every_event_type_is_a_message() -> None:
    files = set(references(ASYNCAPI["components"]["messages"]))
    events = json.loads((SCHEMAS / "live.room.events" / "v1.schema.json").read_text())
    for branch in events["allOf"]:
        definition = branch["then"]["$ref"].removeprefix("#")
        assert f"./live.room.events/v1.schema.json#{definition}" in files
    for topic in TOPICS:
        if (SCHEMAS / topic / "v1.schema.json").exists() and topic != "live.room.events":
            assert f"./{topic}/v1.schema.json" in files
