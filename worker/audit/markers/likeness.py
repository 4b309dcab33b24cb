"""Resemblance to a known person. Similarity says who it looks like; the consent on record says whether that matters."""

from worker.audit.events import LikenessMatch
from worker.audit.facts import FACT_BIT, Certainty, Likeness
from worker.audit.room import Room

CERTAINTY_AT = ((0.95, Certainty.CONFIRMED), (0.85, Certainty.POSSIBLE), (0.70, Certainty.SUSPECTED))


def apply(room: Room, event: LikenessMatch, offset: int) -> None:
    """Keep the best match; news about the same person replaces it."""
    old = room.facts.likeness
    if event.similarity < old.similarity and event.person_id != old.person_id:
        return
    certainty = next((c for least, c in CERTAINTY_AT if event.similarity >= least), Certainty.NONE)
    room.facts.likeness = Likeness(
        certainty, event.similarity, event.consent, event.person_id, old.since_ms or event.at_ms
    )
    room.changed |= FACT_BIT["likeness"]
