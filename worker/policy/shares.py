"""For what part of the last minutes something held: what `share(fact, duration)` in a rule's condition asks.

A room remembers when each thing that a rule in force asks about began or ceased to hold, at the append time at which
that became known, in the order of its log; from the session's first event on, or from the event at which a policy that
asks took effect. Between two marks it held, or it did not, or that is unknown: the share lies between two bounds, which
are exact to the millisecond, at whatever event a rule looks. It is unknown altogether while less than the whole
duration is remembered, also when it changed more often than `MARKS_MAX` times within it: missing data abstains.
"""

from collections.abc import Mapping

from worker.audit.room import Room

MARKS_MAX = 64
Bounds = tuple[float, float]
UNKNOWN: Bounds = (0.0, 1.0)


def note(room: Room, values: Mapping[str, bool | None], now_ms: int) -> None:
    """Remember how things are at append time `now_ms` (None: unknown), and drop what no rule asks about any more."""
    if room.session.marks.keys() != values.keys():
        room.session.marks = {name: room.session.marks.get(name, []) for name in values}
    for name, value in values.items():
        marks = room.session.marks[name]
        if marks and marks[-1][1] is value:
            continue
        if marks and marks[-1][0] == now_ms:  # it changed twice at once: what it was in between had no time
            marks.pop()
            if marks and marks[-1][1] is value:
                continue
        marks.append((now_ms, value))
        del marks[:-MARKS_MAX]


def of(room: Room, name: str, window_ms: int, now_ms: int) -> Bounds:
    """For what part of (now - window, now] `name` held at least and at most; `UNKNOWN` if nothing says for so long."""
    marks = room.session.marks.get(name)
    start_ms = now_ms - window_ms
    if not marks or marks[0][0] > start_ms:
        return UNKNOWN
    held_ms, maybe_ms, until_ms = 0, 0, now_ms
    for at_ms, value in reversed(marks):
        span_ms = until_ms - max(at_ms, start_ms)
        if value:
            held_ms += span_ms
        elif value is None:
            maybe_ms += span_ms
        until_ms = at_ms
        if at_ms <= start_ms:
            break
    return held_ms / window_ms, (held_ms + maybe_ms) / window_ms
