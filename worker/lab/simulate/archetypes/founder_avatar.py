"""A founder's avatar, declared and with consent, before millions: 10 M viewers in 30 min, 100,000 orders in 40 min."""

from worker.lab.simulate.archetype import Archetype, audience, machines
from worker.lab.simulate.archetypes.avatar_driven import label, watermark
from worker.lab.simulate.archetypes.deepfake import likeness
from worker.lab.simulate.hosts import Host, Manner
from worker.lab.simulate.machines import Looks
from worker.lab.simulate.stage import MINUTE_MS, SECOND_MS, Stage
from worker.lab.simulate.text import Speaker

TALLY_MS = 10 * SECOND_MS
JOINED = 10_000_000 * TALLY_MS // (30 * MINUTE_MS)
ORDERS = 100_000 * TALLY_MS // (40 * MINUTE_MS)


def build(stage: Stage) -> None:
    """The avatar with label, watermark and consent; the crowd comes in tallies."""
    label(stage)
    stage.every(10 * MINUTE_MS, lambda: watermark(stage), first_ms=2 * MINUTE_MS)
    stage.every(10 * MINUTE_MS, lambda: likeness(stage, "founder", "granted"), first_ms=MINUTE_MS)
    stage.every(
        TALLY_MS,
        lambda: stage.emit("viewer.tally", span_ms=TALLY_MS, joined=JOINED, orders=ORDERS, liked=JOINED),
    )
    speaker = audience(stage)
    mind = Speaker(stage.rng("mind"), speaker.goods)
    machines(stage, looks=Looks(face=2.5, voice=0.5))
    Host(stage, mind, Manner(), talk=mind.talk)


ARCHETYPE = Archetype(
    name="founder_avatar",
    title="avatar: a founder's, declared",
    honest=True,
    declared=True,
    platform="jd",
    build=build,
    viewers=6_000_000,
    room_title="采销东哥数字人直播间",
)
