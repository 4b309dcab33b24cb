"""The ring of recent speech segments of one room, and the search for segments that come again.

Each segment is a 64-bit SimHash kept as four 16-bit bands, and its time in seconds since the session began. Two
segments within Hamming distance 3 always agree in a band; at 6, which one wrong character costs, in six cases of ten.
So four byte searches find near matches, and distances up to 8 count: unrelated segments differ in 32 ± 4 bits.
1,024 segments cover about 90 minutes of steady speech and cost 12 KB. The ring is saved in chunks of 128 segments,
and only chunks that changed are saved again.
"""

from msgspec import Struct

CAPACITY = 1024
CHUNK = 128
BANDS = 4
CANDIDATES_MAX = 8
HAMMING_MAX = 8
LAG_BIN_MS = 5_000
RECENT = 8


class SpeechRing(Struct, gc=False):
    """Bands and times of the latest segments; grows in chunks up to `CAPACITY`, then overwrites the oldest."""

    count: int = 0
    bands: list[bytearray] = []
    times: bytearray = bytearray()
    recent: list[list[int]] = []  # lag bins at which each of the last 8 segments matched
    changed: int = 0  # bit per chunk


def new_ring() -> SpeechRing:
    """An empty ring."""
    return SpeechRing(bands=[bytearray() for _ in range(BANDS)])


def add(ring: SpeechRing, second: int, simhash: int) -> list[int]:
    """Store a segment spoken at `second` of the session; returns the distinct lag bins (5 s) at which it repeats."""
    lags = _lags(ring, second, simhash)
    slot = ring.count % CAPACITY
    for band in range(BANDS):
        ring.bands[band][slot * 2 : slot * 2 + 2] = (simhash >> (16 * band) & 0xFFFF).to_bytes(2, "little")
    ring.times[slot * 4 : slot * 4 + 4] = second.to_bytes(4, "little")
    ring.count += 1
    ring.changed |= 1 << (slot // CHUNK)
    ring.recent.append(lags)
    del ring.recent[:-RECENT]
    return lags


def _lags(ring: SpeechRing, second: int, simhash: int) -> list[int]:
    slots: set[int] = set()
    for band in range(BANDS):
        data = ring.bands[band]
        wanted = (simhash >> (16 * band) & 0xFFFF).to_bytes(2, "little")
        at = data.find(wanted)
        while at >= 0 and len(slots) < CANDIDATES_MAX * BANDS:
            if at % 2 == 0:
                slots.add(at // 2)
            at = data.find(wanted, at + 1)
    lags = set()
    for slot in slots:
        stored = sum(
            int.from_bytes(ring.bands[band][slot * 2 : slot * 2 + 2], "little") << (16 * band) for band in range(BANDS)
        )
        if (stored ^ simhash).bit_count() <= HAMMING_MAX:
            then = int.from_bytes(ring.times[slot * 4 : slot * 4 + 4], "little")
            if second > then:
                lags.add((second - then) * 1000 // LAG_BIN_MS)
    return sorted(lags)[:CANDIDATES_MAX]


def modal_lag(ring: SpeechRing) -> tuple[int, int]:
    """The lag bin at which most of the last 8 segments repeat (±1 bin), and how many do; (0, 0) when none."""
    best, best_count = 0, 0
    for lag in sorted({lag for lags in ring.recent for lag in lags}):
        count = sum(any(abs(other - lag) <= 1 for other in lags) for lags in ring.recent)
        if count > best_count:
            best, best_count = lag, count
    return best, best_count


def save_chunk(ring: SpeechRing, chunk: int) -> bytes:
    """One chunk as bytes: the four bands, then the times."""
    a, b = chunk * CHUNK, (chunk + 1) * CHUNK
    return b"".join(bytes(band[a * 2 : b * 2]) for band in ring.bands) + bytes(ring.times[a * 4 : b * 4])


def load_chunk(ring: SpeechRing, chunk: int, data: bytes) -> None:
    """Put a saved chunk back; chunks are loaded in order.

    Raises:
        ValueError: the length is not a whole number of segments, or chunks are missing before this one.
    """
    segments, rest = divmod(len(data), BANDS * 2 + 4)
    if rest or segments > CHUNK or len(ring.times) != chunk * CHUNK * 4:
        raise ValueError(f"speech chunk {chunk}: {len(data)} bytes do not fit after {len(ring.times) // 4} segments")
    for i, band in enumerate(ring.bands):
        band += data[i * segments * 2 : (i + 1) * segments * 2]
    ring.times += data[BANDS * 2 * segments :]
