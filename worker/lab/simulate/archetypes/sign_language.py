"""A deaf host: no speech at all; answers are signed, and the challenges are ones that hands can do."""

from worker.lab.simulate.archetype import HUMAN_FAILS, Archetype, audience
from worker.lab.simulate.asking import Platform
from worker.lab.simulate.hosts import Host, Manner
from worker.lab.simulate.machines import Camera, Detectors, Looks
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.text import Speaker
from worker.lab.simulate.viewers import Crowd


def build(stage: Stage) -> None:
    speaker = audience(stage, Crowd(comments=8, branching=0.4))
    Detectors(stage, Looks(has_voice=False))
    Camera(stage)
    Platform(stage, fails=HUMAN_FAILS, human=True, speaks=False)
    Host(stage, Speaker(stage.rng("mind"), speaker.goods), Manner(medium="sign", delay_ms=8_000))


ARCHETYPE = Archetype(
    name="sign_language",
    title="honest: signs and never speaks",
    honest=True,
    platform="douyin",
    build=build,
    room_title="手语直播间",
)
