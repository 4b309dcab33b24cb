"""A real host whose audience is bought: bots copy a few questions, which the host has long stopped to answer."""

from worker.lab.simulate.archetype import Archetype, human
from worker.lab.simulate.hosts import Manner
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.viewers import Crowd

CROWD = Crowd(comments=6, branching=0.3, copied=("怎么拍呀", "已经下单了", "还有库存吗", "质量真不错"), bots=40)


def build(stage: Stage) -> None:
    human(stage, crowd=CROWD, manner=Manner(answers=0.8))


ARCHETYPE = Archetype(
    name="bot_viewers",
    title="honest: before bought viewers",
    honest=True,
    platform="douyin",
    build=build,
    viewers=900,
)
