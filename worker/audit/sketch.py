"""A sketch of what was said in five minutes, by which rooms that read one script find each other without telling it.

The five minutes are the same in all rooms, unlike their blocks: what is compared must have been said at one time.

One-permutation MinHash (Li, Owen and Zhang, NIPS 2012) over runs of four letters: each run's hash falls into one of 24
bins, which keep their smallest; two spans agree in a bin with probability J, the Jaccard similarity of their runs.
Four keys hash six bins each (locality-sensitive hashing: Indyk and Motwani, STOC 1998), so of spans with similarity J

    1 − (1 − J⁶)⁴ share a key:  J = 1: all, 0.8: 0.70, 0.7: 0.39, 0.6: 0.17 (0.90 in an hour), 0.3: 0.003, 0.1: 4·10⁻⁶

Runs of two letters would not do: unrelated sellers share a fifth of them in the median and up to a half, runs of four
a seventh and a third at most (synthetic, whose hosts speak in the same templates). One misheard letter in fifty
leaves J = 0.7.
"""

from collections.abc import Iterable
from struct import Struct as Layout
from struct import unpack_from

from msgspec import Struct
from xxhash import xxh3_64_digest, xxh32_intdigest

from worker.audit.numbers import whole
from worker.audit.text import GRAMS_MAX, Words

KEYS = 4
ROWS = 6
BINS = KEYS * ROWS
KEY_BYTES = 8
HASH_BYTES = 4
SPAN_MS = 300_000
SPANS = 2
RUNS_MIN = 200
_NONE = 0xFFFF_FFFF
_bins = Layout(f"<{BINS}I")
EMPTY = _bins.pack(*[_NONE] * BINS)


class Sketch(Struct, gc=False, array_like=True):
    """Of one room: the open span's smallest hash in each bin, and the keys of the last two, the latest last; the open
    span's number, counted from 1970."""

    bins: bytes = EMPTY
    before: bytes = b""
    latest: bytes = b""
    span: int = 0


class _Hashes(dict[str, bytes]):
    """31-bit hashes of pairs of letters, as 4 bytes. Only a memory of a pure function, emptied when full."""

    def __missing__(self, pair: str) -> bytes:
        if len(self) >= GRAMS_MAX:
            self.clear()
        self[pair] = found = (xxh32_intdigest(pair.encode()) >> 1).to_bytes(HASH_BYTES, "little")
        return found


_hash_of = _Hashes().__getitem__


def hear(sketch: Sketch, spoken: Iterable[Words]) -> None:
    """What was said, in any order.

    A run is the hash of a pair, xor twice that of the next but one. All are made in one number, with 32 bits for each:
    there a place is 64 bits away from the next but one, and the highest bit of a hash is 0.
    """
    bins = list(_bins.unpack(sketch.bins))
    highest = max(bins)
    for words in spoken:
        hashes = b"".join(map(_hash_of, words.pairs))
        count = max(0, len(words.pairs) - 2)
        row = int.from_bytes(hashes, "little")
        runs = unpack_from(f"<{count}I", (row ^ row >> 63).to_bytes(len(hashes), "little"))
        for found in [run for run in runs if run < highest]:  # soon few
            place = found % BINS
            if found < bins[place]:
                bins[place] = found
    sketch.bins = _bins.pack(*bins)


def close(sketch: Sketch) -> None:
    """The span closes; one in which little was said has no keys."""
    sketch.before, sketch.latest = sketch.latest, _keys(sketch.bins)
    sketch.bins = EMPTY


def _keys(bins: bytes) -> bytes:
    """The keys of a span, none of one with fewer than about 200 different runs.

    Of m hashes in a bin the smallest lies at 1/(m + 1) of the range in the mean.
    """
    if whole(_bins.unpack(bins)) > BINS * _NONE / (RUNS_MIN / BINS + 1):
        return b""
    width = ROWS * 4
    return b"".join(xxh3_64_digest(bytes((k,)) + bins[k * width : (k + 1) * width]) for k in range(KEYS))


def keys(sketch: Sketch) -> list[str]:
    """The keys of the last two spans, in hex, each once."""
    both = sketch.before + sketch.latest
    return list(dict.fromkeys(both[at : at + KEY_BYTES].hex() for at in range(0, len(both), KEY_BYTES)))
