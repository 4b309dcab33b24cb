"""An honest seller who answers most of what viewers ask."""

from worker.lab.simulate.archetype import Archetype, human

ARCHETYPE = Archetype(
    name="responsive",
    title="honest: answers viewers",
    honest=True,
    platform="wechat_channels",
    build=human,
)
