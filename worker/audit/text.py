"""What the core reads in text: character bigrams, SimHash, questions, thanks, greetings; and redaction.

Character bigrams serve Chinese and Latin scripts alike and need no segmenter. SimHash: Charikar, STOC 2002; near
duplicates differ in few of its 64 bits (Manku et al., WWW 2007).
"""

import re
from collections.abc import Callable
from functools import lru_cache
from operator import add, itemgetter
from typing import NamedTuple
from zlib import crc32

from worker.audit.characters import DIGITS, NO_WORD_AFTER, SPACES, WORD, letters, no_word_before
from worker.audit.numbers import whole

EXCERPT_CHARS = 120
GREETING_CHARS = 12
REMEMBERED_CHARS = 64  # of longer texts the bigrams are not kept: 8,192 of 2,000 characters would be 1.8 GB
GRAMS_MAX = 16_384
BLOOM_BITS = 4096
_MASK = (1 << 64) - 1
_LANES = whole(1 << (8 * i) for i in range(64))
_TOP = 0x80 * _LANES
_BYTE_LANES = [whole(1 << (8 * bit) for bit in range(8) if byte >> bit & 1) for byte in range(256)]
_lanes: Callable[[tuple[int, int, int]], int] = itemgetter(0)
_TO_DIGITS = bytes(0x31 if byte & 0x80 else 0x30 for byte in range(256))

_ASKING = re.compile("[?？吗呢怎什哪咋啥几]")
_A_NOT_A = re.compile(r"(.)[不没]\1")
_ASCII_ANY_CASE = re.ASCII | re.IGNORECASE
_ENGLISH_QUESTION = re.compile(r"\b(?:how|what|when|where|which|who|why|does|can you|is it)\b", _ASCII_ANY_CASE)
# A word is found before it is looked at what stands beside it: that is quicker than `\b` at every place.
_GREETING = re.compile(
    f"主播好|你好|大家好|晚上好|早上好|哈喽|hello|hi{no_word_before('hi')}{NO_WORD_AFTER}", _ASCII_ANY_CASE
)
_THANKS = re.compile(f"谢谢|感谢|多谢|thank{no_word_before('thank')}", _ASCII_ANY_CASE)
_WELCOME = re.compile(r"欢迎|你好|哈喽|晚上好|早上好|hello|welcome", _ASCII_ANY_CASE)
# Each word of a pattern holds one of these. To look for them first costs a tenth of a search that finds nothing.
_OF_GREETINGS = ("好", "喽", "h", "H")
_OF_THANKS = ("谢", "k", "K")
_OF_WELCOMES = ("欢迎", "你好", "哈喽", "上好", "l", "L")
_PRIVATE = re.compile(
    rf"[{DIGITS}]{{3,}}|[{WORD}.+\-]{{1,64}}@[{WORD}.\-]{{1,64}}|https?://[^{SPACES}]{{1,200}}|@[^{SPACES}]{{1,40}}"
)


def bigrams(text: str) -> frozenset[str]:
    """The distinct pairs of neighbouring letters or digits, case folded; remembered, for texts that come again."""
    return _remembered(text) if len(text) <= REMEMBERED_CHARS else bigrams_once(text)


def bigrams_once(text: str) -> frozenset[str]:
    """`bigrams` of a text that will hardly come again, such as a speech segment: it would only drive out others."""
    kept = list(letters(text))
    return frozenset(map(add, kept, kept[1:]))


_remembered = lru_cache(maxsize=8192)(bigrams_once)


class _Grams(dict[str, tuple[int, int, int]]):
    """What speech asks of each bigram met: (lanes, byte, mask). Only a memory of pure functions, emptied when full.

    Lanes: its SplitMix64, each bit spread to a lane of 8 bits, so that sums count bits. Byte and mask: its place in a
    Bloom filter of `BLOOM_BITS`, by CRC-32 (`audit.said`).
    """

    def __missing__(self, gram: str) -> tuple[int, int, int]:
        if len(self) >= GRAMS_MAX:
            self.clear()
        z = ((ord(gram[0]) << 21 | ord(gram[1])) + 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        z ^= z >> 31
        lanes = whole(_BYTE_LANES[(z >> (8 * i)) & 0xFF] << (64 * i) for i in range(8))
        bit = crc32(gram.encode()) % BLOOM_BITS
        self[gram] = known = lanes, bit >> 3, 1 << (bit & 7)
        return known


_known = _Grams()
known: Callable[[str], tuple[int, int, int]] = _known.__getitem__
"""(lanes for `simhash`, byte and mask of the place in a Bloom filter) of a bigram."""


class Words(NamedTuple):
    """What is read in a speech segment: its distinct bigrams, for each of them what `known` says, and all its bigrams
    as they follow each other."""

    grams: frozenset[str]
    known: list[tuple[int, int, int]]
    pairs: list[str]


def words(text: str) -> Words:
    """A speech segment, read once for all signals."""
    kept = list(letters(text))
    pairs = list(map(add, kept, kept[1:]))
    grams = frozenset(pairs)
    return Words(grams, list(map(known, grams)), pairs)


def simhash(known: list[tuple[int, int, int]]) -> int:
    """The 64-bit SimHash of a set of bigrams (`Words.known`): bit i is the majority of bit i over their hashes.

    A lane counts to 255, and a segment of speech has no more bigrams: `room.SPEECH_CHARS` is 256.
    """
    count = len(known)
    majority = (whole(map(_lanes, known)) + (0x7F - count // 2) * _LANES) & _TOP
    return int(majority.to_bytes(64, "little").translate(_TO_DIGITS)[::-1], 2)


def _may_hold(text: str, parts: tuple[str, ...]) -> bool:
    """Whether a text holds one of some parts of words."""
    for part in parts:  # noqa: SIM110 a generator costs more than the search
        if part in text:
            return True
    return False


def is_question(text: str) -> bool:
    """Whether a comment looks like a question: by a question mark or word, or by 能不能, 有没有 and their like."""
    if _ASKING.search(text) is not None or "多少" in text:
        return True
    if "不" in text or "没" in text:
        return _A_NOT_A.search(text) is not None
    return text.isascii() and _ENGLISH_QUESTION.search(text) is not None


def is_greeting(text: str) -> bool:
    """Whether a comment greets the host."""
    return len(text) <= GREETING_CHARS and _may_hold(text, _OF_GREETINGS) and _GREETING.search(text) is not None


def thanks(text: str) -> str:
    """The word by which speech thanks somebody; empty when it does not."""
    found = _THANKS.search(text) if _may_hold(text, _OF_THANKS) else None
    return found[0] if found else ""


def welcomes(text: str) -> str:
    """The word by which speech greets or welcomes somebody; empty when it does not."""
    found = _WELCOME.search(text) if _may_hold(text, _OF_WELCOMES) else None
    return found[0] if found else ""


def redact(text: str) -> str:
    """A quotation fit to show: at most 120 characters, numbers of 3 digits or more, addresses and names masked."""
    return _PRIVATE.sub("▪▪▪", text[: EXCERPT_CHARS * 2])[:EXCERPT_CHARS]
