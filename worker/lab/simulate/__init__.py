"""Simulated rooms: an archetype and a seed give a room's log, event by event, and the truth about it beside it.

Everything here is synthetic. It shows that the detection works as designed, not how well it works on real rooms.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from worker.lab.simulate.archetype import put_on_stage
from worker.lab.simulate.archetypes import ARCHETYPES
from worker.lab.simulate.stage import FULL, PACES, SPARSE, Ask, Event, Pace, Plan, Setting, Stage

__all__ = [
    "ARCHETYPES", "FULL", "PACES", "SPARSE", "Ask", "Event", "Pace", "Setting", "Truth", "at_ms_of", "simulate",
    "truth",
]  # fmt: skip

STARTED_AT_MS = 1_772_413_200_000  # 2026-03-02 01:00 UTC, 09:00 in Shanghai


@dataclass(frozen=True)
class Truth:
    """What is true of a simulated room; kept apart from its log.

    `switch_ms` after the start the host leaves the room to a machine; 0 where the room is one thing all along.
    `declared` says that there is an avatar, and that the room says so.
    """

    room_id: str
    archetype: str
    title: str
    honest: bool
    expects: tuple[str, ...]
    seed: int
    switch_ms: int = 0
    declared: bool = False


def at_ms_of(event: Mapping[str, object]) -> int:
    """An event's time, Unix ms."""
    at_ms = event["at_ms"]
    assert isinstance(at_ms, int)
    return at_ms


def room_id_of(archetype: str, seed: int, platform: str | None = None) -> str:
    """The room id that `simulate` gives."""
    return f"{platform or ARCHETYPES[archetype].platform}:{archetype}-{seed}"


def truth(archetype: str, seed: int, *, platform: str | None = None, switch_ms: int | None = None) -> Truth:
    """The truth about the room of that archetype and seed."""
    found = ARCHETYPES[archetype]
    room_id = room_id_of(archetype, seed, platform)
    switched_ms = found.switch_ms if switch_ms is None else switch_ms
    return Truth(room_id, archetype, found.title, found.honest, found.expects, seed, switched_ms, found.declared)


def simulate(
    archetype: str,
    seed: int,
    *,
    duration_ms: int,
    started_at_ms: int = STARTED_AT_MS,
    platform: str | None = None,
    region: str | None = None,
    loop_ms: int | None = None,
    switch_ms: int | None = None,
    ends: bool = True,
    setting: Setting | None = None,
    pace: Pace = FULL,
    asked: Callable[[], Sequence[Ask]] | None = None,
) -> Iterator[Event]:
    """The log of one room, in order of event time, as it happens; equal arguments give equal logs.

    `platform` and `region` say where, if not where the archetype usually is.
    `loop_ms` is the length of a recording and `switch_ms` when a host leaves, both the archetype's own unless given;
    `setting` is what the room shares with others, `pace` how densely it is reported. `asked` gives what the
    platform was asked for since the last call, when somebody judges the events as they come; without it the platform
    asks as the policy says, knowing only its own challenges. Shops of even seeds have yet to move from
    视频号小店 to 微信小店.

    Raises:
        KeyError: no such archetype.
    """
    found = ARCHETYPES[archetype]
    stage = Stage(
        Plan(
            room_id=room_id_of(archetype, seed, platform),
            platform=platform or found.platform,
            started_at_ms=started_at_ms,
            duration_ms=duration_ms,
            seed=seed,
            region=region or found.region,
            title=found.room_title,
            viewers=found.viewers,
            shop_system="wechat_shop" if seed % 2 else "channels_shop",
            loop_ms=loop_ms or found.loop_ms,
            switch_ms=switch_ms or found.switch_ms,
            ends=ends,
            setting=setting or Setting(),
            pace=pace,
        ),
        asked,
    )
    put_on_stage(found, stage)
    return stage.run()
