"""An archetype: one kind of room, and how to put it on a stage."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from worker.lab.simulate.asking import Platform
from worker.lab.simulate.hosts import Host, Manner
from worker.lab.simulate.machines import Camera, Detectors, Looks
from worker.lab.simulate.stage import MINUTE_MS, Stage
from worker.lab.simulate.text import Speaker
from worker.lab.simulate.viewers import Crowd, Viewers
from worker.lab.simulate.words import Goods

HUMAN_FAILS = 0.03  # chance that a human host fails a challenge


@dataclass(frozen=True, kw_only=True)
class Archetype:
    """One kind of room.

    Attributes:
        title: what it is, in a line.
        honest: no rule must open, no family may reach LABEL.
        platform: where it streams unless told otherwise.
        expects: rules of that platform of which each must open sooner or later.
        build: puts the actors on a stage.
        viewers: usual size of the audience.
        room_title: what the room calls itself.
        region: where its host is, ISO 3166.
        loop_ms: length of the recording, where there is one.
        declared: an avatar that says so; the AI family may well know it.
        switch_ms: when the host leaves, counted from the start; 0 where nobody does.
    """

    name: str
    title: str
    honest: bool
    platform: str
    build: Callable[[Stage], object]
    expects: tuple[str, ...] = ()
    viewers: int = 120
    room_title: str = "好物分享"
    region: str = "CN"
    loop_ms: int = 20 * MINUTE_MS
    switch_ms: int = 0
    declared: bool = False


class Machines(NamedTuple):
    """What has to be told when somebody else takes the place before the camera."""

    detectors: Detectors
    platform: Platform


def human(
    stage: Stage,
    *,
    crowd: Crowd | None = None,
    manner: Manner | None = None,
    special: tuple[str, ...] = (),
    special_share: float = 0.0,
) -> Host:
    """A talking human host with viewers, seen by detectors and camera, challenged by the platform."""
    speaker = audience(stage, crowd)
    mind = Speaker(stage.rng("mind"), speaker.goods)
    machines(stage)
    return Host(stage, mind, manner or Manner(), talk=lambda: mind.talk(special, special_share))


def audience(stage: Stage, crowd: Crowd | None = None, goods: Goods | None = None) -> Speaker:
    """Viewers who talk about one kind of goods (some, when not told which); returns their voice."""
    speaker = Speaker(stage.rng("crowd"), goods)
    stage.category = speaker.goods.category
    Viewers(stage, speaker, crowd or Crowd())
    return speaker


def machines(
    stage: Stage,
    *,
    looks: Looks | None = None,
    fails: float = HUMAN_FAILS,
    is_human: bool = True,
    person: bool = True,
) -> Machines:
    """Detectors, camera and the platform's challenges."""
    detectors = Detectors(stage, looks or Looks())
    Camera(stage, person=person)
    return Machines(detectors, Platform(stage, fails=fails, human=is_human))
