"""The plan: how a broker's topics differ from the wanted ones; and what a wrong topic file is told."""

from pathlib import Path

import pytest
import yaml

from tests.contracts.contract import SCHEMAS
from worker.topics import Found, Remedy, Topic, TopicFileError, load_topics, plan, resized

EVENTS = Topic(name="events", partitions=4, replication_factor=3, config={"cleanup.policy": "delete"})
CHANGELOG = Topic(name="changelog", partitions=4, same_partitions_as="events")
GOOD = Found(partitions=4, replication_factor=3, config={"cleanup.policy": "delete", "segment.ms": "7"})


def told(wanted: list[Topic], found: dict[str, Found]) -> list[tuple[str, str, str, str, Remedy]]:
    return [(d.topic, d.what, d.wanted, d.found, d.remedy) for d in plan(wanted, found)]


def test_a_broker_as_wanted_has_no_differences_whatever_else_it_holds() -> None:
    assert told([EVENTS, CHANGELOG], {"events": GOOD, "changelog": GOOD, "other": GOOD}) == []


def test_all_problems_come_at_once_in_the_order_of_the_wanted() -> None:
    found = {"events": Found(partitions=2, replication_factor=1, config={"cleanup.policy": "compact"})}
    assert told([EVENTS, CHANGELOG], found) == [
        ("events", "partitions", "4", "2", Remedy.ADD_PARTITIONS),
        ("events", "replication", "3 or more", "1", Remedy.REASSIGN),
        ("events", "cleanup.policy", "delete", "compact", Remedy.ALTER_CONFIG),
        ("changelog", "topic", "2 partitions", "missing", Remedy.CREATE),
    ]


def test_too_many_partitions_are_a_difference_that_nothing_here_mends() -> None:
    more = Found(partitions=8, replication_factor=3, config=GOOD.config)
    assert told([EVENTS], {"events": more}) == [("events", "partitions", "4", "8", Remedy.RECREATE)]


def test_a_changelog_is_measured_by_what_its_source_really_has() -> None:
    bare = Topic(name="changelog", same_partitions_as="events")
    found = {
        "events": Found(partitions=7, replication_factor=1),
        "changelog": Found(partitions=4, replication_factor=1),
    }
    assert told([bare], found) == [("changelog", "partitions", "7", "4", Remedy.ADD_PARTITIONS)]


def test_more_replicas_and_unasked_things_are_no_difference() -> None:
    bare = Topic(name="events")
    assert told([bare], {"events": Found(partitions=9, replication_factor=5)}) == []
    assert told([EVENTS], {"events": Found(partitions=4, replication_factor=5, config=GOOD.config)}) == []


def test_a_broker_that_does_not_tell_its_configuration_is_not_taken_for_good() -> None:
    silent = Found(partitions=4, replication_factor=3)
    assert told([EVENTS], {"events": silent}) == [("events", "config", "as in topic.yaml", "unknown", Remedy.TELL)]


def test_a_difference_reads_as_a_sentence() -> None:
    assert str(plan([EVENTS], {})[0]) == "events: topic is missing, must be 4 partitions (create)"


def test_resizing_keeps_a_total_order_and_asks_no_more_replicas_than_there_are() -> None:
    order = Topic(name="policies", partitions=1, replication_factor=3, config={"min.insync.replicas": "2"})
    small = resized([EVENTS, order], partitions=2, replication_factor=1)
    assert [(t.partitions, t.replication_factor) for t in small] == [(2, 1), (1, 1)]
    assert small[1].config["min.insync.replicas"] == "1"
    assert resized([EVENTS, order]) == [EVENTS, order]


# --- files --------------------------------------------------------------------------------------------------------

WRITTEN = yaml.safe_load((SCHEMAS / "live.audit.rooms" / "topic.yaml").read_text())


def load_one(folder: Path, text: str) -> list[Topic]:
    (folder / "live.audit.rooms").mkdir()
    (folder / "live.audit.rooms" / "topic.yaml").write_text(text)
    return load_topics(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"owner": ""}, "owner must be a text"),
        ({"partitions": 0}, "partitions must be a positive number"),
        ({"partitions": True}, "partitions must be a positive number"),
        ({"producers": []}, "producers must be a list of texts"),
        ({"topic": "live.audit.room"}, "topic must be the folder's name, live.audit.rooms"),
        ({"cleanup": "shred"}, "cleanup must be one of delete, compact"),
        ({"cleanup": "delete"}, "retention_ms must be a number"),
        ({"partition": 3}, "unknown field partition"),
        ({"same_partitions_as": "live.room.event"}, "same_partitions_as names no topic: live.room.event"),
        ({"config": [1]}, "config must be a mapping"),
    ],
)
def test_a_wrong_topic_file_is_refused_with_its_place(tmp_path: Path, change: dict[str, object], says: str) -> None:
    right = {name: value for name, value in WRITTEN.items() if name != "same_partitions_as"}
    with pytest.raises(TopicFileError, match=says) as refused:
        load_one(tmp_path, yaml.safe_dump({**right, **change}))
    assert "live.audit.rooms/topic.yaml" in str(refused.value)


@pytest.mark.parametrize("text", ["a: [", "- 1", ""])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(TopicFileError, match=r"not YAML|must be a mapping"):
        load_one(tmp_path, text)


def test_all_faults_of_a_file_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(TopicFileError) as refused:
        load_one(tmp_path, "topic: x")
    assert str(refused.value).count("must be") >= 8


def test_a_folder_without_topics_says_which_option_to_use(tmp_path: Path) -> None:
    with pytest.raises(TopicFileError, match="--schemas"):
        load_topics(tmp_path)
