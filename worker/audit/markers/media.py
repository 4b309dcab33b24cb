"""Product pictures and videos. Synthetic media that does not mislead is no offence; misleading media is.

Reads `product.media`, in which the platform's own check says whether a product's media is synthetic and whether it
misleads; no score comes with it, so there is no threshold. Misleading is POSSIBLE and never more, so that what
removes or freezes leaves as a review. The worst product of the session holds, of equals the earliest: what takes a
word back is passed over, even for the same product. A label excuses nothing here: rules ask for misleading.

Abstains: synthetic alone has certainty NONE; nobody checked. Evasion: media that the check does not see, such as a
picture held into the camera, or one put in after it; nothing else here looks at products. Cost: 0.3 µs a product.
"""

from worker.audit.events import ProductMedia as ProductMediaEvent
from worker.audit.facts import FACT_BIT, Certainty, ProductMedia
from worker.audit.registers import claim_of, is_surest, since_ms
from worker.audit.room import Room


def apply(room: Room, event: ProductMediaEvent, offset: int, key_ms: int) -> None:
    """Keep the worst product seen: misleading and synthetic before synthetic."""
    old = room.session.facts.product_media
    grade = _grade(event)
    if not grade or not is_surest(room, "product_media", claim_of(event), grade, _grade(old)):
        return
    certainty = Certainty.POSSIBLE if event.misleading else Certainty.NONE
    room.session.facts.product_media = ProductMedia(
        certainty, event.synthetic, event.misleading, event.product_id, since_ms(room, certainty, old.since_ms)
    )
    room.changed |= FACT_BIT["product_media"]


def _grade(said: ProductMediaEvent | ProductMedia) -> int:
    """How bad a product's media is, 0 to 3."""
    return 2 * said.misleading + said.synthetic
