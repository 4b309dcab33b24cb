"""`fake_viewers`: prompts that nobody real seems to make; they fall due for nobody, and an answer to them is none.

Whoever owns the viewers can have them ask what a recording answers next. So of the latest 128 comments that ask or
greet, each with hashes of its text and its viewer, a new one is *discounted* when

    copy        another viewer wrote the same text of at least 8 letters; copies are more than half of such texts, and
                at least 8. Who was copied no longer waits either
    dominating  more than two thirds of them come from this viewer
    clockwork   its viewer has written at least 6, at gaps that are multiples, within 5 %, of the smallest, of 30 s or
                more: chance does so once in ten thousand times (0.1 for each of the other four gaps)

Many people ask the same thing in the same words: that is why short texts ("1", 多少钱) are never copies, why single
copies are none, and why gifts and orders, which cost money, always count. Only in a crowd: at least 16 remembered, of
at least 4 viewers; three people in a quiet room may talk as they like. Two thirds from one viewer is low
min-entropy, −ln max p < 0.41 nats; the delays of chat bots betray them by their regularity (Gianvecchio et al.,
USENIX Security 2008).

A discount can only make `unanswered` and `excitation` abstain or look at the others: a host whose viewers are all
bought is judged by nothing here. The value is the share of the remembered that were discounted; it bets in no family.
Abstains: no crowd. Evasion: paraphrase; a loop of more than 128 questions; a script read once by many viewers at odd
times. The bounds are provisional. Cost: 7 µs a prompt that its pane kept, 35 when one viewer writes most.
"""

from itertools import compress, pairwise
from struct import unpack

from xxhash import xxh3_64_digest, xxh3_64_intdigest

from worker.audit.askers import Askers
from worker.audit.characters import letters

REMEMBERED = 128
CROWD_MIN, VIEWERS_MIN = 16, 4
LETTERS_MIN = 8
COPIES_MIN = 8
COPIES_HUMAN = 0.5
SHARE_HUMAN = 2 / 3
REGULAR_MIN = 6
BEAT_MIN_S = 30
OFF_BEAT = 0.05
_SHORT = b"\0\0\0\0"


def viewer_hash(viewer_id: str) -> int:
    """16 bits of a viewer."""
    return xxh3_64_intdigest(viewer_id.encode()) & 0xFFFF


def take(askers: Askers, viewer: int, at_ms: int, text: str) -> bool:
    """Remember a comment, in order of time; whether it is discounted. `viewer` is a `viewer_hash`."""
    count = len(askers.copies)
    viewers = unpack(f"<{count}H", askers.viewers)
    written = letters(text)
    digest = xxh3_64_digest(written.encode())[:4] if len(written) >= LETTERS_MIN else _SHORT
    copied = digest != _SHORT and _copied(askers, viewers, digest, viewer)
    second = at_ms // 1000 & 0xFFFF
    own = viewers.count(viewer)
    discounted = (
        count >= CROWD_MIN
        and (
            (copied and _copying(askers))
            or own > SHARE_HUMAN * count
            or (own + 1 >= REGULAR_MIN and _regular([*_times(askers, viewers, viewer), second]))
        )
        and len(set(viewers)) >= VIEWERS_MIN
    )
    askers.texts = (askers.texts + digest)[-4 * REMEMBERED :]
    askers.viewers = (askers.viewers + viewer.to_bytes(2, "little"))[-2 * REMEMBERED :]
    askers.seconds = (askers.seconds + second.to_bytes(2, "little"))[-2 * REMEMBERED :]
    askers.copies = (askers.copies + bytes((copied,)))[-REMEMBERED:]
    askers.discounted = (askers.discounted + bytes((discounted,)))[-REMEMBERED:]
    return discounted


def _copied(askers: Askers, viewers: tuple[int, ...], digest: bytes, viewer: int) -> bool:
    """Whether another viewer wrote the text."""
    at = askers.texts.find(digest)
    while at >= 0:
        if at % 4 == 0 and viewers[at // 4] != viewer:
            return True
        at = askers.texts.find(digest, at + 1)
    return False


def _copying(askers: Askers) -> bool:
    count = len(askers.copies)
    texts = count - unpack(f"<{count}I", askers.texts).count(0)
    return askers.copies.count(b"\1") >= max(COPIES_MIN, COPIES_HUMAN * texts)


def _times(askers: Askers, viewers: tuple[int, ...], viewer: int) -> list[int]:
    seconds = unpack(f"<{len(viewers)}H", askers.seconds)
    return list(compress(seconds, [by == viewer for by in viewers]))


def _regular(seconds: list[int]) -> bool:
    """Whether gaps are multiples of the smallest; not every comment of a bot asks, so some beats are missing."""
    gaps = [later - earlier & 0xFFFF for earlier, later in pairwise(seconds)]
    beat = min(gaps)
    return beat >= BEAT_MIN_S and all(abs(gap - round(gap / beat) * beat) <= OFF_BEAT * beat for gap in gaps)


def value(askers: Askers | None) -> float | None:
    """The share of the remembered that were discounted; None without a crowd."""
    if askers is None or len(askers.discounted) < CROWD_MIN:
        return None
    return askers.discounted.count(b"\1") / len(askers.discounted)
