"""`ai_presenter` and `recorded`: what markers and evidence say together about who presents.

    ai_presenter
    CONFIRMED   a conclusive marker (`marked`): detected watermark, trusted provenance, GB 45438 label "1"; or two
                independent kinds of evidence at LIMIT: voice and visual, or AI and CHALLENGE. Voice and visual
                hold as long as AI stays at LIMIT
    POSSIBLE    the room itself declares it; GB 45438 label "2", `compositeSynthetic`; the AI family at LIMIT
    SUSPECTED   GB 45438 label "3"; explicit traces; the AI family at LABEL

    recorded
    CONFIRMED   PLAY at LIMIT, with CHALLENGE at LIMIT or `same_source_audio`
    POSSIBLE    PLAY at LIMIT; `same_source_audio`; PLAY at LABEL with CHALLENGE at LIMIT
    SUSPECTED   PLAY at LABEL

Two independent kinds are not always two families of `audit.evidence`. Voice and visual bet in one, AI, and confirm
together (`voice_and_visual`) when AI is at LIMIT and each of the two has LIMIT's mass while the other is taken for
abstaining (`Family.mass_without`). So one family's evidence can reach CONFIRMED, one kind of detector alone never:
here they stand for two families. Their masses are not multiplied, so nothing is assumed of how they depend on each
other: both are falsely there at most as often as either, 10⁻⁵ per room-hour as far as the norms hold. That they err
for different reasons is our assumption, and not measured. A rule that reads `level("AI")` itself gets no such credit:
it is POSSIBLE, and confirmed only with another family (`policy.reasons`, where AI and UNLABELLED are one).

Abstains: no marker, and no family at LABEL. Evasion: a person's own voice under a made face, or the reverse, never is
`voice_and_visual`: AI at LIMIT is then POSSIBLE, and failed challenges confirm it. Somebody on standby passes those,
and only both kinds of detectors confirm him. Cost: 1 µs a block, 1.5 when the fact changes.
"""

from msgspec.structs import replace

from worker.audit.events import Envelope
from worker.audit.evidence import THRESHOLDS, Level
from worker.audit.facts import FACT_BIT, AiPresenter, Certainty, Recorded
from worker.audit.registers import claim_of, is_surest, since_ms
from worker.audit.room import Room


def mark(room: Room, certainty: Certainty, by: str, event: Envelope, *, declared: bool = False) -> None:
    """A marker speaks; the surest of the session holds, and what once was declared stays so."""
    old = room.session.marked
    if is_surest(room, "marked", claim_of(event), certainty, old.certainty):
        known_ms = since_ms(room, certainty, old.since_ms)
        room.session.marked = AiPresenter(certainty, by, old.declared or declared, known_ms)
    elif declared and not old.declared:
        room.session.marked = replace(old, declared=True)
    combine(room)


def combine(room: Room) -> None:
    """Set `ai_presenter` and `recorded` from markers and levels, and since when the room is accused of the former."""
    marked, (certainty, by) = room.session.marked, _by_evidence(room)
    if marked.certainty >= certainty:
        certainty, by = Certainty(marked.certainty), marked.by
    old = room.session.facts.ai_presenter
    new = AiPresenter(certainty, by, marked.declared, since_ms(room, certainty, old.since_ms))
    if new != old:
        room.session.facts.ai_presenter = new
        room.changed |= FACT_BIT["ai_presenter"]
        room.session.accused_ms = since_ms(room, certainty >= Certainty.POSSIBLE, room.session.accused_ms)
    _combine_recorded(room)


def _by_evidence(room: Room) -> tuple[Certainty, str]:
    level = room.level("AI")
    if level >= Level.LIMIT:
        family = room.session.families["AI"]
        limit = THRESHOLDS[Level.LIMIT]
        was = room.session.facts.ai_presenter
        held = was.certainty == Certainty.CONFIRMED and was.by == "voice_and_visual"
        if held or (family.mass_without(0) >= limit and family.mass_without(1) >= limit):
            return Certainty.CONFIRMED, "voice_and_visual"
        if room.level("CHALLENGE") >= Level.LIMIT:
            return Certainty.CONFIRMED, "detectors_and_challenge"
        return Certainty.POSSIBLE, "detectors"
    if level >= Level.LABEL:
        return Certainty.SUSPECTED, "detectors"
    return Certainty.NONE, ""


def _combine_recorded(room: Room) -> None:
    play, challenge = room.level("PLAY"), room.level("CHALLENGE")
    certainty, by = Certainty.NONE, ""
    if room.session.facts.frame.same_source_audio:
        certainty, by = Certainty.POSSIBLE, "same_source_audio"
    if play >= Level.LIMIT:
        certainty, by = Certainty.POSSIBLE, "repetition"
        if challenge >= Level.LIMIT:
            certainty, by = Certainty.CONFIRMED, "repetition_and_challenge"
        elif room.session.facts.frame.same_source_audio:
            certainty, by = Certainty.CONFIRMED, "repetition_and_source"
    elif play >= Level.LABEL and challenge >= Level.LIMIT:
        certainty, by = Certainty.POSSIBLE, "repetition_and_challenge"
    elif play >= Level.LABEL and certainty < Certainty.SUSPECTED:
        certainty, by = Certainty.SUSPECTED, "repetition"
    old = room.session.facts.recorded
    new = Recorded(certainty, by, since_ms(room, certainty, old.since_ms))
    if new != old:
        room.session.facts.recorded = new
        room.changed |= FACT_BIT["recorded"]
