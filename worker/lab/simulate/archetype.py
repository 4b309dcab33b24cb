"""An archetype: one kind of room, and how to put it on a stage."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.lab.simulate.hosts import Host, Manner
from worker.lab.simulate.machines import Camera, Detectors, Looks, Platform
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.text import Speaker
from worker.lab.simulate.viewers import Crowd, Viewers

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


def audience(stage: Stage, crowd: Crowd | None = None) -> Speaker:
    """Viewers who talk about one kind of goods; returns their voice."""
    speaker = Speaker(stage.rng("crowd"))
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
) -> None:
    """Detectors, camera and the platform's challenges."""
    Detectors(stage, looks or Looks())
    Camera(stage, person=person)
    Platform(stage, fails=fails, human=is_human)
