"""One room of an avatar farm: the voice, its goods and its script are shared with other rooms of the farm."""

from random import Random

from worker.lab.simulate.archetype import Archetype, audience, machines
from worker.lab.simulate.archetypes.avatar_watermark import MANNER
from worker.lab.simulate.archetypes.hidden_avatars import RULES, SEEN
from worker.lab.simulate.hosts import Host, Script
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.text import Speaker


def build(stage: Stage) -> None:
    """An avatar that reads its voice's script, in an order of its own."""
    voice = Speaker(Random(f"voice/{stage.plan.setting.voice or stage.plan.room_id}"))
    script = Script(stage.rng("order"), voice)
    audience(stage, goods=voice.goods)
    machines(stage, looks=SEEN, fails=0.9, is_human=False)
    Host(stage, Speaker(stage.rng("mind"), voice.goods), MANNER, talk=script)


ARCHETYPE = Archetype(
    name="farm_avatar",
    title="avatar: one of a farm",
    honest=False,
    platform="wechat_channels",
    build=build,
    expects=RULES,
)
