"""Product pictures and videos. Synthetic media that does not mislead is no offence; misleading media is.

Reads `product.media`, in which the platform's own check says whether a product's media is synthetic and whether it
misleads; no score comes with it, so there is no threshold. Misleading is POSSIBLE and never more, so that what
removes or freezes leaves as a review. The worst product of the session holds, the later one of equals: what takes a
word back is passed over, even for the same product. A label excuses nothing here: rules ask for misleading.

Abstains: synthetic alone has certainty NONE; nobody checked. Evasion: media that the check does not see, such as a
picture held into the camera, or one put in after it; nothing else here looks at products. Cost: 0.3 µs a product.
"""

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
