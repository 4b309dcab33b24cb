"""The newest value of every signal of a room, for rules and for people."""

from worker.audit.evidence import DESIGNS
from worker.audit.room import Room
from worker.audit.signals import bots, cadence, concurrency, latency, scripts, unbroken

BETTING: tuple[tuple[str, str], ...] = (("unanswered", "NONINT"), ("excitation", "NONINT"), ("locked", "PLAY"))
"""Signals that bet and that rules may read, each with its family; detectors and challenges have facts of their own."""


def strata(room: Room) -> dict[str, float]:
    """Signals that bet in no family, 0 to 1; those that abstain are left out."""
    values = {
        "unbroken": 1.0 if unbroken.hours(room) else None,
        "concurrency": concurrency.value(room),
        "shared_script": scripts.value(room),
        "latency": latency.value(room),
        "cadence": cadence.value(room),
        "fake_viewers": bots.value(room.session.askers),
    }
    return {name: value for name, value in values.items() if value is not None}


def betting(room: Room) -> dict[str, float]:
    """Signals that bet: of the last block, or pane, for which their family took a step."""
    found = {}
    for signal, name in BETTING:
        family = room.session.families.get(name)
        value = family.prev[DESIGNS[name].signals.index(signal)] if family is not None else None
        if value is not None:
            found[signal] = value
    return found
