"""An honest seller before a crowd: 10⁴ comments a minute, most of them tallied; hardly one in fifty is answered."""

from worker.lab.simulate.archetype import Archetype, human
from worker.lab.simulate.hosts import Manner
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.viewers import Crowd

CROWD = Crowd(comments=70, branching=0.8, gifts=6, orders=10, likes=12, tallied_comments=10_000)
MANNER = Manner(answers=0.3, thanks=0.3, delay_ms=5_000)


def build(stage: Stage) -> None:
    human(stage, crowd=CROWD, manner=MANNER)


ARCHETYPE = Archetype(
    name="overloaded",
    title="honest: 10,000 comments a minute",
    honest=True,
    platform="douyin",
    build=build,
    viewers=400_000,
)
