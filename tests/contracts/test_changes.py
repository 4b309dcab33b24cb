"""How a contract may change: the differ, and every example of every older version through every later one."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.contract import EVENTS, SCHEMAS, Oracle, schema, topics_with_schema
from tests.contracts.differ import breaking_changes

Schema = dict[str, Any]
VERSIONS = {
    topic: sorted(int(p.name[1:].split(".")[0]) for p in (SCHEMAS / topic).glob("v*.schema.json"))
    for topic in topics_with_schema()
}
PAIRS = [(t, a, b) for t, versions in VERSIONS.items() for a in versions for b in versions if a <= b]


def version(topic: str, number: int) -> Schema:
    loaded: Schema = json.loads((SCHEMAS / topic / f"v{number}.schema.json").read_text())
    return loaded


@pytest.mark.parametrize(("topic", "older", "newer"), PAIRS)
def test_every_example_of_an_older_version_passes_every_later_one(topic: str, older: int, newer: int) -> None:
    oracle = Oracle(version(topic, newer))
    for path in (SCHEMAS / topic / f"v{older}" / "valid").glob("*.json"):
        oracle.validate(json.loads(path.read_bytes()))
    assert breaking_changes(version(topic, older), version(topic, newer)) == []


def test_versions_are_consecutive_from_1() -> None:
    assert {topic: v for topic, v in VERSIONS.items() if v != list(range(1, len(v) + 1))} == {}


def changed(change: Callable[[Schema], object]) -> list[str]:
    """What the differ says of the room events' schema with one change made to it."""
    new = copy.deepcopy(schema(EVENTS))
    change(new["$defs"])
    return breaking_changes(schema(EVENTS), new)


def test_an_optional_field_may_be_added() -> None:
    assert changed(lambda defs: defs["HostReply"]["properties"].update(tone={"type": "string", "maxLength": 9})) == []


def test_another_description_is_no_change() -> None:
    assert changed(lambda defs: defs["Text"].update(description="words")) == []


def test_a_new_event_type_may_be_added() -> None:
    new = copy.deepcopy(schema(EVENTS))
    new["properties"]["type"]["enum"].append("viewer.danced")
    new["allOf"].append(json.loads(json.dumps(new["allOf"][0]).replace("room.opened", "viewer.danced")))
    assert breaking_changes(schema(EVENTS), new) == []


def test_a_word_may_be_added_where_consumers_know_other() -> None:
    assert changed(lambda defs: defs["Platform"]["enum"].append("weibo")) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["HostReply"]["properties"].pop("comment_id"), r"comment_id: removed"),
        (lambda d: d["HostReply"]["required"].append("comment_id"), r"comment_id: became required"),
        (lambda d: d["HostReply"]["required"].remove("medium"), r"medium: is no longer required"),
        (lambda d: d["Count"].update(type="string"), r"count: type changed from \['integer'\] to \['string'\]"),
        (lambda d: d["Count"].update(maximum=5), r"maximum changed from 1000000000 to 5"),
        (lambda d: d["Count"].pop("maximum"), r"maximum changed from 1000000000 to None"),
        (lambda d: d["Id"].update(maxLength=128), r"maxLength changed"),
        (lambda d: d["RoomId"].update(pattern="^.*$"), r"pattern changed"),
        (lambda d: d["Platform"]["enum"].remove("jd"), r"words removed: \['jd'\]"),
        (
            lambda d: d["HostReply"]["properties"]["medium"]["enum"].append("dance"),
            r"\$\[host\.reply\]\.medium: words added.*'dance'",
        ),
        (lambda d: d["FleetMatched"]["properties"]["rooms"].update(maxItems=40), r"rooms: maxItems changed"),
        (lambda d: d["FleetMatched"]["properties"]["rooms"].update(items={"type": "object"}), r"rooms/items: type"),
        (lambda d: d["HostReply"]["properties"].update(comment_id={"$ref": "#/$defs/Id"}), r"alternatives changed"),
        (lambda d: d["HostReply"].update(additionalProperties=False), r"additionalProperties changed"),
    ],
)
def test_a_breaking_change_is_named(change: Callable[[Schema], object], says: str) -> None:
    found = changed(change)
    assert any(re.search(says, line) for line in found), found


def test_a_removed_event_type_is_a_breaking_change() -> None:
    new = copy.deepcopy(schema(EVENTS))
    new["allOf"].pop(0)
    assert breaking_changes(schema(EVENTS), new) == ["$: room.opened removed"]


def test_an_unknown_keyword_is_an_error_not_a_pass() -> None:
    with pytest.raises(ValueError, match="uniqueItems"):
        changed(lambda defs: defs["Text"].update(uniqueItems=True))


TEAMS = sorted(Path(__file__).parent.glob("*/*.json"))


@pytest.mark.parametrize("path", TEAMS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_a_downstream_team_needs_stays(path: Path) -> None:
    """A team's file: {topic, needs: [dotted fields that must stay required], sample: a minimal record}."""
    need = json.loads(path.read_bytes())
    newest = version(need["topic"], VERSIONS[need["topic"]][-1])
    Oracle(newest).validate(need["sample"])
    for field in need["needs"]:
        node = newest
        for name in field.split("."):
            assert name in node["required"], f"{path}: {field} is not required any more"
            node = node["properties"][name]
            node = newest["$defs"][node["$ref"].removeprefix("#/$defs/")] if "$ref" in node else node
