"""Personas that platforms name as abuse: fake foreigner, fake elite, attractive bait; with what they are used for.

A classifier's confidence alone reaches POSSIBLE at most; what it is used for is part of the fact.
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
