"""Quotations that a violation may show: few, short, redacted."""

from worker.audit.room import EXCERPTS_MAX, Excerpt, Room
from worker.audit.text import redact

PER_KIND = 2


def quote(room: Room, at_ms: int, kind: str, text: str, offset: int) -> None:
    """Keep a quotation: the two latest of each kind, five in all."""
    same = [e for e in room.excerpts if e.kind == kind]
    if len(same) >= PER_KIND:
        room.excerpts = tuple(e for e in room.excerpts if e is not same[0])
    room.excerpts = (*room.excerpts, Excerpt(at_ms, kind, redact(text), offset))[-EXCERPTS_MAX:]
