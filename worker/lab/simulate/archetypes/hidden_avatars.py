"""Unlabelled avatars that detectors see only in part: a third of the looks at the face, half of those at the voice.

A script read out; a language model that answers; one that is made to slip past detectors; and one beside which a person
waits to answer challenges. Shares of looks and chances to fail are those of `evaluate.design`'s study.
"""

from collections.abc import Callable

from worker.lab.simulate.archetype import Archetype, audience, machines
from worker.lab.simulate.archetypes import avatar_watermark, llm_avatar
from worker.lab.simulate.hosts import Host, Manner
from worker.lab.simulate.machines import Looks
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.text import Speaker

SEEN = Looks(face=1.2, voice=1.7)  # 33 % and 52 % of looks above the human 95 % rank
EVASIVE = Looks(face=0.61, voice=0.97)  # 15 % and 25 %
RULES = ("WX-AVATAR-01", "CN-LABEL-01")


def avatar(stage: Stage, *, looks: Looks, fails: float, manner: Manner) -> None:
    """An avatar before viewers; challenges are failed with probability `fails`."""
    speaker = audience(stage)
    mind = Speaker(stage.rng("mind"), speaker.goods)
    machines(stage, looks=looks, fails=fails, is_human=False)
    Host(stage, mind, manner, talk=mind.talk)


def fails_of(stage: Stage) -> float:
    """How often this room's language model fails a challenge: rooms differ."""
    return stage.rng("luck").uniform(0.5, 0.9)


def _archetype(name: str, title: str, build: Callable[[Stage], object], expects: tuple[str, ...] = RULES) -> Archetype:
    return Archetype(name=name, title=title, honest=False, platform="wechat_channels", build=build, expects=expects)


SCRIPTED = _archetype("scripted_avatar", "avatar: reads a script", avatar_watermark.unattended_avatar)
SUBTLE = _archetype(
    "subtle_llm_avatar",
    "avatar: language model, hard to see",
    lambda stage: avatar(stage, looks=SEEN, fails=fails_of(stage), manner=llm_avatar.MANNER),
)
EVASIVE_LLM = _archetype(
    "evasive_llm_avatar",
    "avatar: language model, evades detectors",
    lambda stage: avatar(stage, looks=EVASIVE, fails=0.6, manner=llm_avatar.MANNER),
    expects=(),
)
STANDBY = _archetype(
    "standby",
    "avatar: a person stands by",
    lambda stage: avatar(stage, looks=SEEN, fails=0.10, manner=llm_avatar.MANNER),
)
