"""A generator's watermark. Detected is near-conclusive; not detected is no evidence at all.

Reads the outcome of `watermark.read`, which the reader's own threshold made; its score is not looked at. `detected`
is CONFIRMED, `uncertain` an explicit trace, SUSPECTED; the strongest of the session holds. That the presenter carries
the mark, and not a picture he shows, is the reader's to know.

Abstains: `not_detected`, `not_tested`, nobody reads. Evasion: marks can be removed (arXiv 2505.08234), and a generator
may make none; then metadata, detectors and challenges are left. Cost: 1.5 µs a read that finds one, 4 the first time
(it is quoted), under 0.1 else.
"""

from worker.audit.events import WatermarkRead
from worker.audit.excerpts import quote
from worker.audit.facts import Certainty
from worker.audit.markers import presenter
from worker.audit.room import Room


def apply(room: Room, event: WatermarkRead, offset: int, key_ms: int) -> None:
    """Mark the presenter by the outcome."""
    if event.outcome == "detected":
        if room.session.marked.certainty < Certainty.CONFIRMED:
            quote(room, event.at_ms, "watermark", f"{event.scheme} read by {event.detector}", offset)
        presenter.mark(room, Certainty.CONFIRMED, "watermark", event)
    elif event.outcome == "uncertain":
        presenter.mark(room, Certainty.SUSPECTED, "watermark", event)
