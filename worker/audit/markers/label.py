"""The AI label on screen: what is read of it, and that a host who labels an avatar declares AI.

When it was on, off or unknown is `audit.labelled`. A label of an avatar (`digital_human`, `virtual_host`) put up by the
host declares AI. A platform's label that the host takes off is hidden marking. Kind, maker and size are those of the
newest word.

Abstains: never; where no label was read, time decides (`audit.labelled`), and only what knows of AI may ask for one.
Evasion: a label too small or pale to be read by people (`area_ratio` is kept, and no shipped rule asks for it), or one
shown while it is looked for: one off-time breaks `continuous` for the rest of the session, and a block that is not
labelled for half of its time bets in UNLABELLED. Cost: 4 µs a state, 1 a look.
"""

from msgspec.structs import replace

from worker.audit import labelled
from worker.audit.events import HeartbeatLabel, LabelState, RoomHeartbeat
from worker.audit.facts import FACT_BIT, UNKNOWN, Certainty
from worker.audit.markers import presenter
from worker.audit.registers import is_newest
from worker.audit.room import Room

PRESENTER_KINDS = ("digital_human", "virtual_host")
"""`ai_generated` may speak of product pictures: a host who labels those says nothing of who presents."""


def apply(room: Room, event: LabelState, offset: int, key_ms: int) -> None:
    """Take a word about the label; a host's own label of an avatar declares the presenter to be AI."""
    labelled.note(room, event, key_ms)
    if is_newest(room, "label", event, key_ms):
        area = UNKNOWN if event.area_ratio is None else event.area_ratio
        fact = room.session.facts.label
        room.session.facts.label = replace(fact, kind=event.kind, by=event.by, area_ratio=area)
    room.changed |= FACT_BIT["label"]
    if event.visible and event.by == "host" and event.kind in PRESENTER_KINDS:
        presenter.mark(room, Certainty.POSSIBLE, "declared", event, declared=True)


def carried(beat: RoomHeartbeat, said: HeartbeatLabel) -> LabelState:
    """The `label.state` that a heartbeat carries: of its time, and in its place among registers."""
    return LabelState(
        id=beat.id, room_id=beat.room_id, at_ms=beat.at_ms, session_id=beat.session_id,
        kind=said.kind, visible=said.visible, by=said.by, area_ratio=said.area_ratio,
    )  # fmt: skip
