"""What tests need, and how they are shared out among processes (`pytest -n 2 --dist loadfile`)."""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/kafka/", "tests/faults/")
"""Folders that keep to one process, so that what runs on a real Kafka is not beside its like; it takes the longest."""


class FolderScheduling(LoadFileScheduling):
    """Files go to whichever process is free, but those of `TOGETHER` to one."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER[0] if nodeid.startswith(TOGETHER) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderScheduling | None:
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # by the number of tests, which says little of their time
    return FolderScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """End before the first test if one is selected that needs a real Kafka, and Kafka cannot run here."""
    if session.config.option.collectonly or not any(item.get_closest_marker("kafka") for item in session.items):
        return
    from tests.support.kafka import what_is_missing

    if missing := what_is_missing():
        session.shouldfail = f'{missing}, or leave them out: -m "not kafka", as `make test-fast` does'
        raise session.Failed(session.shouldfail)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        items.sort(key=lambda item: not item.nodeid.startswith(TOGETHER))
