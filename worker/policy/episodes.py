"""The life of a rule in a room: one table; a move that is not in it raises and changes nothing.

    idle ──open──▶ open ──escalate──▶ escalated ⟲ escalate
      an open or escalated episode is cleared when its rule no longer holds or the session closes;
      a person may withdraw it at any time, even when cleared; while withdrawn, the rule is exempt for the session.
      A person who upholds a withdrawn one (an appeal the other way) lifts that exemption: it goes on if its session
      does, and is cleared otherwise.

A rule without an episode is idle. A room keeps at most one episode a rule, so they are bounded by the rules in force.
"""

from collections.abc import Iterator
from enum import StrEnum

from worker.audit.episode import Episode
from worker.audit.facts import Certainty
from worker.audit.reviews import Review
from worker.records import record_id


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
    (State.WITHDRAWN, Event.REINSTATE): State.ESCALATED,
    (State.WITHDRAWN, Event.CLEAR): State.CLEARED,
}

ACTIVE = frozenset({State.OPEN, State.ESCALATED})


RETURNS_MAX = 64
"""So often one episode goes on under its first id. Beyond, it is a new one at the same step."""


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
    """The id of one record of an episode.

    `step` names the record within the episode: `step_name` for what is recommended, else the closing transition.
    """
    return record_id(platform, room_id, session_id, rule, str(start_ms), step)


def step_name(step: int, certainty: int) -> str:
    """The name of a step of the ladder decided at some certainty: when certainty rises, the step is decided anew."""
    return f"{step}.{certainty}"


def released_name(step: str) -> str:
    """The name of the record by which a person lets go what a cap had held back at a step."""
    return f"{step}.released"


def returned_name(name: str, returns: int) -> str:
    """The name of a record once the session has come back: each time says everything again."""
    return f"{name}+{returns}" if returns else name


def interrupt(episode: Episode, lasted_ms: int, missing_ms: int) -> None:
    """The session's end has cleared the episode, which had held at its step for `lasted_ms`, or was missing since
    `missing_ms`; it keeps both for the case that the session comes back."""
    episode.lasted_ms, episode.false_since_ms = max(0, lasted_ms), missing_ms


def is_interrupted(episode: Episode) -> bool:
    """Whether the episode goes on when its rule holds in the session that has come back."""
    return episode.state == State.CLEARED and episode.lasted_ms >= 0


def resume(episode: Episode, now_ms: int) -> None:
    """Open the episode again, at the step and with the time on it that it had."""
    episode.state = after(episode.state, Event.OPEN)
    episode.stepped_ms, episode.lasted_ms = now_ms - episode.lasted_ms, -1
    episode.returns += 1
    if episode.returns > RETURNS_MAX:
        episode.opened_ms, episode.returns = now_ms, 0


def give_up(episode: Episode, now_ms: int) -> None:
    """The session is back, but the rule does not hold: cleared from now on, as if by itself."""
    episode.stepped_ms, episode.lasted_ms, episode.false_since_ms = now_ms, -1, 0


def review_name(what: str, review: Review) -> str:
    """The name of the record that follows from a review. An episode takes only reviews of a higher place, so no two of
    its records have one name."""
    return f"{what}.{review.by}.{review.at_ms}.{review.review_id}"


def id_of(episode: Episode, room_id: str, name: str) -> str:
    """The id of the record of that name."""
    platform = episode.broadcast.platform
    return violation_id(platform, room_id, episode.session_id, episode.rule, episode.opened_ms, name)


def ids_of(episode: Episode, room_id: str) -> Iterator[str]:
    """Every id that the worker may have given to records of this episode by itself, or by a release."""
    names = [step_name(step, c) for step in range(episode.step + 1) for c in Certainty]
    for returns in range(episode.returns + 1):
        for name in (*names, *map(released_name, names), "cleared"):
            yield id_of(episode, room_id, returned_name(name, returns))
