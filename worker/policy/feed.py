"""The policies' topic, record by record, into a book. What is wrong is refused; what was known stays.

Every worker, and every replay, that takes the same records on top of the same files knows the same versions.
"""

from worker.policy.book import PolicyBook
from worker.policy.load import read_published
from worker.policy.model import PolicyErrors, Problem
from worker.records import Record


class PolicyFeed:
    """Policies from files, and those that were published since.

    Attributes:
        book: all that is known; a new one after each accepted record.
        accepted, rejected: how many records were taken and refused.
    """

    def __init__(self, shipped: PolicyBook) -> None:
        self.book = shipped
        self.accepted = 0
        self.rejected = 0

    def take(self, record: Record, *, topic: str) -> tuple[Problem, ...]:
        """Take one record, in the order of the topic; returns why it was refused, nothing if it was not."""
        file = f"{topic}@{record.offset}"
        try:
            name, text = (record.key or b"").decode(), (record.value or b"").decode()
        except UnicodeDecodeError:
            return self._refuse(Problem(file, 1, 1, "", "key or value is not UTF-8; publish with `policy push`"))
        if record.value is None:
            what = "a tombstone withdraws nothing; publish a new version without rules"
            return self._refuse(Problem(file, 1, 1, "", what))
        known = self.book.policies
        newest = max((p.ref.version for p in known if p.ref.id == name and p.offset is not None), default=0)
        try:
            policy = read_published(
                file, text, name=name, above_version=newest, published_ms=record.timestamp, offset=record.offset,
                others=known,
            )  # fmt: skip
        except PolicyErrors as errors:
            return self._refuse(*errors.problems)
        self.book = PolicyBook([*known, policy])
        self.accepted += 1
        return ()

    def _refuse(self, *problems: Problem) -> tuple[Problem, ...]:
        self.rejected += 1
        return problems
