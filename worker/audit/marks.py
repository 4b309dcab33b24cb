"""What a room keeps of its markers besides facts, in plain structs: quotations, words about the label, likenesses."""

from msgspec import Struct

LABEL_MARKS_MAX = 64
LIKENESSES_MAX = 8


class Excerpt(Struct, frozen=True, gc=False, array_like=True):
    """A redacted quotation that a violation may show: ≤ 120 characters, with the log offset it came from."""

    at_ms: int
    kind: str
    text: str
    offset: int


class Mark(Struct, frozen=True, gc=False, array_like=True, order=True):
    """One word about the label: what it was from `since_ms` on, and who had put it up or taken it off."""

    key_ms: int
    rank: int
    since_ms: int
    visible: bool
    by: int  # `labelled.MAKERS`


class LabelMarks(Struct, gc=False, array_like=True):
    """What was read of the label (`audit.labelled`).

    Attributes:
        marks: words that matter, by key and by time.
        ever: it was seen.
        off_ms: the latest time behind the marks at which it was off.
        cut: marks before these are summed up in `off_ms`.
        blurred_ms: there were more marks than are kept up to here: until W has passed it, the label is unknown.
    """

    marks: tuple[Mark, ...] = ()
    ever: bool = False
    off_ms: int = 0
    cut: bool = False
    blurred_ms: int = 0


class Resemblance(Struct, frozen=True, gc=False, array_like=True):
    """The newest match with one person."""

    person_id: str
    key_ms: int
    rank: int
    similarity: float
    consent: str
