"""What a batch of records leads to, until it is queued."""

from worker.records import OutRecord


class Output:
    """What a batch of records leads to: records to send, each topic's in the order of the log."""

    silent = False

    def __init__(self) -> None:
        self._by_topic: dict[str, list[tuple[int, OutRecord]]] = {}

    def add(self, offset: int, record: OutRecord) -> None:
        """Add what the record at `offset` of the room log led to."""
        found = self._by_topic.get(record.topic)
        if found is None:
            found = self._by_topic[record.topic] = []
        found.append((offset, record))

    def sort(self) -> None:
        """Put each topic's records into the order of the log; what one record led to keeps its own order."""
        for found in self._by_topic.values():
            found.sort(key=_offset)

    def topics(self) -> list[str]:
        """Return the topics that have records, named without a prefix."""
        return list(self._by_topic)

    def of(self, topic: str) -> list[OutRecord]:
        """Return the records for a topic, which is named without a prefix."""
        return [record for _, record in self._by_topic.get(topic, ())]


class Silence(Output):
    """Where goes what an earlier release has said already: nowhere."""

    silent = True

    def add(self, offset: int, record: OutRecord) -> None:
        """Drop it."""


def _offset(pending: tuple[int, OutRecord]) -> int:
    return pending[0]
