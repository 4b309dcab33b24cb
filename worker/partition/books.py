"""By which book of policies a partition goes, and the switches in its log that change it. Pure.

A switch counts when the policies' topic has what it names and its signature is good by the keyring of that very book.
All else becomes a letter. Whether it counts is a function of the log and of the policies' topic, so a replay agrees.
"""

from typing import Protocol

from worker.ingress.reject import Reason, Reject
from worker.policy.feed import NO_SWITCH, PolicyFeed
from worker.policy.judge import Judge
from worker.policy.switch import Switch, read_switch, why_unsigned
from worker.records import Record

STAGE = "switch"


class UnknownBook(Exception):
    """The partition's state goes by a book that this worker does not know. The message says which, and what to do."""


class Switched(Protocol):
    """What keeps the last switch that counted; None before the first."""

    switch: Switch | None


class Books:
    """The books of one partition: `begin` before each batch, `take` for each switch in it."""

    def __init__(self, feed: PolicyFeed | None, judge: Judge, kept: Switched, partition: int) -> None:
        """`judge` gets the book of the partition. Without a `feed` it keeps its own, and every switch is refused."""
        self._feed = feed
        self._judge = judge
        self._kept = kept
        self._partition = partition
        self._has_begun = False

    def begin(self, first_offset: int) -> None:
        """Give the judge the book that holds for the record at `first_offset`, the next one.

        A partition that kept no switch, or missed some, takes what receipts name. Raises UnknownBook.
        """
        feed = self._feed
        if feed is None:
            return
        if not self._has_begun:
            known = feed.in_force(self._partition, first_offset)
            place = feed.place(known)
            if place is not None and known > self._offset:
                self._kept.switch = Switch(offset=known, chain=place.chain, partition=self._partition)
            self._has_begun = True
        switch = self._kept.switch
        if switch is not None and (why := feed.why_not(switch)):
            raise UnknownBook(
                f"partition {self._partition} goes by the policies up to offset {switch.offset}, chain "
                f"{switch.chain[:12]}…, but {why}. Compare STREAM_AUDIT_ROOT_KEYS and the topic with those of the "
                "worker that wrote this state"
            )
        self._judge.book = feed.book_at(self._offset)

    @property
    def _offset(self) -> int:
        return NO_SWITCH if self._kept.switch is None else self._kept.switch.offset

    def take(self, record: Record) -> Reject | bool:
        """Take a record with the key of switches. Return whether it changes the book, or why it is refused."""
        switch = read_switch(record)
        if switch is None:
            return Reject(Reason.UNKNOWN_POLICIES, "the key is that of switches, but the value is none", STAGE)
        feed = self._feed
        if feed is None:
            return Reject(Reason.UNKNOWN_POLICIES, "policies come from files here, and no switch changes them", STAGE)
        if switch.offset <= self._offset:
            return False  # before all else: old ones are at hand for anyone, and must cost nothing
        why = "it is of another partition" if switch.partition != self._partition else feed.why_not(switch)
        if why:
            return Reject(Reason.UNKNOWN_POLICIES, why, STAGE)
        book = feed.book_at(switch.offset)
        why = why_unsigned(record, book.keyring)
        if why:
            return Reject(Reason.BAD_SIGNATURE, f"the switch {why}", STAGE)
        self._kept.switch = switch
        self._judge.book = book
        return True
