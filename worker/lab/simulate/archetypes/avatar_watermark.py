"""An avatar that reads a script, unlabelled, with the generator's watermark still in the picture."""

from worker.lab.simulate.archetype import Archetype, audience, machines
from worker.lab.simulate.archetypes.avatar_driven import watermark
from worker.lab.simulate.hosts import Host, Manner
from worker.lab.simulate.machines import Looks
from worker.lab.simulate.stage import MINUTE_MS, Stage
from worker.lab.simulate.text import Speaker

MANNER = Manner(answers=0.05, thanks=0.0, reports_reply=0.0, breaks_per_hour=0.0, gap_ms=700, gap_sigma=0.2)


def build(stage: Stage) -> None:
    """The unattended avatar, and its watermark read every 5 min."""
    unattended_avatar(stage)
    stage.every(5 * MINUTE_MS, lambda: watermark(stage), first_ms=3 * MINUTE_MS)


def unattended_avatar(stage: Stage) -> None:
    """An avatar with nobody behind it: detectors see it, challenges find nobody, viewers hear no answer."""
    speaker = audience(stage)
    mind = Speaker(stage.rng("mind"), speaker.goods)
    machines(stage, looks=Looks(face=1.2, voice=1.7), fails=0.9, is_human=False)
    Host(stage, mind, MANNER, talk=mind.talk)


ARCHETYPE = Archetype(
    name="avatar_watermark",
    title="avatar: unlabelled, watermarked",
    honest=False,
    platform="wechat_channels",
    build=build,
    expects=("WX-AVATAR-01", "CN-LABEL-01"),
)
