"""Personas that platforms name as abuse: fake foreigner, fake elite, attractive bait; with what they are used for.

Reads `persona.flag`: a classifier's confidence from 0.60 up is SUSPECTED, from 0.90 POSSIBLE, and never more; what it
is used for is part of the fact. The thresholds are ours, and not audited. The most confident flag of the session
holds, the later one of equals.

Abstains: no classifier, confidence below 0.60. Evasion: a conduct that changes after a confident flag, since a less
confident one is passed over; luring people in pictures or in private. Nothing else here looks at personas; that the
presenter is AI is seen without them. Cost: 0.3 µs a flag, 0.1 for one that is less sure.
"""

from worker.audit.events import PersonaFlag
from worker.audit.facts import FACT_BIT, Certainty, Persona
from worker.audit.room import Room

POSSIBLE_AT, SUSPECTED_AT = 0.90, 0.60


def apply(room: Room, event: PersonaFlag, offset: int) -> None:
    """Keep the most confident flag of the session."""
    if event.confidence < max(SUSPECTED_AT, room.facts.persona.confidence):
        return
    certainty = Certainty.POSSIBLE if event.confidence >= POSSIBLE_AT else Certainty.SUSPECTED
    since_ms = room.facts.persona.since_ms or event.at_ms
    room.facts.persona = Persona(certainty, event.kind, event.conduct, event.confidence, since_ms)
    room.changed |= FACT_BIT["persona"]
