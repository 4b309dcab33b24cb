"""A recording of a real host, played over and over while nobody is there."""

from worker.lab.simulate.archetype import Archetype, audience, machines
from worker.lab.simulate.hosts import Recording
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.text import Speaker


def build(stage: Stage) -> None:
    speaker = audience(stage)
    machines(stage, fails=0.97, is_human=False)
    Recording(stage, Speaker(stage.rng("mind"), speaker.goods), period_ms=stage.plan.loop_ms)


ARCHETYPE = Archetype(
    name="loop",
    title="recording in a loop",
    honest=False,
    platform="wechat_channels",
    build=build,
    expects=("WX-REPLAY-01",),
)
