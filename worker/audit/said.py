"""What the host has been saying lately: a small memory of bigrams, to tell an answer from talk of the topic.

Two Bloom filters of 4,096 bits and one hash; the older one is dropped after every twelve utterances, so a bigram is
remembered for twelve to twenty-four of them. With 50 bigrams an utterance a filter says yes wrongly at most one time
in seven. Bloom, CACM 1970.
"""

from functools import lru_cache, reduce
from operator import or_
from zlib import crc32

from msgspec import Struct

BITS = 4096
UTTERANCES = 12
_EMPTY = bytes(BITS // 8)


class Said(Struct, gc=False, array_like=True):
    """The filter being filled, the one before it, and how many utterances the former holds."""

    now: bytes
    before: bytes
    count: int = 0


def new_said() -> Said:
    """Nothing was said."""
    return Said(_EMPTY, _EMPTY)


@lru_cache(maxsize=32768)
def _mask(gram: str) -> int:
    return 1 << crc32(gram.encode()) % BITS


def note(said: Said, grams: frozenset[str]) -> None:
    """The host has said these bigrams."""
    if said.count == UTTERANCES:
        said.now, said.before, said.count = _EMPTY, said.now, 0
    said.count += 1
    said.now = reduce(or_, map(_mask, grams), int.from_bytes(said.now, "little")).to_bytes(BITS // 8, "little")


def unsaid(said: Said, grams: frozenset[str]) -> frozenset[str]:
    """Those of `grams` that the host had not been saying."""
    known = int.from_bytes(said.now, "little") | int.from_bytes(said.before, "little")
    return frozenset(gram for gram in grams if not known & _mask(gram))
