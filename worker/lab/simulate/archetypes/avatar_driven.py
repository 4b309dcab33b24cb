"""A declared avatar: labelled from the start, registered, its verified user drives it live and answers."""

from worker.lab.simulate.archetype import HUMAN_FAILS, Archetype, audience
from worker.lab.simulate.asking import Platform
from worker.lab.simulate.hosts import Host, Manner
from worker.lab.simulate.machines import Camera, Detectors, Looks
from worker.lab.simulate.stage import MINUTE_MS, SECOND_MS, Stage
from worker.lab.simulate.text import Speaker

LABEL_EVERY_MS = 5 * MINUTE_MS


def build(stage: Stage) -> None:
    """An avatar with label, registration, watermark, and a person behind it."""
    label(stage)
    registration(stage, registered=True, verified=True)
    stage.every(10 * MINUTE_MS, lambda: watermark(stage))
    speaker = audience(stage)
    mind = Speaker(stage.rng("mind"), speaker.goods)
    Detectors(stage, Looks(face=2.5, voice=0.5))
    Camera(stage, avatar_height_ratio=0.62)
    Platform(stage, fails=HUMAN_FAILS, human=True)
    Host(stage, mind, Manner(), talk=mind.talk)


def label(stage: Stage) -> None:
    """A label on screen from the first second on, reported again every 5 min."""

    def show() -> None:
        stage.emit("label.state", kind="digital_human", visible=True, by="host", area_ratio=0.06)

    stage.every(LABEL_EVERY_MS, show, first_ms=1)


def registration(stage: Stage, *, registered: bool, verified: bool) -> None:
    """What the registry says, a few seconds after the opening."""
    stage.after(
        5 * SECOND_MS,
        lambda: stage.emit(
            "registration.state",
            host_id=stage.plan.host_id,
            avatar_registered=registered,
            driver_verified=verified,
            likeness_consent=registered,
            registry_offset=stage.plan.seed % 1000,
        ),
    )


def watermark(stage: Stage) -> None:
    """A generator's watermark was found on the presenter."""
    stage.emit("watermark.read", scheme="synthid", detector="wm-audit", outcome="detected", score=0.97)


ARCHETYPE = Archetype(
    name="avatar_driven",
    title="avatar: labelled, registered, driven",
    honest=True,
    declared=True,
    platform="douyin",
    build=build,
    room_title="数字人直播间",
)
