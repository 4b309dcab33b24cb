"""One of many phones in a dark room: it streams a shelf, nobody is there, nothing is said, no break declared."""

from worker.lab.simulate.archetype import Archetype, audience, machines
from worker.lab.simulate.machines import Looks
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.viewers import Crowd


def build(stage: Stage) -> None:
    audience(stage, Crowd(comments=3, branching=0.3, gifts=0.05, orders=0.1, likes=1))
    machines(stage, looks=Looks(has_voice=False), fails=0.97, is_human=False, person=False)


ARCHETYPE = Archetype(
    name="empty",
    title="streams a shelf, nobody there",
    honest=False,
    platform="wechat_channels",
    build=build,
    viewers=25,
)
