"""`voice` and `visual`: the share of detectors' looks that lie above the human 95 % rank.

A score becomes a rank among audited human rooms of the same detector version and stratum (`audit.calibration`);
Y is the share of looks above the 95 % quantile. One look a pane and modality counts: neighbouring frames say the same
thing. Detectors of one modality share one weight, by averaging; never a maximum, never a product.

Abstains: fewer than six looks in a block; no calibration table for the detector's version and stratum.
Evasion: better generators; a good score exonerates nobody. Cost: two dictionary look-ups.
"""

from worker.audit.calibration import HUMAN_SCORE_95
from worker.audit.events import DetectorScore
from worker.audit.room import Block, Pane

LOOKS_MIN = 6
VISUAL = frozenset({"face"})
VOICE = frozenset({"voice"})


def collect(pane: Pane, event: DetectorScore) -> None:
    """Count one look in its pane, if it is calibrated."""
    quantile = HUMAN_SCORE_95.get((event.detector, event.version, event.stratum or ""))
    if quantile is None:
        return
    if event.modality in VOICE:
        pane.voice_looks += 1
        pane.voice_high += event.score > quantile
    elif event.modality in VISUAL:
        pane.visual_looks += 1
        pane.visual_high += event.score > quantile


def fold(block: Block, pane: Pane) -> None:
    """A pane is one look per modality, worth the mean of its scores' indicators."""
    if pane.voice_looks:
        block.voice_looks += 1
        block.voice_high += pane.voice_high / pane.voice_looks
    if pane.visual_looks:
        block.visual_looks += 1
        block.visual_high += pane.visual_high / pane.visual_looks


def values(block: Block) -> tuple[float | None, float | None]:
    """(voice, visual) of a block."""
    voice = block.voice_high / block.voice_looks if block.voice_looks >= LOOKS_MIN else None
    visual = block.visual_high / block.visual_looks if block.visual_looks >= LOOKS_MIN else None
    return voice, visual
