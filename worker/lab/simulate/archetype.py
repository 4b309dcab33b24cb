"""An archetype: one kind of room as a row of plain data, and how to put that row on a stage."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.lab.simulate.challenges import Platform
from worker.lab.simulate.host_models import HostModel, Machines, talks
from worker.lab.simulate.machines import Camera, Detectors, Looks
from worker.lab.simulate.markers import Marker
from worker.lab.simulate.stage import MINUTE_MS, Stage
from worker.lab.simulate.text import Speaker
from worker.lab.simulate.viewers import Crowd, Viewers
from worker.lab.simulate.words import Goods

HUMAN_FAILS = 0.03  # chance that a human host fails a challenge
A_PERSON = Looks()
TALKS = talks()
LIVELY = Crowd()


@dataclass(frozen=True, kw_only=True)
class Sensors:
    """How machines see a room; the default is a human before detectors, a camera and a platform that challenges.

    Attributes:
        looks: what detectors see; None where there are none.
        person: someone is in the frame, except during breaks.
        avatar_height_ratio: an avatar's share of the frame's height, where the camera measures one.
        fails: chance to fail a challenge, or how to draw it for a room; None where no one is challenged.
        human: challenges are failed in spells, as humans do.
        speaks: challenges that have to be said can be passed.
    """

    looks: Looks | None = A_PERSON
    person: bool = True
    avatar_height_ratio: float | None = None
    fails: Callable[[Stage], float] | float | None = HUMAN_FAILS
    human: bool = True
    speaks: bool = True


ALL_SENSORS = Sensors()


@dataclass(frozen=True, kw_only=True)
class Archetype:
    """One kind of room: a row of a table.

    Attributes:
        title: what it is, in a line.
        platform: where it streams unless told otherwise.
        honest: no rule must open, no family may reach LABEL.
        expects: rules of that platform of which each must open sooner or later.
        declared: an avatar that says so; the AI family may well know it.
        host: who or what sits before the camera; None for no one.
        sensors: how machines see it; None where none look.
        crowd: how lively viewers are.
        goods: what viewers talk about, where the seed's draw does not say it.
        markers: what the log reports on a schedule.
        late_markers: the same, put on the agenda after host and viewers: at equal event times they come second.
        viewers: usual size of the audience.
        room_title: what the room calls itself.
        region: where its host is, ISO 3166.
        loop_ms: length of the recording, where there is one.
        switch_ms: when the host leaves, counted from the start; 0 where no one does.
    """

    name: str
    title: str
    platform: str
    honest: bool = False
    expects: tuple[str, ...] = ()
    declared: bool = False
    host: HostModel | None = TALKS
    sensors: Sensors | None = ALL_SENSORS
    crowd: Crowd = LIVELY
    goods: Callable[[Stage], Goods] | None = None
    markers: tuple[Marker, ...] = ()
    late_markers: tuple[Marker, ...] = ()
    viewers: int = 120
    room_title: str = "好物分享"
    region: str = "CN"
    loop_ms: int = 20 * MINUTE_MS
    switch_ms: int = 0


def put_on_stage(archetype: Archetype, stage: Stage) -> None:
    """Put markers, viewers, machines and host on the stage; the order decides who comes first at equal event times."""
    for schedule in archetype.markers:
        schedule(stage)
    speaker = Speaker(stage.rng("crowd"), archetype.goods(stage) if archetype.goods else None)
    stage.category = speaker.goods.category
    Viewers(stage, speaker, archetype.crowd)
    machines = _install(archetype.sensors, stage)
    if archetype.host is not None:
        archetype.host(stage, speaker.goods, machines)
    for schedule in archetype.late_markers:
        schedule(stage)


def _install(sensors: Sensors | None, stage: Stage) -> Machines:
    """Put detectors, the camera and the platform's challenges on the stage."""
    if sensors is None:
        return Machines(None, None)
    detectors = None if sensors.looks is None else Detectors(stage, sensors.looks)
    Camera(stage, person=sensors.person, avatar_height_ratio=sensors.avatar_height_ratio)
    if sensors.fails is None:
        return Machines(detectors, None)
    fails = sensors.fails(stage) if callable(sensors.fails) else sensors.fails
    return Machines(detectors, Platform(stage, fails=fails, human=sensors.human, speaks=sensors.speaks))
