"""What the host has been saying lately: a small memory of bigrams, to tell an answer from talk of the topic.

Two Bloom filters of 4,096 bits and one hash; the older one is dropped after every twelve utterances, so a bigram is
remembered for twelve to twenty-four of them. With 50 bigrams an utterance a filter says yes wrongly at most one time
in seven. Bloom, CACM 1970.
"""

from msgspec import Struct

from worker.audit.text import BLOOM_BITS, Words, known

UTTERANCES = 12


class Said(Struct, gc=False, array_like=True):
    """The filter being filled, the one before it, and how many utterances the former holds."""

    now: bytearray
    before: bytearray
    count: int = 0


def new_said() -> Said:
    """Nothing was said."""
    return Said(bytearray(BLOOM_BITS // 8), bytearray(BLOOM_BITS // 8))


def note(said: Said, words: Words) -> None:
    """The host has said these words."""
    if said.count == UTTERANCES:
        said.now, said.before, said.count = bytearray(BLOOM_BITS // 8), said.now, 0
    said.count += 1
    now = said.now
    for _, byte, mask in words.known:
        now[byte] |= mask


def unsaid(said: Said, grams: frozenset[str]) -> frozenset[str]:
    """Those of `grams` that the host had not been saying."""
    now, before = said.now, said.before
    fresh = []
    for gram in grams:
        _, byte, mask = known(gram)
        if not (now[byte] | before[byte]) & mask:
            fresh.append(gram)
    return frozenset(fresh)
