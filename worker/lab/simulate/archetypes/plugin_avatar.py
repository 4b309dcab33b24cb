"""An avatar made with a plug-in for small sellers: few viewers, a script, GB 45438 metadata that says what it is."""

from worker.lab.simulate.archetype import Archetype, audience
from worker.lab.simulate.archetypes.avatar_watermark import MANNER
from worker.lab.simulate.hosts import Host
from worker.lab.simulate.machines import Camera
from worker.lab.simulate.stage import MINUTE_MS, Stage
from worker.lab.simulate.text import Speaker
from worker.lab.simulate.viewers import Crowd

CROWD = Crowd(comments=2, branching=0.3, gifts=0.05, orders=0.1, likes=1)
AIGC = {"Label": "1", "ContentProducer": "plugin", "ProduceID": "0"}


def build(stage: Stage) -> None:
    """The script, and the metadata of its picture read every 10 min."""
    speaker = audience(stage, CROWD)
    mind = Speaker(stage.rng("mind"), speaker.goods)
    Camera(stage)
    Host(stage, mind, MANNER, talk=mind.talk)
    stage.every(
        10 * MINUTE_MS,
        lambda: stage.emit("provenance.read", source="gb45438", trusted=True, tampered=False, aigc=AIGC),
        first_ms=2 * MINUTE_MS,
    )


ARCHETYPE = Archetype(
    name="plugin_avatar",
    title="avatar: made with a plug-in",
    honest=False,
    platform="wechat_channels",
    build=build,
    expects=("WX-AVATAR-01", "CN-LABEL-01"),
    viewers=30,
)
