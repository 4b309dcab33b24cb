"""A labelled avatar that is registered, its user verified, and that nobody drives: registration is half of the rule."""

from worker.lab.simulate.archetype import Archetype
from worker.lab.simulate.archetypes.avatar_driven import label, registration
from worker.lab.simulate.archetypes.avatar_watermark import unattended_avatar
from worker.lab.simulate.stage import Stage


def build(stage: Stage) -> None:
    label(stage)
    registration(stage, registered=True, verified=True)
    unattended_avatar(stage)


ARCHETYPE = Archetype(
    name="avatar_undriven",
    title="avatar: registered, undriven",
    honest=False,
    platform="douyin",
    build=build,
    expects=("DY-DRIVE-01",),
)
