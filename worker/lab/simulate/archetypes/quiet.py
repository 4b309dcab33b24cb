"""An honest seller with few viewers, who is silent for minutes and misses some of the little that is asked."""

from worker.lab.simulate.archetype import Archetype, human
from worker.lab.simulate.hosts import Manner
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.viewers import Crowd

CROWD = Crowd(comments=0.8, branching=0.3, gifts=0.02, orders=0.05, likes=0.5)
MANNER = Manner(answers=0.6, delay_ms=12_000, delay_sigma=1.0, gap_ms=9_000, gap_sigma=1.0, breaks_per_hour=0.8)


def build(stage: Stage) -> None:
    human(stage, crowd=CROWD, manner=MANNER)


ARCHETYPE = Archetype(
    name="quiet",
    title="honest: few viewers, long silences",
    honest=True,
    platform="wechat_channels",
    build=build,
    viewers=6,
)
