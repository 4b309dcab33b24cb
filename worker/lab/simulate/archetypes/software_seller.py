"""A real person who sells, and teaches, software for virtual hosts."""

from worker.lab.simulate import words
from worker.lab.simulate.archetype import Archetype, human
from worker.lab.simulate.stage import Stage


def build(stage: Stage) -> None:
    human(stage, special=words.SOFTWARE_SALES, special_share=0.35)


ARCHETYPE = Archetype(
    name="software_seller",
    title="sells virtual-host software",
    honest=False,
    platform="wechat_channels",
    build=build,
    expects=("WX-SOFT-01",),
    room_title="无人直播系统教学",
)
