"""Resemblance to a known person. Similarity says who it looks like; the consent on record says whether that matters.

Reads `likeness.match`: similarity from 0.70 up is SUSPECTED, from 0.85 POSSIBLE, from 0.95 CONFIRMED. The thresholds
are ours, and not audited: a matcher's scores mean what its maker says. News about the same person replaces what was
known, weaker or stronger; another person only a match that is as good.

Abstains: no match, or one below 0.70. Consent that is `unknown` stays so; rules that ship ask for `none`.
Evasion: features changed until the match is weak, or a person whom the matcher does not know; whether the presenter is
AI does not rest on it. Cost: 0.5 µs a match, 0.1 for a weaker one of somebody else.
"""

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
