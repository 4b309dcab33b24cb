"""What the core reads in text: character bigrams, SimHash, questions, thanks, greetings; and redaction.

Character bigrams serve Chinese and Latin scripts alike and need no segmenter. SimHash: Charikar, STOC 2002; near
duplicates differ in few of its 64 bits (Manku et al., WWW 2007).
"""

import re
from functools import lru_cache
from operator import add

EXCERPT_CHARS = 120
GREETING_CHARS = 12
REMEMBERED_CHARS = 64  # of longer texts the bigrams are not kept: 8,192 of 2,000 characters would be 1.8 GB
LANES_MAX = 32_768
_MASK = (1 << 64) - 1
_LANES = sum(1 << (16 * i) for i in range(64))
_TOP = 0x8000 * _LANES
_BYTE_LANES = [sum(1 << (16 * bit) for bit in range(8) if byte >> bit & 1) for byte in range(256)]
_TO_DIGITS = bytes(0x31 if byte & 0x80 else 0x30 for byte in range(256))

_NOT_LETTERS = re.compile(r"[\W_]+")
_ASKING = frozenset("?？吗呢怎什哪咋啥几")
_A_NOT_A = re.compile(r"(.)[不没]\1")
_ENGLISH_QUESTION = re.compile(r"\b(?:how|what|when|where|which|who|why|does|can you|is it)\b", re.IGNORECASE)
_GREETING = re.compile(r"主播好|你好|大家好|晚上好|早上好|哈喽|hello|\bhi\b", re.IGNORECASE)
_THANKS = re.compile(r"谢谢|感谢|多谢|\bthank", re.IGNORECASE)
_WELCOME = re.compile(r"欢迎|你好|哈喽|晚上好|早上好|hello|welcome", re.IGNORECASE)
_PRIVATE = re.compile(r"\d{3,}|[\w.+-]{1,64}@[\w.-]{1,64}|https?://\S{1,200}|@\S{1,40}")


def bigrams(text: str) -> frozenset[str]:
    """The distinct pairs of neighbouring letters or digits, case folded."""
    return _remembered(text) if len(text) <= REMEMBERED_CHARS else _bigrams(text)


def _bigrams(text: str) -> frozenset[str]:
    letters = _NOT_LETTERS.sub("", text.lower())
    return frozenset(map(add, letters, letters[1:]))


_remembered = lru_cache(maxsize=8192)(_bigrams)


class _Lanes(dict[str, int]):
    """SplitMix64 of each bigram met, each bit spread to a lane of 16 bits, so that sums count bits. Bounded."""

    def __missing__(self, gram: str) -> int:
        if len(self) >= LANES_MAX:
            self.clear()
        z = ((ord(gram[0]) << 21 | ord(gram[1])) + 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        z ^= z >> 31
        self[gram] = lanes = sum(_BYTE_LANES[(z >> (8 * i)) & 0xFF] << (128 * i) for i in range(8))
        return lanes


_lanes = _Lanes()


def simhash(grams: frozenset[str]) -> int:
    """The 64-bit SimHash of a set of bigrams: bit i is the majority of bit i over the bigrams' hashes."""
    total = sum(map(_lanes.__getitem__, grams))
    majority = (total + (0x7FFF - len(grams) // 2) * _LANES) & _TOP
    return int(majority.to_bytes(128, "little")[1::2].translate(_TO_DIGITS)[::-1], 2)


def is_question(text: str) -> bool:
    """Whether a comment looks like a question: by a question mark or word, or by 能不能, 有没有 and their like."""
    if not _ASKING.isdisjoint(text) or "多少" in text:
        return True
    if "不" in text or "没" in text:
        return _A_NOT_A.search(text) is not None
    return text.isascii() and _ENGLISH_QUESTION.search(text) is not None


def is_greeting(text: str) -> bool:
    """Whether a comment greets the host."""
    return len(text) <= GREETING_CHARS and _GREETING.search(text) is not None


def thanks(text: str) -> str:
    """The word by which speech thanks somebody; empty when it does not."""
    found = _THANKS.search(text)
    return found[0] if found else ""


def welcomes(text: str) -> str:
    """The word by which speech greets or welcomes somebody; empty when it does not."""
    found = _WELCOME.search(text)
    return found[0] if found else ""


def redact(text: str) -> str:
    """A quotation fit to show: at most 120 characters, numbers of 3 digits or more, addresses and names masked."""
    return _PRIVATE.sub("▪▪▪", text[: EXCERPT_CHARS * 2])[:EXCERPT_CHARS]
