"""Breaks: times in which viewers cannot expect an answer. The host declared them, or the session was off the air.

A declared break is a register: of its marks the one with the largest key says whether there is a break now, in
whatever order they come. Words of heartbeats that change nothing are dropped, but for the newest, which orders those to
come. A mark takes effect no earlier than the one before it.

A session is off the air from its close until it reopens, and from when another displaced it until it comes back. Up to
30 s of that a viewer can wait: whoever answers still has a minute. So a host who reconnects every minute for three
seconds is judged as if he had not. Longer ones void the prompts that waited through them.
"""

from worker.audit.room import BREAKS_MAX, FOREVER_MS, PAUSES_MAX, Session

DUE_MS = 90_000
WAIT_MAX_MS = 130_000
"""No prompt waits longer (`signals.replies`)."""
SHORT_MS = 30_000
KEPT_MS = 900_000

Span = tuple[int, int]
Mark = tuple[int, int, int, int]
"""One word about a declared break: key (ms), rank, effective time, and what was said."""
RESUMED, PAUSED, BEAT = 0, 1, 2
"""What a word says; `BEAT` is added if a heartbeat says it."""


def is_paused(session: Session) -> bool:
    """Whether a break is declared now."""
    return bool(session.break_marks) and _on(session.break_marks[-1])


def _on(mark: Mark) -> bool:
    return bool(mark[3] & PAUSED)


def note_pause(session: Session, mark: Mark) -> None:
    """Take a word about a declared break, of whatever age."""
    marks = sorted({*session.break_marks, mark})
    kept: list[Mark] = []
    for i, one in enumerate(marks):
        changes = _on(one) is not (bool(kept) and _on(kept[-1]))
        if changes or one[3] < BEAT or i == len(marks) - 1:
            kept.append(one)
    if len(kept) > PAUSES_MAX:
        _drop_one(kept)
    session.break_marks = tuple(kept)


def _drop_one(marks: list[Mark]) -> None:
    """Drop the oldest word that changes nothing, else let the oldest two breaks run together: abstaining too much
    accuses no one."""
    before = False
    for i, one in enumerate(marks[:-1]):
        if _on(one) is before:
            del marks[i]
            return
        before = _on(one)
    del marks[1:3]


def pauses(session: Session) -> list[Span]:
    """The declared breaks that are kept, the present one without an end."""
    found: list[Span] = []
    at_ms = since_ms = 0
    paused = False
    for mark in session.break_marks:
        at_ms, on = max(at_ms, mark[2]), _on(mark)
        if on and not paused:
            since_ms = at_ms
        elif paused and not on:
            found.append((since_ms, at_ms))
        paused = on
    return [*found, (since_ms, FOREVER_MS)] if paused else found


def away(session: Session) -> list[Span]:
    """When the session was off the air, the present time without an end."""
    if session.off_appended_ms:
        return [*session.breaks, (session.off_ms, FOREVER_MS)]
    return list(session.breaks)


def any_in(session: Session) -> bool:
    """Whether a break of any kind may be known."""
    return bool(session.break_marks or session.breaks or session.off_appended_ms)


def covers(session: Session, at_ms: int) -> bool:
    """Whether there was a break at a time."""
    return any(start <= at_ms < end for start, end in (*pauses(session), *away(session)))


def voids(session: Session, at_ms: int) -> bool:
    """Whether a prompt of `at_ms` waits through a break that is declared or long."""
    if not any_in(session):
        return False
    spans = [*pauses(session), *_long(session)]
    return any(start <= at_ms + DUE_MS and at_ms < end for start, end in spans)


def _long(session: Session) -> list[Span]:
    return [(start, end) for start, end in away(session) if end - start > SHORT_MS]


def paused_ms(session: Session, start_ms: int, end_ms: int) -> int:
    """For how much of [start, end) a break was declared."""
    return _within(pauses(session), start_ms, end_ms)


def away_ms(session: Session, start_ms: int, end_ms: int) -> int:
    """For how much of [start, end) the session was off the air for longer than viewers can wait."""
    return _within(_long(session), start_ms, end_ms)


def _within(spans: list[Span], start_ms: int, end_ms: int) -> int:
    found = 0
    for start, end in spans:
        found += max(0, min(end, end_ms) - max(start, start_ms))
    return found


def add(session: Session, start_ms: int, end_ms: int) -> None:
    """Remember that the session was off the air. More than are kept run together, the oldest."""
    spans = (*session.breaks, (start_ms, end_ms))
    if len(spans) > BREAKS_MAX:
        (start, _), (_, end), *rest = spans
        spans = ((start, end), *rest)
    session.breaks = spans


def forget(session: Session, before_ms: int) -> None:
    """Drop what ended long before `before_ms`: no prompt or block asks for it any more."""
    if session.breaks:
        session.breaks = tuple(span for span in session.breaks if span[1] > before_ms - KEPT_MS)
    marks = session.break_marks
    while len(marks) > 1 and marks[1][2] <= before_ms - WAIT_MAX_MS:
        marks = marks[1:]
    session.break_marks = marks
