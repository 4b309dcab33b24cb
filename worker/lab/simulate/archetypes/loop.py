"""A recording of a real host, played while nobody is there: 20, 45 or 90 min in a loop, or one long take."""

from worker.lab.simulate.archetype import Archetype, audience, machines
from worker.lab.simulate.hosts import Recording, Take
from worker.lab.simulate.stage import MINUTE_MS, Stage
from worker.lab.simulate.text import Speaker

FAILS = 0.97


def build(stage: Stage) -> None:
    """The same recording again and again."""
    Recording(stage, _nobody(stage), period_ms=stage.plan.loop_ms)


def build_once(stage: Stage) -> None:
    """A recording that outlasts the broadcast, so nothing ever comes twice."""
    Take(stage, _nobody(stage))


def _nobody(stage: Stage) -> Speaker:
    """Viewers before an empty chair; returns the voice of the recording."""
    speaker = audience(stage)
    machines(stage, fails=FAILS, is_human=False)
    return Speaker(stage.rng("mind"), speaker.goods)


def _archetype(name: str, title: str, minutes: int) -> Archetype:
    return Archetype(
        name=name,
        title=title,
        honest=False,
        platform="wechat_channels",
        build=build,
        expects=("WX-REPLAY-01",),
        loop_ms=minutes * MINUTE_MS,
    )


ARCHETYPE = _archetype("loop", "recording in a loop", 20)
LOOP_45 = _archetype("loop_45", "recording of 45 min in a loop", 45)
LOOP_90 = _archetype("loop_90", "recording of 90 min in a loop", 90)
ONE_PASS = Archetype(
    name="one_pass",
    title="recording played once",
    honest=False,
    platform="wechat_channels",
    build=build_once,
)
