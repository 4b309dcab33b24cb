"""How `make test` shares the tests out among processes (`pytest -n 2 --dist loadfile`)."""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/kafka/", "tests/faults/")
"""Folders that keep to one process, and so to one broker and to one test at a time; they begin, the longest first."""


class FolderScheduling(LoadFileScheduling):
    """Files go to whichever process is free, but folders of `TOGETHER` as one."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderScheduling | None:
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # by the number of tests, which says little of their time
    return FolderScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        places = {folder: place for place, folder in enumerate(TOGETHER)}
        items.sort(key=lambda item: next((p for f, p in places.items() if item.nodeid.startswith(f)), len(places)))
