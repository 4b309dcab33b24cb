"""Levels of the families, with the guards that keep outliers of the norm from strong sanctions.

    AI, UNLABELLED   LIMIT and up: the balanced experts alone reach it, or PLAY or CHALLENGE has M ≥ 10
    PLAY             LIMIT and up: the mass with the 20-minute allowance reaches it, and NONINT or CHALLENGE has M ≥ 10
    CHALLENGE        LIMIT: at least 6 failures among the last 12; RESTRICT: at least 8
    NONINT           never above LABEL

From RESTRICT the room asks for the platform's test (`audit.elond`); rules see LIMIT until it is passed (`Room.level`).

A level holds until its mass falls below a twentieth of its threshold.
"""

from worker.audit.announce import speak_soon
from worker.audit.evidence import BALANCED, THRESHOLDS, Level, level_of
from worker.audit.facts import LEVEL_BIT
from worker.audit.numbers import total
from worker.audit.room import Room
from worker.audit.signals import challenge

SUPPORT = 10.0
FAILURES_FOR = {Level.LIMIT: 6, Level.RESTRICT: 8}


def update(room: Room, name: str) -> bool:
    """Set a family's level from its mass; says whether it moved."""
    family = room.session.families.get(name)
    if family is None:
        return False
    if name == "PLAY":
        new = _play(room)
    else:
        new = level_of(family.mass(), family.level, _ceiling(room, name))
    if new == family.level:
        return False
    family.level = new
    room.changed |= LEVEL_BIT
    if new >= Level.RESTRICT:
        speak_soon(room)
    return True


def _mass(room: Room, name: str) -> float:
    family = room.session.families.get(name)
    return 0.0 if family is None else family.mass()


def _play(room: Room) -> int:
    family = room.session.families["PLAY"]
    low = level_of(family.mass(), min(family.level, Level.LABEL), Level.LABEL)
    supported = _mass(room, "NONINT") >= SUPPORT or _mass(room, "CHALLENGE") >= SUPPORT
    high = level_of(_mass(room, "PLAY_LONG"), family.level, Level.RESTRICT if supported else Level.LABEL)
    return max(low, high if high >= Level.LIMIT else Level.NONE)


def _ceiling(room: Room, name: str) -> int:
    if name == "NONINT":
        return Level.LABEL
    family = room.session.families[name]
    ceiling: int = Level.LABEL
    for level in (Level.LIMIT, Level.RESTRICT):
        if name == "CHALLENGE":
            allowed = challenge.failures(room) >= FAILURES_FOR[level]
        else:
            balanced = total(family.m[j] for j in BALANCED)
            allowed = balanced >= THRESHOLDS[level] or max(_mass(room, "PLAY"), _mass(room, "CHALLENGE")) >= SUPPORT
        if allowed:
            ceiling = level
    return ceiling
