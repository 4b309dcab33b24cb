"""The AI label on screen. A state holds until the next event; rules may demand that it is continuous.

`continuous`: visible now, shown no later than a minute after AI was first known, and without a gap in the last ten
minutes. The law asks for a label all the time (Order 117); the minute and the ten are ours. The latest 16 changes are
kept. A label of an avatar (`digital_human`, `virtual_host`) put up by the host declares AI. A platform's label that the
host takes off is hidden marking.

Abstains: never; that no label was read is not told from that none is there, so only what knows of AI may ask for one.
Evasion: a label too small or pale to be read by people (`area_ratio` is kept, and no shipped rule asks for it), or one
shown while it is looked for: each gap that is seen breaks `continuous` for ten minutes, and a block that is labelled
for less than half bets in UNLABELLED. Cost: 2.5 µs a state, 0.3 a block.
"""

from worker.audit.events import LabelState
from worker.audit.facts import FACT_BIT, Certainty, Label, Tamper
from worker.audit.markers import presenter
from worker.audit.room import LABEL_MARKS_MAX, Room

GRACE_MS = 60_000
HEALED_MS = 600_000
PRESENTER_KINDS = ("digital_human", "virtual_host")
"""`ai_generated` may speak of product pictures: a host who labels those says nothing of who presents."""


def apply(room: Room, event: LabelState, offset: int) -> None:
    """Take over the label's state; a host's own label of an avatar declares the presenter to be AI."""
    old = room.facts.label
    if event.visible != old.visible or not room.label_marks:
        room.label_marks = tuple(sorted((*room.label_marks, (event.at_ms, event.visible)))[-LABEL_MARKS_MAX:])
    since_ms = old.since_ms if old.visible == event.visible and old.since_ms else event.at_ms
    if old.visible and not event.visible and old.by == "platform" and event.by == "host":
        _suspect_tampering(room, event)
    area = -1.0 if event.area_ratio is None else event.area_ratio
    room.facts.label = Label(event.visible, False, old.ever or event.visible, event.kind, event.by, area, since_ms)
    room.changed |= FACT_BIT["label"]
    refresh(room)
    if event.visible and event.by == "host" and event.kind in PRESENTER_KINDS:
        presenter.mark(room, Certainty.POSSIBLE, "declared", event.at_ms, declared=True)


def refresh(room: Room) -> None:
    """Say anew whether the label is continuous; time alone can heal a gap."""
    label = room.facts.label
    if not label.ever:
        return
    known_ms = room.facts.ai_presenter.since_ms
    late = bool(known_ms) and label.since_ms > known_ms + GRACE_MS
    shown = [visible for _, visible in room.label_marks]
    first = shown.index(True) if True in shown else 0  # only the latest marks are kept, all of them may be gaps
    had_gap = late or False in shown[first:]
    healed = room.max_at_ms - label.since_ms >= HEALED_MS
    continuous = label.visible and (not had_gap or healed)
    if continuous != label.continuous:
        room.facts.label = Label(
            label.visible, continuous, label.ever, label.kind, label.by, label.area_ratio, label.since_ms
        )
        room.changed |= FACT_BIT["label"]


def labelled_ms(room: Room, start_ms: int, end_ms: int) -> int:
    """For how much of [start, end) the label was visible."""
    total, visible, at = 0, False, start_ms
    for mark_ms, shown in room.label_marks:
        if mark_ms >= end_ms:
            break
        if visible and mark_ms > at:
            total += mark_ms - at
        at, visible = max(start_ms, mark_ms), shown
    return total + (end_ms - at if visible else 0)


def _suspect_tampering(room: Room, event: LabelState) -> None:
    if room.facts.tamper.certainty < Certainty.POSSIBLE:
        room.facts.tamper = Tamper(Certainty.POSSIBLE, "label", event.at_ms)
        room.changed |= FACT_BIT["tamper"]
