"""The policies' topic, record by record, into books. What is wrong is refused; what was known stays.

Every worker, and every replay, that takes the same records on top of the same files knows the same versions, and the
same book at each place of the chain (`worker.policy.chain`). Records without a chain are those of an earlier release:
they count until the first link, and until there is a baseline.
"""

from typing import NamedTuple

from worker.policy.book import PolicyBook
from worker.policy.chain import (
    BASELINE,
    GENESIS,
    KEYRING,
    RECEIPT,
    Link,
    NotALink,
    link_of,
    read_baseline,
    read_receipt,
    why_refused,
)
from worker.policy.keyring import Keyring, read_keyring
from worker.policy.load import LEAD_MS, read_published
from worker.policy.model import Policy, PolicyErrors, Problem
from worker.policy.signing import Roots
from worker.policy.switch import Switch
from worker.records import Record

NO_SWITCH = -1
"""A partition that has met no switch goes by what was there before the chain."""


class Place(NamedTuple):
    """A place of the chain that a switch may name: the head there, and the book up to it."""

    chain: str
    book: PolicyBook


class PolicyFeed:
    """Policies from files, and those that were published since.

    Attributes:
        book: all that is known; a new one after each accepted record.
        head: of the chain; `GENESIS` before its first link.
        accepted, rejected: how many records were taken and refused.
        unsigned: how many links were taken without a keyring.
        next_offset: behind the last record that was taken or refused.
        has_baseline: the chain says what was there before it.
    """

    def __init__(self, shipped: PolicyBook, roots: Roots | None = None) -> None:
        """`roots` are the keys that may sign a keyring."""
        self.book = shipped
        self.head = GENESIS
        self.accepted = self.rejected = self.unsigned = 0
        self.next_offset = 0
        self.has_baseline = False
        self._roots = roots or {}
        self._shipped = shipped
        self._before = shipped  # what was published before the chain, as far as this topic or its baseline says
        self._places: dict[int, Place] = {}
        self._receipts: dict[int, dict[int, int]] = {}  # place → partition → the switch's offset

    # ---- asking
    @property
    def has_begun(self) -> bool:
        """Whether the chain has a link."""
        return self.head != GENESIS

    @property
    def newest_place(self) -> int:
        """Return the highest offset that a switch may name, `NO_SWITCH` for none."""
        return max(self._places, default=NO_SWITCH)

    def place(self, offset: int) -> Place | None:
        """Return the place at `offset`; None when there is none that a switch may name."""
        return self._places.get(offset)

    def book_at(self, offset: int) -> PolicyBook:
        """Return the book of a partition whose last switch named `offset`, or that had none (`NO_SWITCH`)."""
        place = self._places.get(offset)
        return self._before if place is None else place.book

    def in_force(self, partition: int, first_offset: int) -> int:
        """Return which place receipts name for the record at `first_offset` of the room log, or `NO_SWITCH`."""
        passed = [place for place, at in self._receipts.items() if at.get(partition, first_offset) < first_offset]
        return max(passed, default=NO_SWITCH)

    def receipt(self, place: int) -> dict[int, int]:
        """Return, by partition, where the switch to a place lies, as far as receipts say."""
        return dict(self._receipts.get(place, {}))

    def why_not(self, switch: Switch) -> str:
        """Say why a switch names nothing of this chain; nothing when it does."""
        place = self._places.get(switch.offset)
        if place is None:
            return "the policies' topic has nothing to switch to at the offset that it names"
        if place.chain != switch.chain:
            return "the policies' topic has another chain at the offset that it names"
        return ""

    # ---- taking
    def take(self, record: Record, *, topic: str) -> tuple[Problem, ...]:
        """Take one record, in the order of the topic; returns why it was refused, nothing if it was not."""
        file = f"{topic}@{record.offset}"
        self.next_offset = record.offset + 1
        try:
            link = link_of(record)
        except NotALink as wrong:
            return self._refuse(Problem(file, 1, 1, "", str(wrong)))
        if link is None:
            return self._take_unchained(record, file)
        keyring = self.book.keyring
        why = why_refused(link, head=self.head, keyring=keyring, roots=self._roots, at_ms=record.timestamp)
        if why:
            return self._refuse(Problem(file, 1, 1, "", why))
        self.head = link.head
        problems = self._take_link(link, record, topic)
        if link.key != RECEIPT:
            self._places[record.offset] = Place(self.head, self.book)
        self.unsigned += keyring is None and link.key != KEYRING
        if problems:
            return self._refuse(*problems)
        self.accepted += 1
        return ()

    def _refuse(self, *problems: Problem) -> tuple[Problem, ...]:
        self.rejected += 1
        return problems

    def _take_unchained(self, record: Record, file: str) -> tuple[Problem, ...]:
        """A record as an earlier release wrote it: it says for itself from when on it holds."""
        if self.has_begun:
            what = "it names no chain, and this topic has one; publish with `policy push` of this release"
            return self._refuse(Problem(file, 1, 1, "", what))
        if record.value is None:
            what = "a tombstone withdraws nothing; publish a new version without rules"
            return self._refuse(Problem(file, 1, 1, "", what))
        problems = self._add(file, record.key or b"", record.value, record.offset, record.timestamp + LEAD_MS)
        if problems:
            return self._refuse(*problems)
        self._before = self.book
        self.accepted += 1
        return ()

    def _take_link(self, link: Link, record: Record, topic: str) -> tuple[Problem, ...]:
        """What a link holds. When that is wrong it stays a link, and changes nothing."""
        file, value = f"{topic}@{record.offset}", record.value or b""
        try:
            if link.key == KEYRING:
                self._take_keyring(read_keyring(value))
            elif link.key == RECEIPT:
                self._take_receipt(value)
            elif link.key == BASELINE:
                return self._take_baseline(value, topic)
            elif not self.has_baseline:
                raise ValueError("this chain has no baseline yet; run `stream-audit policy baseline` first")
            else:
                return self._add(file, link.key, value, record.offset, 0)
        except ValueError as wrong:
            return (Problem(file, 1, 1, "", str(wrong)),)
        return ()

    def _take_keyring(self, keyring: Keyring) -> None:
        known = self.book.keyring
        if known is not None and keyring.version <= known.version:
            raise ValueError(f"keyring {keyring.version} is not above {known.version}, which is known already")
        self.book = PolicyBook(self.book.policies, keyring)

    def _take_receipt(self, value: bytes) -> None:
        receipt = read_receipt(value)
        place = self._places.get(receipt.offset)
        if place is None or place.chain != receipt.chain:
            raise ValueError(f"is a receipt of offset {receipt.offset}, where the chain is another")
        at = self._receipts.setdefault(receipt.offset, {})
        for partition, offset in receipt.at:
            at[partition] = min(offset, at.get(partition, offset))  # two may have switched it: the first one did

    def _take_baseline(self, value: bytes, topic: str) -> tuple[Problem, ...]:
        if self.has_baseline:
            raise ValueError("this chain has a baseline already, and keeps it")
        baseline = read_baseline(value)
        policies: tuple[Policy, ...] = self._shipped.policies
        problems: list[Problem] = []
        for one in baseline.policies:
            file = f"{topic}@{one.offset}"
            try:
                policy = read_published(
                    file, one.document, name=None, above_version=0, offset=one.offset, others=policies
                )
            except PolicyErrors as errors:
                problems += errors.problems
            else:
                policies = (*policies, policy)
        self.has_baseline = True
        self._before = PolicyBook(policies)
        self.book = PolicyBook(policies, self.book.keyring)
        return tuple(problems)

    def _add(self, file: str, key: bytes, value: bytes, offset: int, not_before_ms: int) -> tuple[Problem, ...]:
        try:
            name, text = key.decode(), value.decode()
        except UnicodeDecodeError:
            return (Problem(file, 1, 1, "", "key or value is not UTF-8; publish with `policy push`"),)
        known = self.book.policies
        newest = max((p.ref.version for p in known if p.ref.id == name and p.offset is not None), default=0)
        try:
            policy = read_published(
                file, text, name=name, above_version=newest, offset=offset, others=known, not_before_ms=not_before_ms
            )
        except PolicyErrors as errors:
            return errors.problems
        self.book = PolicyBook([*known, policy], self.book.keyring)
        return ()
