"""An avatar whose words a language model makes: it answers nearly everything within seconds, fails challenges."""

from worker.lab.simulate.archetype import Archetype, audience, machines
from worker.lab.simulate.hosts import Host, Manner
from worker.lab.simulate.machines import Looks
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.text import Speaker

MANNER = Manner(answers=0.95, thanks=0.95, delay_ms=1_500, delay_sigma=0.3, breaks_per_hour=0.0, gap_sigma=0.2)


def build(stage: Stage) -> None:
    speaker = audience(stage)
    mind = Speaker(stage.rng("mind"), speaker.goods)
    machines(stage, looks=Looks(face=2.2, voice=2.5), fails=0.75, is_human=False)
    Host(stage, mind, MANNER, talk=mind.talk)


ARCHETYPE = Archetype(
    name="llm_avatar",
    title="avatar: language model answers",
    honest=False,
    platform="wechat_channels",
    build=build,
    expects=("WX-AVATAR-01", "CN-LABEL-01"),
)
