"""A person opens the room, and after three hours leaves it to a machine: to an avatar, or to a recording."""

from worker.lab.simulate.archetype import Archetype, Machines, audience, machines
from worker.lab.simulate.archetypes import llm_avatar, loop
from worker.lab.simulate.archetypes.hidden_avatars import RULES, SEEN, fails_of
from worker.lab.simulate.hosts import Host, Manner, Recording
from worker.lab.simulate.machines import Looks
from worker.lab.simulate.stage import HOUR_MS, MINUTE_MS, Stage
from worker.lab.simulate.text import Speaker

SWITCH_MS = 3 * HOUR_MS
SECOND_VOICE = 1_000_000  # number of the first segment after the switch


def _person(stage: Stage) -> tuple[Host, Machines, Speaker]:
    speaker = audience(stage)
    mind = Speaker(stage.rng("mind"), speaker.goods)
    seen = machines(stage)
    return Host(stage, mind, Manner(), talk=mind.talk), seen, Speaker(stage.rng("machine"), speaker.goods)


def _leave(stage: Stage, host: Host, seen: Machines, looks: Looks, fails: float) -> None:
    host.leave()
    stage.resume()
    seen.detectors.show(looks)
    seen.platform.become(fails=fails, human=False)


def to_avatar(stage: Stage) -> None:
    """The person's place is taken by an avatar that answers."""
    host, seen, mind = _person(stage)

    def switch() -> None:
        _leave(stage, host, seen, SEEN, fails_of(stage))
        Host(stage, mind, llm_avatar.MANNER, talk=mind.talk, first_segment=SECOND_VOICE)

    stage.after(stage.plan.switch_ms, switch)


def to_loop(stage: Stage) -> None:
    """The person's place is taken by a recording, over and over."""
    host, seen, mind = _person(stage)

    def switch() -> None:
        _leave(stage, host, seen, Looks(), loop.FAILS)
        Recording(stage, mind, period_ms=stage.plan.loop_ms, first_segment=SECOND_VOICE)

    stage.after(stage.plan.switch_ms, switch)


TO_AVATAR = Archetype(
    name="human_then_avatar",
    title="a person, then a language model's avatar",
    honest=False,
    platform="wechat_channels",
    build=to_avatar,
    expects=RULES,
    switch_ms=SWITCH_MS,
)
TO_LOOP = Archetype(
    name="human_then_loop",
    title="a person, then a recording in a loop",
    honest=False,
    platform="wechat_channels",
    build=to_loop,
    expects=("WX-REPLAY-01",),
    loop_ms=30 * MINUTE_MS,
    switch_ms=SWITCH_MS,
)
