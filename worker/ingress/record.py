"""A record on its way in, whichever Kafka client has read it."""

from collections.abc import Sequence
from typing import Protocol


class Record(Protocol):
    """A Kafka record, as aiokafka's record objects are. `timestamp` is in Unix ms; a header's value may be null."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...
