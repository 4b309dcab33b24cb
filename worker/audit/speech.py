"""The ring of recent speech segments of one room, and the search for segments that come again.

Each segment is a 64-bit SimHash kept as four 16-bit bands, and its time in seconds since the session began. Two
segments within Hamming distance 3 always agree in a band; at 6, which one wrong character costs, in six cases of ten.
So four byte searches find near matches, and distances up to 8 count: unrelated segments differ in 32 ± 4 bits.
1,024 segments cover about 90 minutes of steady speech and cost 12 KB. The ring is saved in chunks of 128 segments,
and only chunks that changed are saved again, each before the room that counts on it.
"""

from bisect import bisect_left

from msgspec import Struct

from worker.audit.numbers import whole

CAPACITY = 1024
CHUNK = 128
CHUNKS = CAPACITY // CHUNK
BANDS = 4
CANDIDATES_MAX = 8
HAMMING_MAX = 8
LAG_BIN_MS = 5_000
RECENT = 8
EXPECTED_MIN = 3  # of the last 8 at one lag
EXPECTED_MAX = 16  # segments looked at in the three bins around it
EXPECTED_HAMMING_MAX = 12  # unrelated segments differ in 32 ± 4
CHANT_BINS = 600_000 // LAG_BIN_MS
CHANT_MAX = 3  # a slogan comes back more often in ten minutes than any recording worth looping


class Store(Struct, gc=False):
    """The ring's bulk, saved in chunks: four bands of 2 bytes and a time of 4 bytes a segment."""

    bands: list[bytearray]
    times: bytearray
    changed: int = 0  # bit per chunk
    modal: tuple[int, int] | None = None  # `modal_lag`, until the next segment


class SpeechRing(Struct, gc=False, array_like=True):
    """The latest segments; grows up to `CAPACITY`, then overwrites the oldest. `count` is all that were ever added."""

    count: int = 0
    recent: tuple[tuple[int, ...], ...] = ()  # lag bins at which each of the last 8 segments matched
    store: Store | None = None  # left out of the room's snapshot


def new_ring() -> SpeechRing:
    """An empty ring."""
    return SpeechRing(store=Store([bytearray() for _ in range(BANDS)], bytearray()))


def add(ring: SpeechRing, second: int, simhash: int) -> list[int]:
    """Store a segment spoken at `second` of the session; returns the distinct lag bins (5 s) at which it repeats.

    Where a lag is expected, because 3 of the last 8 segments repeat at it, the segments there are compared whether or
    not a band agrees, and up to distance 12. Nothing for a chant: a slogan that came more than three times in the last
    ten minutes says nothing about a loop.
    """
    store = ring.store
    assert store is not None, "a ring in use has its store"
    lags = _lags(ring, store, second, simhash)
    slot = ring.count % CAPACITY
    data, start, end = simhash.to_bytes(BANDS * 2, "little"), slot * 2, slot * 2 + 2
    for band, stored in enumerate(store.bands):
        stored[start:end] = data[band * 2 : band * 2 + 2]
    store.times[slot * 4 : slot * 4 + 4] = second.to_bytes(4, "little")
    store.changed |= 1 << (slot // CHUNK)
    store.modal = None
    ring.count += 1
    ring.recent = (*ring.recent, tuple(lags))[-RECENT:]
    return lags


def _lags(ring: SpeechRing, store: Store, second: int, simhash: int) -> list[int]:
    slots: set[int] = set()
    halves = simhash.to_bytes(BANDS * 2, "little")
    for band, data in enumerate(store.bands):
        wanted = halves[band * 2 : band * 2 + 2]
        at = data.find(wanted)
        while at >= 0 and len(slots) < CANDIDATES_MAX * BANDS:
            if at % 2 == 0:
                slots.add(at // 2)
            at = data.find(wanted, at + 1)
    lags = set()
    for slot in slots:
        if (slot - ring.count) % CAPACITY < CHUNK:
            continue  # about to be overwritten: a replay after a crash may no longer see it, so nobody does
        stored = 0
        for band in range(BANDS):
            stored |= int.from_bytes(store.bands[band][slot * 2 : slot * 2 + 2], "little") << (16 * band)
        if (stored ^ simhash).bit_count() <= HAMMING_MAX:
            then = int.from_bytes(store.times[slot * 4 : slot * 4 + 4], "little")
            if second > then:
                lags.add((second - then) * 1000 // LAG_BIN_MS)
    modal, votes = modal_lag(ring)
    if votes >= EXPECTED_MIN:
        lags |= _expected(ring, store, second, simhash, modal)
    if whole(lag <= CHANT_BINS for lag in lags) > CHANT_MAX:
        return []
    return sorted(lags)[:CANDIDATES_MAX]


def _expected(ring: SpeechRing, store: Store, second: int, simhash: int, modal: int) -> set[int]:
    """The lag bins around `modal` at which the segment repeats; segments stand in order of time."""
    times = memoryview(store.times).cast("I")
    lags = set()
    oldest = max(0, ring.count - CAPACITY + CHUNK)
    first_second = second - (modal + 2) * LAG_BIN_MS // 1000 + 1
    at = bisect_left(range(oldest, ring.count), first_second, key=lambda i: times[i % CAPACITY]) + oldest
    for i in range(at, min(at + EXPECTED_MAX, ring.count)):
        lag = (second - times[i % CAPACITY]) * 1000 // LAG_BIN_MS
        if lag < modal - 1:
            break
        if (_stored(store, i % CAPACITY) ^ simhash).bit_count() <= EXPECTED_HAMMING_MAX:
            lags.add(lag)
    return lags


def _stored(store: Store, slot: int) -> int:
    a, b = slot * 2, slot * 2 + 2
    return int.from_bytes(b"".join(band[a:b] for band in store.bands), "little")


def modal_lag(ring: SpeechRing) -> tuple[int, int]:
    """The lag bin at which most of the last 8 segments repeat (±1 bin), and how many do; (0, 0) when none."""
    store = ring.store
    if store is None:
        return _modal_lag(ring)
    if store.modal is None:
        store.modal = _modal_lag(ring)
    return store.modal


def _modal_lag(ring: SpeechRing) -> tuple[int, int]:
    best, best_count = 0, 0
    segments = [lags for lags in ring.recent if lags]
    votes: dict[int, int] = {}  # lag → segments that repeat at it, ±1 bin
    for lags in segments:
        for near in {lag + off for lag in lags for off in (-1, 0, 1)}:
            votes[near] = votes.get(near, 0) + 1
    for lag in sorted({lag for lags in segments for lag in lags}):
        if votes[lag] > best_count:
            best, best_count = lag, votes[lag]
    return best, best_count


def chunks_of(ring: SpeechRing | None) -> int:
    """How many chunks hold the ring's segments."""
    return (min(ring.count, CAPACITY) + CHUNK - 1) // CHUNK if ring is not None else 0


def take_changed_chunks(ring: SpeechRing) -> dict[int, bytes]:
    """Chunks that changed since the last call, by number; forgets that they did."""
    store = ring.store
    if store is None or not store.changed:
        return {}
    changed, store.changed = store.changed, 0
    return {chunk: _save(store, chunk) for chunk in range(CHUNKS) if changed >> chunk & 1}


def pack(ring: SpeechRing) -> bytes:
    """All that the ring holds, in one piece, for a session that is set aside: its chunks go to the one in its place."""
    store = ring.store
    assert store is not None, "a ring in use has its store"
    return b"".join(_save(store, chunk) for chunk in range(chunks_of(ring)))


def unpack(ring: SpeechRing, packed: bytes) -> None:
    """Fill a ring from what `pack` made. All of its chunks must be saved again."""
    size = CHUNK * (BANDS * 2 + 4)
    restore(ring, {chunk: packed[chunk * size : (chunk + 1) * size] for chunk in range(chunks_of(ring))})
    assert ring.store is not None
    ring.store.changed = (1 << chunks_of(ring)) - 1


def _save(store: Store, chunk: int) -> bytes:
    a, b = chunk * CHUNK, (chunk + 1) * CHUNK
    return b"".join(bytes(band[a * 2 : b * 2]) for band in store.bands) + bytes(store.times[a * 4 : b * 4])


def restore(ring: SpeechRing, chunks: dict[int, bytes]) -> None:
    """Fill a ring that came from a snapshot. Chunks may be newer than `ring.count`; what lies beyond it is dropped.

    Raises:
        ValueError: a chunk is missing or its length is not a whole number of segments.
    """
    size = min(ring.count, CAPACITY)
    parts: list[bytes] = []
    for chunk in range(chunks_of(ring)):
        data = chunks.get(chunk, b"")
        segments, rest = divmod(len(data), BANDS * 2 + 4)
        if rest or segments < min(CHUNK, size - chunk * CHUNK):
            raise ValueError(f"speech chunk {chunk} has {len(data)} bytes, too few for {size} segments")
        parts.append(data)
    counts = [len(data) // (BANDS * 2 + 4) for data in parts]
    bands = [
        bytearray(b"".join(d[i * n * 2 : (i + 1) * n * 2] for d, n in zip(parts, counts, strict=True))[: size * 2])
        for i in range(BANDS)
    ]
    times = bytearray(b"".join(d[BANDS * 2 * n :] for d, n in zip(parts, counts, strict=True))[: size * 4])
    ring.store = Store(bands, times)
