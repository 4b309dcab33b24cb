"""Kuaishou's frame: an avatar that keeps its ratios, one that does not, and a room that borrows a video's sound."""

from collections.abc import Callable

from worker.lab.simulate.archetype import Archetype, audience
from worker.lab.simulate.archetypes.avatar_driven import label, watermark
from worker.lab.simulate.hosts import Host, Manner
from worker.lab.simulate.stage import MINUTE_MS, SECOND_MS, Stage
from worker.lab.simulate.text import Speaker

FLEET = 2_200  # avatars that the platform's own system runs around the clock


def frames(stage: Stage, **fields: object) -> None:
    """The same measurement of the picture every 30 s."""
    stage.every(30 * SECOND_MS, lambda: stage.emit("frame.measured", **fields))


def _avatar(stage: Stage, **ratios: float) -> None:
    """A labelled avatar that answers."""
    label(stage)
    stage.every(10 * MINUTE_MS, lambda: watermark(stage), first_ms=MINUTE_MS)
    frames(stage, person_present=True, **ratios)
    speaker = audience(stage)
    mind = Speaker(stage.rng("mind"), speaker.goods)
    Host(stage, mind, Manner(), talk=mind.talk)


def _compliant(stage: Stage) -> None:
    _avatar(stage, avatar_height_ratio=0.62, embedded_video_ratio=0.3)
    stage.after(
        4 * MINUTE_MS,
        lambda: stage.emit(
            "fleet.matched", kind="operator", identity="platform-avatars", rooms=[], size=FLEET, permitted=True
        ),
    )


def _small(stage: Stage) -> None:
    _avatar(stage, avatar_height_ratio=0.38, embedded_video_ratio=0.45)


def _borrowed_sound(stage: Stage) -> None:
    frames(stage, person_present=True, embedded_video_ratio=0.5, same_source_audio=True)
    audience(stage)


def _archetype(name: str, title: str, build: Callable[[Stage], None], *rules: str) -> Archetype:
    return Archetype(name=name, title=title, honest=False, platform="kuaishou", build=build, expects=rules)


COMPLIANT = _archetype("avatar_compliant", "avatar: keeps every rule, no boost", _compliant, "KS-TRAFFIC-01")
SMALL = _archetype("avatar_small", "avatar: too small in the frame", _small, "KS-FRAME-01", "KS-TRAFFIC-01")
BORROWED_SOUND = _archetype("borrowed_sound", "the sound of an embedded video", _borrowed_sound, "KS-REPLAY-01")
