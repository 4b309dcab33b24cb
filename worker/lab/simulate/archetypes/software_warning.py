"""An honest seller who warns against virtual-host software, again and again, in its own words."""

from worker.lab.simulate import words
from worker.lab.simulate.archetype import Archetype, human
from worker.lab.simulate.stage import Stage


def build(stage: Stage) -> None:
    human(stage, special=words.SOFTWARE_WARNINGS, special_share=0.08)


ARCHETYPE = Archetype(
    name="software_warning",
    title="honest: warns against such software",
    honest=True,
    platform="wechat_channels",
    build=build,
)
