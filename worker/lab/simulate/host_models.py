"""Who or what sits before the camera of a simulated room: each model puts one kind of host on the stage.

A table of archetypes names a model in the field `host`. A model draws only from generators of its own.
"""

from collections.abc import Callable
from typing import NamedTuple

from worker.lab.simulate.challenges import Platform
from worker.lab.simulate.hosts import Host, Manner, Script
from worker.lab.simulate.machines import Detectors, Looks
from worker.lab.simulate.stage import Stage
from worker.lab.simulate.text import Speaker
from worker.lab.simulate.words import Goods

USUAL = Manner()
SECOND_VOICE = 1_000_000  # number of the first segment after a switch


class Machines(NamedTuple):
    """What has to be told when someone else takes the place before the camera; None where the room lacks it."""

    detectors: Detectors | None
    platform: Platform | None


HostModel = Callable[[Stage, Goods, Machines], object]
"""Puts a host on the stage who sells the goods that viewers talk about."""
Person = Callable[[Stage, Goods, Machines], Host]
"""A model whose host can be told to be quiet."""


def talks(manner: Manner = USUAL, special: tuple[str, ...] = (), special_share: float = 0.0) -> Person:
    """A host who talks and answers; a share of the segments has a clause from `special`."""

    def enter(stage: Stage, goods: Goods, _: Machines) -> Host:
        mind = Speaker(stage.rng("mind"), goods)
        return Host(stage, mind, manner, talk=lambda: mind.talk(special, special_share))

    return enter


def signs(manner: Manner) -> HostModel:
    """A host who says nothing and only answers."""
    return lambda stage, goods, _: Host(stage, Speaker(stage.rng("mind"), goods), manner)


def repeats_script(manner: Manner) -> HostModel:
    """A host who says the same script all day, never quite the same way, and stops to answer."""

    def enter(stage: Stage, goods: Goods, _: Machines) -> Host:
        mind = Speaker(stage.rng("mind"), goods)
        return Host(stage, mind, manner, talk=Script(stage.rng("script"), mind))

    return enter


def leaves(
    then: Callable[[Stage, Speaker], object], *, looks: Looks, fails: Callable[[Stage], float] | float
) -> HostModel:
    """A person who leaves `switch_ms` after the start; `then` puts a machine in that place.

    Detectors see `looks` from then on, and challenges are failed with probability `fails`.
    """

    def enter(stage: Stage, goods: Goods, machines: Machines) -> None:
        mind = Speaker(stage.rng("mind"), goods)
        person = Host(stage, mind, USUAL, talk=mind.talk)
        voice = Speaker(stage.rng("machine"), goods)

        def switch() -> None:
            person.leave()
            stage.resume()
            if machines.detectors is not None:
                machines.detectors.show(looks)
            if machines.platform is not None:
                machines.platform.become(fails=fails(stage) if callable(fails) else fails, human=False)
            then(stage, voice)

        stage.after(stage.plan.switch_ms, switch)

    return enter
