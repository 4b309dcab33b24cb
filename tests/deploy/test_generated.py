"""Manifests that follow from other files are up to date, and the worker accepts the topics that they make."""

from __future__ import annotations

import pytest
import yaml

from deploy.generate import COMPONENTS, manifests
from tests.deploy.files import REPOSITORY
from worker.engine.startup import wanted_topics
from worker.settings import Settings
from worker.topics import Found, load_topics, plan

TOPICS = load_topics(REPOSITORY / "schemas")
SETTINGS = Settings(brokers="127.0.0.1:9092")


@pytest.mark.parametrize("path", manifests(), ids=lambda path: path.name)
def test_generated_manifests_are_up_to_date(path: object) -> None:
    assert {name: content for name, content in manifests().items() if name == path} == {
        path: path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    }, "`make manifests` writes them"


def test_the_worker_starts_on_topics_that_schemas_make() -> None:
    found = {t.name: Found(partitions=t.partitions or 0, replication_factor=3, config=t.config) for t in TOPICS}
    assert [str(difference) for difference in plan(wanted_topics(SETTINGS), found)] == []


def test_the_workers_user_may_use_what_the_worker_needs_and_no_other_topic() -> None:
    user = yaml.safe_load((COMPONENTS / "strimzi" / "user.yaml").read_text(encoding="utf-8"))
    acls = user["spec"]["authorization"]["acls"]
    topics = {acl["resource"]["name"] for acl in acls if acl["resource"]["type"] == "topic"}
    assert topics == {topic.name for topic in wanted_topics(SETTINGS)} | {"live.audit.policies"}
    assert [acl["resource"]["name"] for acl in acls if acl["resource"]["type"] == "group"] == [SETTINGS.app_id]
    assert {acl["resource"]["patternType"] for acl in acls} == {"literal"}
    assert not {"All", "Create", "Delete", "Alter"} & {operation for acl in acls for operation in acl["operations"]}
