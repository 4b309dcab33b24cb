"""The life of a rule in a room: one table; a move that is not in it raises and changes nothing.

    idle ──open──▶ open ──escalate──▶ escalated ⟲ escalate
      an open or escalated episode is cleared when its rule no longer holds or the session closes;
      a person may withdraw it at any time, even when cleared; while withdrawn, the rule is exempt for the session.
      A person who upholds a withdrawn one (an appeal the other way) lifts that exemption.

A rule without an episode is idle. A room keeps at most one episode a rule, so they are bounded by the rules in force.
"""

from base64 import b32encode
from collections.abc import Iterator
from enum import StrEnum
from hashlib import blake2b

from worker.audit.facts import Certainty
from worker.audit.room import Episode


class State(StrEnum):
    """Where an episode is."""

    IDLE = "idle"
    OPEN = "open"
    ESCALATED = "escalated"
    CLEARED = "cleared"
    WITHDRAWN = "withdrawn"


class Event(StrEnum):
    """What may happen to it."""

    OPEN = "open"
    ESCALATE = "escalate"
    CLEAR = "clear"
    WITHDRAW = "withdraw"
    REINSTATE = "reinstate"


NEXT: dict[tuple[State, Event], State] = {
    (State.IDLE, Event.OPEN): State.OPEN,
    (State.CLEARED, Event.OPEN): State.OPEN,
    (State.OPEN, Event.ESCALATE): State.ESCALATED,
    (State.ESCALATED, Event.ESCALATE): State.ESCALATED,
    (State.OPEN, Event.CLEAR): State.CLEARED,
    (State.ESCALATED, Event.CLEAR): State.CLEARED,
    (State.OPEN, Event.WITHDRAW): State.WITHDRAWN,
    (State.ESCALATED, Event.WITHDRAW): State.WITHDRAWN,
    (State.CLEARED, Event.WITHDRAW): State.WITHDRAWN,
    (State.WITHDRAWN, Event.REINSTATE): State.CLEARED,
}

ACTIVE = frozenset({State.OPEN, State.ESCALATED})


class IllegalMove(Exception):
    """An episode cannot do that from where it is: a defect of the caller."""


def after(state: str, event: Event) -> State:
    """The state that follows.

    Raises:
        IllegalMove: the table has no such move.
    """
    try:
        return NEXT[State(state), event]
    except KeyError:
        raise IllegalMove(f"no move '{event}' from state '{state}'") from None


def violation_id(platform: str, room_id: str, session_id: str, rule: str, start_ms: int, step: str) -> str:
    """The id of one record of an episode: base32 of 128 bits of BLAKE2b over its cause, 26 lower-case characters.

    `step` names the record within the episode: `step_name` for what is recommended, else the closing transition.
    """
    cause = "\x1f".join((platform, room_id, session_id, rule, str(start_ms), step))
    return b32encode(blake2b(cause.encode(), digest_size=16).digest()).decode().rstrip("=").lower()


def step_name(step: int, certainty: int) -> str:
    """The name of a step of the ladder decided at some certainty: when certainty rises, the step is decided anew."""
    return f"{step}.{certainty}"


def released_name(step: str) -> str:
    """The name of the record by which a person lets go what a cap had held back at a step."""
    return f"{step}.released"


def ids_of(episode: Episode, platform: str, room_id: str, steps: int) -> Iterator[str]:
    """Every id under which people may have reviewed this episode."""
    names = [step_name(step, c) for step in range(max(steps, episode.step + 1)) for c in Certainty]
    for name in (*names, *map(released_name, names), "cleared"):
        yield violation_id(platform, room_id, episode.session_id, episode.rule, episode.opened_ms, name)
