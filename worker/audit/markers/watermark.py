"""A generator's watermark. Detected is near-conclusive; every other outcome is no evidence at all.

`uncertain` counts as an explicit trace (SUSPECTED). Evasion: marks can be removed, so absence says nothing.
"""

from worker.audit.events import WatermarkRead
from worker.audit.excerpts import quote
from worker.audit.facts import Certainty
from worker.audit.markers import presenter
from worker.audit.room import Room


def apply(room: Room, event: WatermarkRead, offset: int) -> None:
    """Mark the presenter by the outcome."""
    if event.outcome == "detected":
        if room.marked.certainty < Certainty.CONFIRMED:
            quote(room, event.at_ms, "watermark", f"{event.scheme} read by {event.detector}", offset)
        presenter.mark(room, Certainty.CONFIRMED, "watermark", event.at_ms)
    elif event.outcome == "uncertain":
        presenter.mark(room, Certainty.SUSPECTED, "watermark", event.at_ms)
