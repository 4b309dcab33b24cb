"""Scenes: many rooms at once, which share operators, addresses, devices or voices.

The rooms of a scene differ by seed. A scene of any size and length streams: one room costs some kilobytes, whatever
the number of hours.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from worker.lab.simulate import FULL, Event, Pace, Setting, Truth, at_ms_of, simulate, truth
from worker.lab.simulate.stage import HOUR_MS, MINUTE_MS

MIDNIGHT_MS = 1_772_467_200_000  # 2026-03-03 00:00 in Shanghai
MORNING_MS = 1_772_413_200_000  # 2026-03-02 09:00 in Shanghai


@dataclass(frozen=True)
class Member:
    """One room of a scene; it opens `opens_ms` after the scene does."""

    archetype: str
    seed: int
    opens_ms: int = 0
    setting: Setting = field(default_factory=Setting)


@dataclass(frozen=True)
class Scene:
    """Rooms that are live together. `cast` names them for a seed; `hours` is how long the scene lasts by default."""

    name: str
    title: str
    hours: float
    cast: Callable[[int], list[Member]]
    starts_ms: int = MORNING_MS

    def truths(self, seed: int) -> list[Truth]:
        """The truth about each room."""
        return [truth(member.archetype, member.seed) for member in self.cast(seed)]

    def play(self, seed: int, *, duration_ms: int | None = None, pace: Pace = FULL) -> Iterator[Event]:
        """All rooms' events in order of event time; every room runs until the scene ends."""
        length_ms = int(self.hours * HOUR_MS) if duration_ms is None else duration_ms
        return heapq.merge(
            *(
                simulate(
                    member.archetype,
                    member.seed,
                    duration_ms=length_ms - member.opens_ms,
                    started_at_ms=self.starts_ms + member.opens_ms,
                    setting=member.setting,
                    pace=pace,
                )
                for member in self.cast(seed)
                if member.opens_ms < length_ms
            ),
            key=at_ms_of,
        )


def _first(seed: int) -> int:
    """Seeds of a scene's rooms start there, so that two scenes share none."""
    return seed * 10_000


def _avatar_farm(seed: int) -> list[Member]:
    address = f"net-{seed}"
    return [
        Member(
            "farm_avatar",
            _first(seed) + i,
            setting=Setting(operator_id=f"farm-{seed}", ip_hash=address, voice=f"{seed}-{i % 4}"),
        )
        for i in range(40)
    ]


def _avatar_fleet(seed: int) -> list[Member]:
    kinds = ("scripted_avatar", "subtle_llm_avatar", "loop", "one_pass")
    return [
        Member(
            kinds[i % len(kinds)],
            _first(seed) + i,
            opens_ms=i * 100,
            setting=Setting(operator_id=f"fleet-{seed}-{i // 50}", ip_hash=f"net-{seed}-{i // 20}"),
        )
        for i in range(2_200)
    ]


def _official_rooms(seed: int) -> list[Member]:
    shared = Setting(
        operator_id=f"brand-{seed}", device_id=f"stage-{seed}", ip_hash=f"net-{seed}", brand_id=f"brand-{seed}"
    )
    return [Member("responsive", _first(seed) + i, opens_ms=i * 10_000, setting=shared) for i in range(12)]


def _strangers(seed: int) -> list[Member]:
    kinds = ("responsive", "quiet", "overloaded", "scripted_human", "on_break", "film")
    return [
        Member(
            kinds[i % len(kinds)],
            _first(seed) + i,
            opens_ms=i * 5_000,
            setting=Setting(
                operator_id=f"{seed}-{i}", device_id=f"{seed}-{i}", ip_hash=f"{seed}-{i}", voice=f"{seed}-{i}"
            ),
        )
        for i in range(60)
    ]


def _night_farm(seed: int) -> list[Member]:
    return [
        Member(
            "empty" if i % 3 else "loop",
            _first(seed) + i,
            opens_ms=i * 2 * MINUTE_MS,
            setting=Setting(operator_id=f"night-{seed}", device_id=f"phone-{seed}-{i}", ip_hash=f"net-{seed}"),
        )
        for i in range(60)
    ]


def _alone(archetype: str) -> Callable[[int], list[Member]]:
    return lambda seed: [Member(archetype, _first(seed))]


SCENES: dict[str, Scene] = {
    scene.name: scene
    for scene in (
        Scene("founder", "a founder's avatar before 20 million viewers", 1, _alone("founder_avatar")),
        Scene("six_avatars", "six avatars on stage beside their person", 2, _alone("six_avatars")),
        Scene("avatar_farm", "40 avatars, 4 voices, one address", 6, _avatar_farm),
        Scene("avatar_fleet", "2,200 avatars and recordings, a day long", 24, _avatar_fleet),
        Scene("official_rooms", "12 hosts of one brand, on its stages and its network", 2, _official_rooms),
        Scene("strangers", "60 honest hosts who share nothing but what they sell", 2, _strangers),
        Scene("night_farm", "60 phones in a dark room, from midnight on", 7, _night_farm, MIDNIGHT_MS),
    )
}
