"""What the host has been saying lately: a small memory of bigrams, to tell an answer from talk of the topic.

Two Bloom filters of 4,096 bits and one hash; the older one is dropped after every twelve utterances, so a bigram is
remembered for twelve to twenty-four of them. With 50 bigrams an utterance a filter says yes wrongly at most one time
in seven. Bloom, CACM 1970.
"""

from zlib import crc32

from msgspec import Struct

BITS = 4096
UTTERANCES = 12
PLACES_MAX = 32_768


class Said(Struct, gc=False, array_like=True):
    """The filter being filled, the one before it, and how many utterances the former holds."""

    now: bytearray
    before: bytearray
    count: int = 0


def new_said() -> Said:
    """Nothing was said."""
    return Said(bytearray(BITS // 8), bytearray(BITS // 8))


class _Places(dict[str, tuple[int, int]]):
    """Byte and mask of each bigram met; only a memory of a pure function, emptied when full."""

    def __missing__(self, gram: str) -> tuple[int, int]:
        if len(self) >= PLACES_MAX:
            self.clear()
        bit = crc32(gram.encode()) % BITS
        self[gram] = place = bit >> 3, 1 << (bit & 7)
        return place


_places = _Places()


def note(said: Said, grams: frozenset[str]) -> None:
    """The host has said these bigrams."""
    if said.count == UTTERANCES:
        said.now, said.before, said.count = bytearray(BITS // 8), said.now, 0
    said.count += 1
    now = said.now
    for byte, mask in map(_places.__getitem__, grams):
        now[byte] |= mask


def unsaid(said: Said, grams: frozenset[str]) -> frozenset[str]:
    """Those of `grams` that the host had not been saying."""
    now, before = said.now, said.before
    fresh = []
    for gram in grams:
        byte, mask = _places[gram]
        if not (now[byte] | before[byte]) & mask:
            fresh.append(gram)
    return frozenset(fresh)
