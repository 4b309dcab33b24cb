"""Headers of records, as tests read them."""

from collections.abc import Sequence
from typing import Protocol


class Headed(Protocol):
    """Any record that has headers."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


def header(record: Headed, name: str) -> bytes:
    """Return a header's value. Raises KeyError if there is none, AssertionError if it is null."""
    value = dict(record.headers)[name]
    assert value is not None, f"{name} is null"
    return value
