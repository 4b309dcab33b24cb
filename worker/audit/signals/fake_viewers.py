"""`fake_viewers`: prompts that nobody real seems to make; they fall due for nobody, and an answer to them is none.

Whoever owns the viewers can have them ask what a recording answers next. So of the latest 64 comments that ask or
greet, each with hashes of its text and its viewer, a new one is *discounted* when

    copy        another viewer wrote the same text of at least 8 letters, and copies are more than half of such texts
    dominating  more than half of them come from this viewer
    clockwork   its viewer has written at least 6, at gaps with a coefficient of variation SD/mean < 0.1

Many people ask the same thing in the same words: that is why short texts ("1", 多少钱) are never copies, why single
copies are none, and why gifts and orders, which cost money, always count. Only in a crowd: at least 16 remembered, of
at least 4 viewers; three people in a quiet room may talk as they like. More than half from one viewer is low
min-entropy, −ln max p < ln 2 nats; the delays of chat bots betray them by their regularity (Gianvecchio et al.,
USENIX Security 2008).

A discount can only make `unanswered` and `excitation` abstain or look at the others: a host whose viewers are all
bought is judged by nothing here. The value is the share of the remembered that were discounted; it bets in no family.
Abstains: no crowd. Evasion: paraphrase; a loop of more than 64 questions; a script read once by many viewers at odd
times. The bounds are provisional. Cost: 6 µs a prompt that its pane kept.
"""

from struct import pack, unpack

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from worker.audit.text import letters

REMEMBERED = 64
CROWD_MIN, VIEWERS_MIN = 16, 4
LETTERS_MIN = 8
COPIES_HUMAN = 0.5
SHARE_HUMAN = 0.5
REGULAR_MIN = 6
VARIATION_HUMAN = 0.1
TICK_MS = 100
_SIZE = 12  # bytes of one: hashes of text (0 when short) and viewer, time in ticks; 32 bits each
_WORD = 0xFFFF_FFFF
_BITS = (1 << REMEMBERED) - 1


class Askers(Struct, gc=False, array_like=True):
    """The latest comments that asked, oldest first; bits of those that were copies, and discounted; latest bit 0."""

    ring: bytes = b""
    copies: int = 0
    discounted: int = 0


def viewer_hash(viewer_id: str) -> int:
    """32 bits of a viewer."""
    return xxh3_64_intdigest(viewer_id.encode()) & _WORD


def take(askers: Askers, viewer: int, at_ms: int, text: str) -> bool:
    """Remember a comment, in order of time; whether it is discounted. `viewer` is a `viewer_hash`."""
    ring = unpack(f"<{len(askers.ring) // 4}I", askers.ring)
    texts, viewers, times = ring[::3], ring[1::3], ring[2::3]
    written = letters(text)
    digest = (xxh3_64_intdigest(written.encode()) & _WORD) if len(written) >= LETTERS_MIN else 0
    copied = digest != 0 and any(t == digest and v != viewer for t, v in zip(texts, viewers, strict=True))
    tick = at_ms // TICK_MS & _WORD
    own = [t for t, v in zip(times, viewers, strict=True) if v == viewer]
    discounted = (
        len(viewers) >= CROWD_MIN
        and len(set(viewers)) >= VIEWERS_MIN
        and (
            (copied and askers.copies.bit_count() > COPIES_HUMAN * sum(t != 0 for t in texts))
            or len(own) > SHARE_HUMAN * len(viewers)
            or _regular([*own, tick])
        )
    )
    askers.ring = (askers.ring + pack("<3I", digest, viewer, tick))[-REMEMBERED * _SIZE :]
    askers.copies = (askers.copies << 1 | copied) & _BITS
    askers.discounted = (askers.discounted << 1 | discounted) & _BITS
    return discounted


def _regular(ticks: list[int]) -> bool:
    """Whether gaps hardly vary: SD < 0.1 of the mean."""
    if len(ticks) < REGULAR_MIN:
        return False
    gaps = [later - earlier & _WORD for earlier, later in zip(ticks, ticks[1:], strict=False)]
    mean = sum(gaps) / len(gaps)
    return sum((gap - mean) ** 2 for gap in gaps) < (VARIATION_HUMAN * mean) ** 2 * len(gaps)


def value(askers: Askers | None) -> float | None:
    """The share of the remembered that were discounted; None without a crowd."""
    if askers is None or len(askers.ring) < CROWD_MIN * _SIZE:
        return None
    return askers.discounted.bit_count() / (len(askers.ring) // _SIZE)
