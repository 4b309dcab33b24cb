"""Quotations that a violation may show: few, short, redacted."""

from worker.audit.marks import Excerpt
from worker.audit.room import EXCERPTS_MAX, Room
from worker.audit.text import redact

PER_KIND = 2


def quote(room: Room, at_ms: int, kind: str, text: str, offset: int) -> None:
    """Keep a quotation: the two latest of each kind, five in all."""
    same = [e for e in room.session.excerpts if e.kind == kind]
    if len(same) >= PER_KIND:
        room.session.excerpts = tuple(e for e in room.session.excerpts if e is not same[0])
    room.session.excerpts = (*room.session.excerpts, Excerpt(at_ms, kind, redact(text), offset))[-EXCERPTS_MAX:]
