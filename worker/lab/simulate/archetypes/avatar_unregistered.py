"""A labelled avatar that was never registered, and that nobody drives."""

from worker.lab.simulate.archetype import Archetype
from worker.lab.simulate.archetypes.avatar_driven import label, registration
from worker.lab.simulate.archetypes.avatar_watermark import unattended_avatar
from worker.lab.simulate.stage import Stage


def build(stage: Stage) -> None:
    label(stage)
    registration(stage, registered=False, verified=False)
    unattended_avatar(stage)


ARCHETYPE = Archetype(
    name="avatar_unregistered",
    title="avatar: unregistered, undriven",
    honest=False,
    platform="douyin",
    build=build,
    expects=("DY-REG-01", "DY-DRIVE-01"),
)
