"""An honest seller who says the same script all day, never quite the same way, and stops to answer."""

from worker.lab.simulate.archetype import Archetype, audience, machines
from worker.lab.simulate.hosts import Host, Manner, Script
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.text import Speaker


def build(stage: Stage) -> None:
    speaker = audience(stage)
    mind = Speaker(stage.rng("mind"), speaker.goods)
    machines(stage)
    Host(stage, mind, Manner(answers=0.6, breaks_per_hour=0.3), talk=Script(stage.rng("script"), mind))


ARCHETYPE = Archetype(
    name="scripted_human",
    title="honest: repeats a sales script",
    honest=True,
    platform="wechat_channels",
    build=build,
)
