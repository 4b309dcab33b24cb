"""`voice` and `visual`: the share of detectors' looks that lie above the human 95 % rank.

A score becomes a rank u among audited human rooms of the same detector version and stratum (`audit.calibration`);
Y is the share of looks with u > 0.95. One look a pane and detector counts, the earliest: neighbouring frames say the
same thing. Detectors of one signal share one weight, by averaging; never a maximum, never a product.

    voice    modality voice
    visual   modalities face, lip_sync, motion
    script   bets nowhere: nobody has audited what human sellers' scripts score, and a good human script is one that a
             machine wrote. Its ranks are shown in the room's record.

Abstains: fewer than six looks in a block; no calibration table for the detector's version and stratum, which is
counted. A new version of a detector forgets the previous Y of its signal: that was another instrument's.
Evasion: better generators; a good score exonerates nobody. Cost: 1 µs a look, 1 µs a pane and detector.
"""

from sys import intern

from xxhash import xxh3_64_intdigest

from worker.audit.calibration import HIGH, rank
from worker.audit.events import DetectorScore
from worker.audit.numbers import whole
from worker.audit.room import Block, Detector, Look, Pane, Room

LOOKS_MIN = 6
DETECTORS_MAX = 8
SIGNAL_OF = {"voice": "voice", "face": "visual", "lip_sync": "visual", "motion": "visual", "script": ""}


def collect(pane: Pane, event: DetectorScore) -> None:
    """Keep one look in its pane: the earliest of each detector, ties by a hash of the id; order does not matter."""
    stratum = intern(event.stratum or "")
    u = rank(event.detector, event.version, stratum, event.score)
    order = xxh3_64_intdigest(event.id.encode())
    instrument = (intern(event.modality), intern(event.detector), intern(event.version), stratum)
    new = Look(*instrument, event.at_ms, order, -1.0 if u is None else u)
    for i, old in enumerate(pane.looks):
        if _instrument(old) == _instrument(new):
            if (new.at_ms, order) < (old.at_ms, old.order):
                pane.looks = (*pane.looks[:i], new, *pane.looks[i + 1 :])
            return
    pane.looks = (*pane.looks, new)
    if len(pane.looks) > DETECTORS_MAX:
        pane.looks = tuple(sorted(pane.looks, key=_instrument))[:DETECTORS_MAX]


def _instrument(look: Look | Detector) -> tuple[str, str, str, str]:
    return look.modality, look.detector, look.version, look.stratum


def fold(room: Room, pane: Pane) -> None:
    """A pane is one look per signal, worth the mean of its detectors' indicators."""
    if not pane.looks:
        return
    block = room.session.block
    high: dict[str, list[bool]] = {}
    for look in sorted(pane.looks, key=_instrument):
        if look.rank < 0:
            room.session.uncalibrated += 1
            continue
        signal = SIGNAL_OF[look.modality]
        if signal:
            high.setdefault(signal, []).append(look.rank > HIGH)
        detector = _ensure_detector(block, look)
        detector.looks += 1
        detector.high += look.rank > HIGH
        detector.ranks += look.rank
    if "voice" in high:
        block.voice_looks += 1
        block.voice_high += whole(high["voice"]) / len(high["voice"])
    if "visual" in high:
        block.visual_looks += 1
        block.visual_high += whole(high["visual"]) / len(high["visual"])


def _ensure_detector(block: Block, look: Look) -> Detector:
    for known in block.detectors:
        if _instrument(known) == _instrument(look):
            return known
    new = Detector(*_instrument(look))
    if len(block.detectors) < DETECTORS_MAX:
        block.detectors = (*block.detectors, new)
    return new


def values(block: Block) -> tuple[float | None, float | None]:
    """(voice, visual) of a block."""
    voice = block.voice_high / block.voice_looks if block.voice_looks >= LOOKS_MIN else None
    visual = block.visual_high / block.visual_looks if block.visual_looks >= LOOKS_MIN else None
    return voice, visual


def missing(block: Block) -> tuple[str, ...]:
    """Modalities of which this block has too few looks for a value."""
    voice, visual = values(block)
    return (("voice",) if voice is None else ()) + (("face",) if visual is None else ())


def close(room: Room, end_ms: int) -> tuple[bool, bool]:
    """Take over what the block's detectors said; says of (voice, visual) whether a detector's version has changed."""
    changed = set()
    kept = {_instrument(d): d for d in room.session.detectors}
    for new in room.session.block.detectors:
        new.end_ms = end_ms
        for key, old in list(kept.items()):
            if (old.modality, old.detector) == (new.modality, new.detector) and old.version != new.version:
                changed.add(SIGNAL_OF[new.modality])
                del kept[key]
        kept.pop(_instrument(new), None)
        kept[_instrument(new)] = new
    room.session.detectors = tuple(kept.values())[-DETECTORS_MAX:]
    return "voice" in changed, "visual" in changed


def disagreement(room: Room, signal: str) -> float | None:
    """By how much the detectors of one signal differed in the share of high looks, 0–1, in the last block in which two
    or more of them looked; None when there was none."""
    last_ms = max((d.end_ms for d in room.session.detectors if SIGNAL_OF[d.modality] == signal), default=0)
    shares = [
        d.high / d.looks for d in room.session.detectors if d.end_ms == last_ms and SIGNAL_OF[d.modality] == signal
    ]
    return max(shares) - min(shares) if len(shares) > 1 else None
