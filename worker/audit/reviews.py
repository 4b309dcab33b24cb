"""What people decide about a room's violations, as it waits for the policy layer and as it is kept.

The reviews of one episode are a register: whatever the order in which they come, and however often, the same one holds.
An appeal outranks a reviewer, and of equals the later one holds. `policy.reviews` says what follows.
"""

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from worker.audit.events import ReviewDecided

OUTCOMES = ("upheld", "overturned", "partly")
RESULTS = ("applied", "no_change", "outranked", "unmatched")


class Review(Struct, frozen=True, gc=False, array_like=True):
    """A review that waits for the policy layer.

    Attributes:
        review_id: the event's id.
        at_ms: when it was decided, as far as its clock is believed. appended_ms: when the log took it.
        keep: with `partly`, the actions that stay.
        offset: of its record in the room's log.
    """

    review_id: str
    violation_id: str
    outcome: str
    by: str
    at_ms: int
    appended_ms: int
    keep: tuple[str, ...] = ()
    offset: int = 0


class Word(Struct, frozen=True, gc=False, array_like=True):
    """The review that holds: its place in the order, and what it says. `keep`: with `partly`, the actions that stay."""

    appeal: bool
    at_ms: int
    rank: int
    outcome: str
    keep: tuple[str, ...] = ()


class Answer(Struct, frozen=True, gc=False, array_like=True):
    """What became of a review.

    Attributes:
        result: applied, no_change, outranked or unmatched.
        standing: the outcome that now holds of the episode; "" when none is known.
        head: id of the episode's newest record; "" when no episode is known.
    """

    review: Review
    result: str
    standing: str = ""
    head: str = ""


def waiting(event: ReviewDecided, offset: int, key_ms: int, appended_ms: int) -> Review:
    """The review of an event that the log took at `appended_ms`; `key_ms` is its time for the order."""
    keep = tuple(event.keep or ()) if event.outcome == "partly" else ()
    return Review(event.id, event.violation_id, event.outcome, event.by, key_ms, appended_ms, keep, offset)


def word_of(review: Review) -> Word:
    """What a review says, with its place in the order."""
    rank = xxh3_64_intdigest(review.review_id.encode())
    return Word(review.by == "appeal", review.at_ms, rank, review.outcome, review.keep)


def outranks(word: Word, held: Word | None) -> bool:
    """Whether a word takes the place of the one that is held: an appeal before a reviewer, then the later one."""
    return held is None or (word.appeal, word.at_ms, word.rank) > (held.appeal, held.at_ms, held.rank)


def says(word: Word | None, outcome: str) -> bool:
    """Whether a word holds and says that."""
    return word is not None and word.outcome == outcome
