"""Recordings, loops and empty chairs: rooms that no one hosts, or that a person leaves to a recording."""

from functools import partial

from worker.lab.simulate.archetype import Archetype, Sensors
from worker.lab.simulate.host_models import SECOND_VOICE, HostModel, leaves
from worker.lab.simulate.machines import Looks
from worker.lab.simulate.markers import frames
from worker.lab.simulate.stage import HOUR_MS, MINUTE_MS, Stage
from worker.lab.simulate.tapes import CuedTake, Recording, Take
from worker.lab.simulate.text import Speaker
from worker.lab.simulate.viewers import Crowd

FAILS = 0.97  # chance that an empty chair fails a challenge
UNATTENDED = Sensors(fails=FAILS, human=False)


def _tape(play: type[Take]) -> HostModel:
    """A recording that outlasts the broadcast, so nothing ever comes twice."""
    return lambda stage, goods, _: play(stage, Speaker(stage.rng("mind"), goods))


def _loop(first_segment: int, stage: Stage, speaker: Speaker) -> Recording:
    """The same recording again and again."""
    return Recording(stage, speaker, period_ms=stage.plan.loop_ms, first_segment=first_segment)


_unattended = partial(Archetype, platform="wechat_channels", sensors=UNATTENDED)
_looped = partial(
    _unattended,
    host=lambda stage, goods, _: _loop(0, stage, Speaker(stage.rng("mind"), goods)),
    expects=("WX-REPLAY-01",),
)

ROWS = (
    _looped(name="loop", title="recording in a loop", loop_ms=20 * MINUTE_MS),
    _looped(name="loop_45", title="recording of 45 min in a loop", loop_ms=45 * MINUTE_MS),
    _looped(name="loop_90", title="recording of 90 min in a loop", loop_ms=90 * MINUTE_MS),
    _unattended(name="one_pass", title="recording played once", host=_tape(Take)),
    # Bought viewers ask, on a schedule, just what it answers next: interaction that is none. No one answers real ones.
    _unattended(name="fed_recording", title="recording that bots ask what it answers", host=_tape(CuedTake)),
    Archetype(
        name="human_then_loop",
        title="a person, then a recording in a loop",
        platform="wechat_channels",
        expects=("WX-REPLAY-01",),
        host=leaves(partial(_loop, SECOND_VOICE), looks=Looks(), fails=FAILS),
        loop_ms=30 * MINUTE_MS,
        switch_ms=3 * HOUR_MS,
    ),
    Archetype(
        name="borrowed_sound",
        title="the sound of an embedded video",
        platform="kuaishou",
        expects=("KS-REPLAY-01",),
        host=None,
        sensors=None,
        markers=(frames(person_present=True, embedded_video_ratio=0.5, same_source_audio=True),),
    ),
    # The seller hides behind a picture over most of the screen and plays a recording instead of speaking.
    Archetype(
        name="covered_screen",
        title="recorded voice behind a cover",
        platform="tiktok_shop",
        expects=("TT-VOICE-01", "TT-COVER-01"),
        host=None,
        sensors=None,
        late_markers=(frames(person_present=True, cover_ratio=0.72, static_ratio=0.7, same_source_audio=True),),
        room_title="Deals live",
        region="US",
    ),
    # One of many phones in a dark room: nothing is said, no break declared.
    Archetype(
        name="empty",
        title="streams a shelf, nobody there",
        platform="wechat_channels",
        host=None,
        sensors=Sensors(looks=Looks(has_voice=False), person=False, fails=FAILS, human=False),
        crowd=Crowd(comments=3, branching=0.3, gifts=0.05, orders=0.1, likes=1),
        viewers=25,
    ),
)
