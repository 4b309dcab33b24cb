"""Personas that platforms name as abuse: fake foreigner, fake elite, attractive bait; with what they are used for.

Reads `persona.flag`: a classifier's confidence from 0.60 up is SUSPECTED, from 0.90 POSSIBLE, and never more; what it
is used for is part of the fact. The thresholds are ours, and not audited. The most confident flag of the session
holds, of equals the earliest.

Abstains: no classifier, confidence below 0.60. Evasion: a conduct that changes after a confident flag, since a less
confident one is passed over; luring people in pictures or in private. Nothing else here looks at personas; that the
presenter is AI is seen without them. Cost: 0.3 µs a flag, 0.1 for one that is less sure.
"""

from worker.audit.events import PersonaFlag
from worker.audit.facts import FACT_BIT, Certainty, Persona
from worker.audit.registers import claim_of, is_surest, since_ms
from worker.audit.room import Room

POSSIBLE_AT, SUSPECTED_AT = 0.90, 0.60


def apply(room: Room, event: PersonaFlag, offset: int, key_ms: int) -> None:
    """Keep the most confident flag of the session."""
    old = room.session.facts.persona
    if event.confidence < SUSPECTED_AT:
        return
    if not is_surest(room, "persona", claim_of(event), event.confidence, old.confidence):
        return
    certainty = Certainty.POSSIBLE if event.confidence >= POSSIBLE_AT else Certainty.SUSPECTED
    known_ms = since_ms(room, certainty, old.since_ms)
    room.session.facts.persona = Persona(certainty, event.kind, event.conduct, event.confidence, known_ms)
    room.changed |= FACT_BIT["persona"]
