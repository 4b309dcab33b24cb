"""A US room whose seller hides behind a picture over most of the screen and plays a recording instead of speaking."""

from worker.lab.simulate.archetype import Archetype, audience
from worker.lab.simulate.archetypes.kuaishou import frames
from worker.lab.simulate.stage import Stage


def build(stage: Stage) -> None:
    audience(stage)
    frames(stage, person_present=True, cover_ratio=0.72, static_ratio=0.7, same_source_audio=True)


ARCHETYPE = Archetype(
    name="covered_screen",
    title="recorded voice behind a cover",
    honest=False,
    platform="tiktok_shop",
    build=build,
    expects=("TT-VOICE-01", "TT-COVER-01"),
    room_title="Deals live",
    region="US",
)
