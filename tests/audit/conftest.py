"""Events of a test have the same ids whatever ran before it: what a room keeps of them depends on hashes of ids."""

import pytest

from tests.audit.build import ids


@pytest.fixture(autouse=True)
def same_ids_in_every_run() -> None:
    ids.restart()
