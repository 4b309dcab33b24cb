"""Product pictures and videos. Synthetic media that does not mislead is no offence; misleading media is."""

from worker.audit.events import ProductMedia as ProductMediaEvent
from worker.audit.facts import FACT_BIT, Certainty, ProductMedia
from worker.audit.room import Room


def apply(room: Room, event: ProductMediaEvent, offset: int) -> None:
    """Keep the worst product seen: misleading and synthetic before synthetic."""
    old = room.facts.product_media
    if (event.misleading, event.synthetic) < (old.misleading, old.synthetic):
        return
    certainty = Certainty.POSSIBLE if event.misleading else Certainty.NONE
    worse = (event.misleading, event.synthetic) > (old.misleading, old.synthetic)
    since_ms = event.at_ms if worse else old.since_ms or event.at_ms
    room.facts.product_media = ProductMedia(certainty, event.synthetic, event.misleading, event.product_id, since_ms)
    room.changed |= FACT_BIT["product_media"]
