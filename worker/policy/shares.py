"""For what part of the last minutes something held: what `share(fact, duration)` in a rule's condition asks.

A room remembers when each thing that a rule in force asks about began or ceased to hold, at its newest event time when
that became known, in the order of its log; from the session's first event on, or from the event at which a policy that
asks took effect. Between two marks it held, or it did not: the share is exact to the millisecond, at whatever event a
rule looks. It is unknown while less than the whole duration is remembered, also when it changed more often than
`MARKS_MAX` times within it: missing data abstains.
"""

from collections.abc import Mapping

from worker.audit.room import Room

MARKS_MAX = 64


def note(room: Room, values: Mapping[str, bool], now_ms: int) -> None:
    """Remembers how things stand at event time `now_ms`; what nobody asks about any more is forgotten."""
    if room.marks.keys() != values.keys():
        room.marks = {name: room.marks.get(name, []) for name in values}
    for name, value in values.items():
        marks = room.marks[name]
        if marks and marks[-1][1] is value:
            continue
        if marks and marks[-1][0] == now_ms:  # it changed twice at once: what it was in between had no time
            marks.pop()
            if marks and marks[-1][1] is value:
                continue
        marks.append((now_ms, value))
        del marks[:-MARKS_MAX]


def of(room: Room, name: str, window_ms: int, now_ms: int) -> float | None:
    """The part of (now - window, now] in which `name` held; None when it is not known for so long."""
    marks = room.marks.get(name)
    start_ms = now_ms - window_ms
    if not marks or marks[0][0] > start_ms:
        return None
    held_ms, until_ms = 0, now_ms
    for at_ms, value in reversed(marks):
        if value:
            held_ms += until_ms - max(at_ms, start_ms)
        until_ms = at_ms
        if at_ms <= start_ms:
            break
    return held_ms / window_ms
