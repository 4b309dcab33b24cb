"""When the label was on, off, or not known. It accuses only of time that has passed for certain.

    marks     a label's words, by key. One holds until a word with a larger key takes effect. An "on" takes effect at
              its e, whenever it comes. An "off" accuses: one that comes behind W begins at the W that it meets
    horizon   up to when "no label" is known: W, and a minute behind what the gateway told, which is waited for up to
              ten minutes
    due       from when on a missing label counts: a minute after the start, and after an AI presenter was at least
              POSSIBLE
    visible      false: off right up to the horizon, behind `due`. True: seen, and not false. Else unknown
    continuous   false: off at any time from `due` to the horizon. True: visible, and its newest word is not "off". Else
                 unknown

Nothing is known of the time before the first word where the session was not seen from its start, nor of breaks
(`Session.blind`), nor while a rival claimed the room (`Session.claims`).

Words ahead of W are kept one by one, 64 of them. Behind W rows of equal words run together, and of
more than 16 only the end of the latest off-time is kept. So a label that comes back shows the same whatever order
its words came in. With more than 64 ahead of W the label is unknown. Cost: 1 µs a look, 2 a word.
"""

from itertools import pairwise

from worker.audit.events import LabelState
from worker.audit.facts import FACT_BIT, Certainty, Label, Tamper
from worker.audit.marks import LABEL_MARKS_MAX, LabelMarks, Mark
from worker.audit.registers import GATEWAY_WAIT_MS, accused_since_ms, is_surest, rank
from worker.audit.registers import since_ms as known_since_ms
from worker.audit.room import BLIND_MAX, CLAIMS_MAX, FOREVER_MS, Room, Session

GRACE_MS = 60_000
FOLDED_MAX = 16
PLATFORM, HOST = 1, 2
MAKERS = {"platform": PLATFORM, "host": HOST}
Span = tuple[int, int]
NO_LABEL = Label(visible=False, continuous=False)
_KNOWN = (None, False, True)
_NOTHING_READ = {(v, c): Label(v, c) for v in _KNOWN for c in _KNOWN} | {(False, False): NO_LABEL}
"""Rooms of whose label nothing was read share these."""


def horizon_ms(room: Room) -> int:
    """Up to when "no label" is known."""
    return min(room.watermark_ms, max(room.heard_ms - GRACE_MS, room.max_at_ms - GATEWAY_WAIT_MS))


def due_ms(room: Room) -> int:
    """From when on a missing label counts."""
    session = room.session
    accused_ms = accused_since_ms(room, session.accused_ms) if session.accused_ms else 0
    return max(session.began_ms, accused_ms) + GRACE_MS


def note(room: Room, event: LabelState, key_ms: int) -> None:
    """Take a word about the label, of whatever age."""
    session, watermark_ms = room.session, room.watermark_ms
    kept = session.label
    if kept is None:
        kept = session.label = LabelMarks()
    kept.ever = kept.ever or event.visible
    starts_ms = event.at_ms if event.visible else max(event.at_ms, watermark_ms)
    new = Mark(key_ms, rank(event), starts_ms, event.visible, MAKERS.get(event.by, 0))
    if kept.cut and new < kept.marks[0]:
        return  # of a time that is summed up
    kept.marks = _folded(_with(kept.marks, new), watermark_ms)
    _cut(room, kept)


def _with(marks: tuple[Mark, ...], new: Mark) -> tuple[Mark, ...]:
    """The marks and one more, without those that never hold: a later one took effect no later."""
    before = [mark for mark in marks if mark < new]
    after = marks[len(before) :]
    if after and after[0].since_ms <= new.since_ms:
        return marks
    while before and before[-1].since_ms >= new.since_ms:
        before.pop()
    return (*before, new, *after)


def _folded(marks: tuple[Mark, ...], watermark_ms: int) -> tuple[Mark, ...]:
    """The marks, with those behind W run together: of a row of "on" one, of a row of "off" the first and the last."""
    out: list[Mark] = []
    for mark in marks:
        since_ms = mark.since_ms
        if out and since_ms <= watermark_ms and out[-1].visible is mark.visible:
            if mark.visible:
                since_ms = out.pop().since_ms
            elif len(out) > 1 and not out[-2].visible:
                out.pop()
        out.append(Mark(mark.key_ms, mark.rank, since_ms, mark.visible, mark.by))
    return tuple(out)


def _cut(room: Room, kept: LabelMarks) -> None:
    """Sum up the oldest marks if there are too many."""
    marks, watermark_ms = kept.marks, room.watermark_ms
    behind = len([mark for mark in marks if mark.since_ms <= watermark_ms])
    drop = max(behind - FOLDED_MAX, len(marks) - LABEL_MARKS_MAX)
    if drop <= 0:
        return
    from_ms = marks[drop].since_ms
    if from_ms > watermark_ms:
        kept.blurred_ms = max(kept.blurred_ms, from_ms)
    off = _off(room, min(from_ms, horizon_ms(room)))
    kept.off_ms = max(kept.off_ms, off[-1][1] if off else 0)
    kept.marks, kept.cut = marks[drop:], True


def blind(room: Room, start_ms: int, end_ms: int) -> None:
    """Remember a time of which a missing label says nothing, for as long as the session lasts.

    Of more than are kept the oldest is dropped once all that it covers is summed up. Where nothing was read of the
    label, or the horizon has not passed it, the oldest two run together: that accuses no one.
    """
    session = room.session
    if start_ms >= end_ms:
        return
    spans = _joined((*session.blind, (start_ms, end_ms)))
    if len(spans) > BLIND_MAX:
        (start, end), (_, later), *rest = spans
        if session.label is not None and end < horizon_ms(room):
            session.blind = spans
            _sum_up(room, session.label, end)
            spans = spans[1:]
        else:
            spans = ((start, later), *rest)
    session.blind = spans


def claim(session: Session, start_ms: int, end_ms: int) -> None:
    """Remember that a rival claimed the room, by append time. Of more than are kept the oldest two run together."""
    spans = _joined((*session.claims, (start_ms, end_ms)))
    if len(spans) > CLAIMS_MAX:
        (start, _), (_, end), *rest = spans
        spans = ((start, end), *rest)
    session.claims = spans


def _joined(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """The spans in order, those that touch made one."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = out[-1][0], max(end, out[-1][1])
        else:
            out.append((start, end))
    return tuple(out)


def _sum_up(room: Room, kept: LabelMarks, until_ms: int) -> None:
    """Keep of the time before `until_ms` no more than the end of its latest off-time, and what held at its end."""
    off = _off(room, until_ms)
    kept.off_ms = max(kept.off_ms, off[-1][1] if off else 0)
    before = [mark for mark in kept.marks if mark.since_ms <= until_ms]
    after = kept.marks[len(before) :]
    if before:
        last = before[-1]
        since_ms = last.since_ms if last.visible else until_ms
        kept.marks = (Mark(last.key_ms, last.rank, since_ms, last.visible, last.by), *after)
    elif room.session.whole and not kept.cut:  # off since the start: any word overrides that
        kept.marks = (Mark(-1, 0, until_ms, False, 0), *after)
    kept.cut = True


def _off(room: Room, until_ms: int) -> list[Span]:
    """When the label was off up to `until_ms`, as far as the marks that are kept tell; in order."""
    session = room.session
    kept = session.label
    off_ms = session.began_ms if session.whole and not (kept and kept.cut) else -1
    spans: list[Span] = []
    for mark in kept.marks if kept else ():
        if not mark.visible:
            off_ms = max(mark.since_ms, session.began_ms) if off_ms < 0 else off_ms
        elif off_ms >= 0:
            spans.append((off_ms, mark.since_ms))
            off_ms = -1
    if off_ms >= 0:
        spans.append((off_ms, until_ms))
    for hole in session.blind:
        spans = _without(spans, hole)
    least_ms = session.least_delay_ms
    for start_ms, end_ms in session.claims:
        spans = _without(spans, (start_ms - least_ms, end_ms - least_ms))
    return [(start, min(end, until_ms)) for start, end in spans if start < min(end, until_ms)]


def _without(spans: list[Span], hole: Span) -> list[Span]:
    parts = [part for start, end in spans for part in ((start, min(end, hole[0])), (max(start, hole[1]), end))]
    return [(start, end) for start, end in parts if start < end]


def read(room: Room) -> Label:
    """The fact, as it is known now."""
    session, old = room.session, room.session.facts.label
    kept, horizon, due = session.label, horizon_ms(room), due_ms(room)
    visible = continuous = None
    if kept is None or room.watermark_ms >= kept.blurred_ms:
        off = _off(room, horizon)
        off_until_ms = off[-1][1] if off else 0
        gone = off_until_ms == horizon > due
        visible = False if gone else True if kept and kept.ever else None
        if max(off_until_ms, kept.off_ms if kept else 0) > due:
            continuous = False
        elif visible and kept and kept.marks[-1].visible:
            continuous = True
    if kept is None:
        return _NOTHING_READ[visible, continuous]
    changed_ms = old.since_ms if visible is old.visible and old.since_ms else room.appended_ms
    return Label(visible, continuous, kept.ever, old.kind, old.by, old.area_ratio, changed_ms)


def missing_ms(room: Room) -> int:
    """For how long the label has been missing up to the horizon; 0 if it is not missing for certain."""
    if room.session.facts.label.visible is not False:
        return 0
    horizon = horizon_ms(room)
    off = _off(room, horizon)
    return horizon - max(off[-1][0], due_ms(room)) if off else 0


def note_delay(room: Room, delay_ms: int) -> None:
    """Remember the least delay from an event of the session to its record, 0 if the event's clock is ahead: accusing
    facts are dated by it."""
    session, delay_ms = room.session, max(0, delay_ms)
    if delay_ms < session.least_delay_ms:
        session.least_delay_ms = delay_ms
        refresh(room)


def refresh(room: Room) -> None:
    """Set the fact as it is known now, and when it must be looked at again."""
    session = room.session
    if not session.began_ms or session.due_ms == FOREVER_MS:  # settled
        return
    new = read(room)
    if new != session.facts.label:
        session.facts.label = new
        room.changed |= FACT_BIT["label"]
    if session.label is not None:
        _find_hidden(room, session.label.marks)
    session.label_due_ms = _next_ms(room)
    session.due_ms = min(session.due_ms, session.label_due_ms)


def _next_ms(room: Room) -> int:
    """The watermark at which time alone may change the fact."""
    horizon, due, kept = horizon_ms(room), due_ms(room), room.session.label
    times = [kept.blurred_ms] if kept is not None else []
    for start, end in _off(room, FOREVER_MS):
        times += [start + 1, max(start, due) + 1, end + 1]
    next_ms = min((at for at in times if horizon < at <= FOREVER_MS), default=FOREVER_MS)
    return max(next_ms, room.watermark_ms)  # where the gateway is silent, W is ahead, and each event may tell


def _find_hidden(room: Room, marks: tuple[Mark, ...]) -> None:
    """A platform's label that the host took off is hidden marking, as soon as it is known for certain."""
    if len(marks) < 2:
        return
    horizon = horizon_ms(room)
    for before, mark in pairwise(marks):
        hidden = before.visible and before.by == PLATFORM and not mark.visible and mark.by == HOST
        old = room.session.facts.tamper
        told = (mark.since_ms, mark.rank)
        if hidden and mark.since_ms < horizon and is_surest(room, "tamper", told, Certainty.POSSIBLE, old.certainty):
            since_ms = known_since_ms(room, Certainty.POSSIBLE, old.since_ms)
            room.session.facts.tamper = Tamper(Certainty.POSSIBLE, "label", since_ms)
            room.changed |= FACT_BIT["tamper"]


def on_ms(session: Session, start_ms: int, end_ms: int) -> int:
    """For how much of [start, end) the label was on, as is known now."""
    marks = session.label.marks if session.label is not None else ()
    ends = [mark.since_ms for mark in marks[1:]]
    total = 0
    for mark, until_ms in zip(marks, [*ends, FOREVER_MS], strict=False):
        if mark.visible:
            total += max(0, min(until_ms, end_ms) - max(mark.since_ms, start_ms))
    return total


def off_ms(room: Room, start_ms: int, end_ms: int) -> int:
    """For how much of [start, end) the label was off for certain."""
    total = 0
    for start, end in _off(room, min(end_ms, horizon_ms(room))):
        total += max(0, end - max(start, start_ms))
    return total
