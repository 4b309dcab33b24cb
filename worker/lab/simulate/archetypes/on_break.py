"""An honest seller who leaves for long, declared breaks: the room runs on, with nobody in the frame."""

from worker.lab.simulate.archetype import Archetype, human
from worker.lab.simulate.hosts import Manner
from worker.lab.simulate.stage import MINUTE_MS, Stage


def build(stage: Stage) -> None:
    human(stage, manner=Manner(breaks_per_hour=1.5, break_ms=(15 * MINUTE_MS, 40 * MINUTE_MS)))


ARCHETYPE = Archetype(
    name="on_break",
    title="honest: long declared breaks",
    honest=True,
    platform="wechat_channels",
    build=build,
)
