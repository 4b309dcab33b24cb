"""Resemblance to a known person. Similarity says who it looks like; the consent on record says whether that matters.

Reads `likeness.match`: similarity from 0.70 up is SUSPECTED, from 0.85 POSSIBLE, from 0.95 CONFIRMED. The thresholds
are ours, and not audited: a matcher's scores mean what its maker says. News about the same person replaces what was
known, weaker or stronger. Rules see one person of those matched: one without consent before others, then the surest
match. Eight are kept.

Abstains: no match, or one below 0.70. Consent that is `unknown` stays so; rules that ship ask for `none`.
Evasion: features changed until the match is weak, or a person whom the matcher does not know; whether the presenter is
AI does not rest on it. Cost: 3 µs a match.
"""

from worker.audit.events import LikenessMatch
from worker.audit.facts import FACT_BIT, Certainty, Likeness
from worker.audit.marks import LIKENESSES_MAX, Resemblance
from worker.audit.registers import rank, since_ms
from worker.audit.room import Room

CERTAINTY_AT = ((0.95, Certainty.CONFIRMED), (0.85, Certainty.POSSIBLE), (0.70, Certainty.SUSPECTED))


def apply(room: Room, event: LikenessMatch, offset: int, key_ms: int) -> None:
    """Keep the newest match of each person, and show the worst."""
    new = Resemblance(event.person_id, key_ms, rank(event), event.similarity, event.consent)
    others = []
    for known in room.session.likenesses:
        if known.person_id != new.person_id:
            others.append(known)
        elif (known.key_ms, known.rank) >= (new.key_ms, new.rank):
            return
    room.session.likenesses = tuple(sorted((*others, new), key=_weight)[-LIKENESSES_MAX:])
    _show(room, room.session.likenesses[-1])


def _show(room: Room, worst: Resemblance) -> None:
    old, certainty = room.session.facts.likeness, _certainty(worst)
    known_ms = since_ms(room, certainty, old.since_ms)
    fact = Likeness(certainty, worst.similarity, worst.consent, worst.person_id, known_ms)
    if fact != old:
        room.session.facts.likeness = fact
        room.changed |= FACT_BIT["likeness"]


def _weight(match: Resemblance) -> tuple[bool, Certainty, float, str]:
    certainty = _certainty(match)
    return match.consent == "none" and certainty > 0, certainty, match.similarity, match.person_id


def _certainty(match: Resemblance) -> Certainty:
    return next((c for least, c in CERTAINTY_AT if match.similarity >= least), Certainty.NONE)
