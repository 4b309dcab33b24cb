"""How the oracle reads words and compares segments, slowly and obviously."""

import re
from zlib import crc32

from worker.audit.calibration import BIGRAM_IDF_DEFAULT_NATS, BIGRAM_IDF_NATS
from worker.audit.text import thanks, welcomes


def grams_of(text: str) -> set[str]:
    letters = re.sub(r"[\W_]", "", text.lower())
    return {letters[i : i + 2] for i in range(len(letters) - 1)}


def nats(grams: set[str]) -> float:
    return sum(BIGRAM_IDF_NATS.get(g, BIGRAM_IDF_DEFAULT_NATS) for g in grams)


def bit(gram: str) -> int:
    """Where a bigram falls in a memory of 4,096 bits; two may share a bit."""
    return crc32(gram.encode()) % 4096


def fit(prompt: tuple[int, str, str, str], text: str) -> set[str]:
    """The bigrams by which speech fits a prompt."""
    _, kind, asked, _ = prompt
    if kind == "thanked":
        return grams_of(thanks(text))
    if kind == "greeting" and welcomes(text):
        return grams_of(welcomes(text))
    common = grams_of(asked) & grams_of(text)
    return common if nats(common) >= 7.5 else set()


def splitmix(x: int) -> int:
    mask = (1 << 64) - 1
    z = (x + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def simhash(grams: set[str]) -> int:
    """Bit i is set when more than half of the bigrams' hashes have it."""
    hashes = [splitmix(ord(g[0]) << 21 | ord(g[1])) for g in grams]
    return sum(1 << i for i in range(64) if sum(h >> i & 1 for h in hashes) * 2 > len(hashes))


def near(a: int, b: int) -> bool:
    """Hamming distance at most 8, and one of four 16-bit bands agrees."""
    return (a ^ b).bit_count() <= 8 and any((a ^ b) >> (16 * band) & 0xFFFF == 0 for band in range(4))


def modal_of(recent: list[list[int]]) -> tuple[int, int]:
    """The lag with most votes (± 1 bin), the smallest of equals."""
    best = (0, 0)
    for lag in sorted({lag for lags in recent for lag in lags}):
        votes = sum(1 for lags in recent if any(abs(other - lag) <= 1 for other in lags))
        if votes > best[1]:
            best = (lag, votes)
    return best
