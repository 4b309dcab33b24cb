"""One real Kafka broker per test session.

Other folders take it with `from tests.kafka.conftest import kafka, topic_name` in their `conftest.py`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.support.kafka import KafkaCluster, KafkaUnavailableError

BROKERS = {"kafka", "mortal", "secured", "broker"}
"""Fixtures that start a real Kafka: who asks for one is marked `kafka`."""


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """A running one-node cluster shared by the session; a test that kills brokers takes `mortal`."""
    try:
        cluster = KafkaCluster(brief=True).start()
    except KafkaUnavailableError as problem:
        pytest.fail(str(problem), pytrace=False)
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def mortal(kafka: KafkaCluster) -> Iterator[KafkaCluster]:
    """A second one, which a test may kill if it sees to it that it stands again."""
    with KafkaCluster(brief=True) as cluster:
        yield cluster


@pytest.fixture
def topic_name(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """`topic_name("events")` gives a name that no other test uses; equal within the test."""
    test = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:60]
    unique = uuid.uuid4().hex[:8]
    return lambda role: f"{test}-{unique}-{role}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if BROKERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)
