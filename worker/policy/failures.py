"""Rules that fail in a room: after ten failures in a row a rule is parked there, so that its defect costs the others no
more time. Kept in the room's state and counted from its log alone, so that a replay parks at the same event."""

from worker.audit.room import Room
from worker.policy.model import Rule

IN_A_ROW_MAX = 10
RULES_MAX = 16  # of one room; of more the oldest are tried again


def note(room: Room, rule: Rule) -> None:
    """The rule has failed once more."""
    row = _in_a_row(room, rule)
    if row < IN_A_ROW_MAX:
        forget(room, rule)
        room.session.failures = (*room.session.failures, (rule.id, rule.policy.version, row + 1))[-RULES_MAX:]


def is_parked(room: Room, rule: Rule) -> bool:
    """Whether the room looks at the rule no more, until its session ends or the rule's policy has another version."""
    return _in_a_row(room, rule) >= IN_A_ROW_MAX


def forget(room: Room, rule: Rule) -> None:
    """The rule did not fail, or does not count any more."""
    room.session.failures = tuple(failing for failing in room.session.failures if failing[0] != rule.id)


def _in_a_row(room: Room, rule: Rule) -> int:
    """How often it has failed in a row under this version of its policy."""
    return next((n for id_, version, n in room.session.failures if (id_, version) == (rule.id, rule.policy.version)), 0)
