"""Six avatars on stage beside the person whom they copy: declared, with consent, and the person answers viewers."""

from worker.lab.simulate.archetype import Archetype, human
from worker.lab.simulate.archetypes.avatar_driven import label, watermark
from worker.lab.simulate.archetypes.deepfake import likeness
from worker.lab.simulate.stage import MINUTE_MS, SECOND_MS, Stage

AVATARS = 6


def build(stage: Stage) -> None:
    """A human host; on the same stage six avatars, each read in its turn."""
    label(stage)
    stage.every(10 * MINUTE_MS, lambda: watermark(stage), first_ms=MINUTE_MS)
    for i in range(AVATARS):
        first_ms = 2 * MINUTE_MS + i * 10 * SECOND_MS
        stage.every(15 * MINUTE_MS, lambda: likeness(stage, "host-of-the-room", "granted"), first_ms=first_ms)
    stage.after(
        3 * MINUTE_MS,
        lambda: stage.emit(
            "fleet.matched", kind="face", identity="host-of-the-room", rooms=[], size=AVATARS, permitted=True
        ),
    )
    human(stage)


ARCHETYPE = Archetype(
    name="six_avatars",
    title="six avatars beside their person",
    honest=True,
    platform="taobao",
    build=build,
    viewers=40_000,
    room_title="本人和六个数字人同台",
)
