"""The stage of one simulated room: a clock, an agenda, and the log that comes out.

A discrete-event simulation: actors put actions on the agenda; the stage runs them in order of event time and yields
what they emit. Equal seeds give equal logs, to the byte: each actor draws from a generator of its own, seeded by
room and name, so adding an actor does not change what the others do.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from worker.lab.simulate.text import Comment

if TYPE_CHECKING:
    from _typeshed import SupportsLenAndGetItem

Event = dict[str, object]
T = TypeVar("T")
SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


class Ask(NamedTuple):
    """What the platform is asked for: `challenge` or `sample_more`, of which kinds, and until when (event time, ms)."""

    action: str
    kinds: tuple[str, ...]
    until_ms: int


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What rooms may share: an operator, a device, an address, the voice (with its script) that speaks, and the brand
    whose official rooms they are, which the registry knows and a room's descriptor does not show."""

    operator_id: str = ""
    device_id: str = ""
    ip_hash: str = ""
    voice: str = ""
    brand_id: str = ""

    def descriptor(self) -> dict[str, str]:
        """The fields that a room's descriptor shows; those that are unknown are left out."""
        known = {"operator_id": self.operator_id, "device_id": self.device_id, "ip_hash": self.ip_hash}
        return {name: value for name, value in known.items() if value}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How densely a room is reported and how much goes on in it; the default is a lively room seen by every detector.

    Attributes:
        heartbeat_ms, frame_ms, look_ms: between two heartbeats, measurements of the frame, looks of a detector.
        chat: factor on the rate of comments.
        gap_ms: the least median pause between two things that a host says.
        poll_ms: how often the platform looks at what the worker asks for.
        noise: likes, joins and leaves come one by one; they count, and weigh nothing.
    """

    heartbeat_ms: int = 20_000
    frame_ms: int = 30_000
    look_ms: int = 10_000
    chat: float = 1.0
    gap_ms: int = 0
    poll_ms: int = 2_000
    noise: bool = True


FULL = Pace()
SPARSE = Pace(
    heartbeat_ms=60_000, frame_ms=60_000, look_ms=30_000, chat=0.35, gap_ms=18_000, poll_ms=10_000, noise=False
)
"""A third of the events, enough of each kind for every signal: 10 looks, 5 prompts and 10 segments in a block."""
THIN = Pace(
    heartbeat_ms=120_000, frame_ms=300_000, look_ms=120_000, chat=0.05, gap_ms=25_000, poll_ms=30_000, noise=False
)
"""A seventh: too few to judge by, enough to fill every part of a room's state, for days of many rooms."""
PACES = {"full": FULL, "sparse": SPARSE, "thin": THIN}


def host_of(room_id: str) -> str:
    """The host of a room; each room has its own."""
    return f"h-{room_id}"[:64]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Who streams where, and for how long. Times in ms; `viewers` is the usual size of the audience."""

    room_id: str
    platform: str
    started_at_ms: int
    duration_ms: int
    seed: int
    region: str = "CN"
    title: str = "好物分享"
    selling: bool = True
    shop_system: str = "wechat_shop"
    viewers: int = 120
    loop_ms: int = 20 * MINUTE_MS  # length of the recording, where there is one
    switch_ms: int = 0  # when the host leaves, counted from the start, where one does
    setting: Setting = field(default_factory=Setting)
    pace: Pace = FULL
    ends: bool = True

    @property
    def host_id(self) -> str:
        return host_of(self.room_id)

    @property
    def session_id(self) -> str:
        return f"s-{self.room_id}-{self.started_at_ms // 1000}"[:64]


class Dice(Random):
    """Python's generator: the same numbers for a seed, drawn with fewer calls (a third of a simulated room)."""

    def choice(self, seq: SupportsLenAndGetItem[T]) -> T:
        """One of `seq`, which is not empty."""
        return seq[self._below(len(seq))]

    def randint(self, a: int, b: int) -> int:
        """A whole number in [a, b]."""
        return a + self._below(b - a + 1)

    def _below(self, n: int) -> int:
        """A whole number in [0, n): bits, again until they are below."""
        bits = n.bit_length()
        draw = self.getrandbits(bits)
        while draw >= n:
            draw = self.getrandbits(bits)
        return draw


class Stage:
    """Clock, agenda and log of one room. Actors subscribe to `on_comment`, `on_gift`, `on_sample_more`.

    `asked` tells what the platform was asked for since the last call, if anybody judges the room. `on_sample_more` is
    told until when.
    """

    def __init__(self, plan: Plan, asked: Callable[[], Sequence[Ask]] | None = None) -> None:
        self.plan = plan
        self.asked = asked
        self.now_ms = plan.started_at_ms
        self.end_ms = plan.started_at_ms + plan.duration_ms
        self.paused = False
        self.title = plan.title
        self.category = ""
        self.on_comment: list[Callable[[str, Comment], None]] = []
        self.on_gift: list[Callable[[str], None]] = []
        self.on_sample_more: list[Callable[[int], None]] = []
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._emitted: list[Event] = []
        self._events = 0
        self._session_id = plan.session_id
        self._id_prefix = f"{plan.room_id[-40:]}."
        self._host_shop: Event = {
            "platform": plan.platform,
            "region": plan.region,
            "host_id": plan.host_id,
            "shop_ids": [{"system": plan.shop_system, "id": f"shop-{plan.room_id}"[:64]}] if plan.selling else [],
            "selling": plan.selling,
        }

    def rng(self, actor: str) -> Random:
        """The generator of one actor."""
        return Dice(f"{self.plan.seed}/{self.plan.room_id}/{actor}")

    def after(self, delay_ms: float, action: Callable[[], None]) -> None:
        """Run `action` in `delay_ms` (at least 1) of event time; never after the end of the broadcast."""
        delay = int(delay_ms)
        at_ms = self.now_ms + (delay if delay > 1 else 1)
        if at_ms < self.end_ms:
            heapq.heappush(self._agenda, (at_ms, self._order, action))
            self._order += 1

    def every(self, period_ms: int, action: Callable[[], None], *, first_ms: int | None = None) -> None:
        """Run `action` each `period_ms`, the first time in `first_ms` (default: one period)."""

        def again() -> None:
            action()
            self.after(period_ms, again)

        self.after(period_ms if first_ms is None else first_ms, again)

    def emit(self, kind: str, /, **fields: object) -> None:
        """Write one event into the log, now."""
        self._emitted.append(
            {
                "type": kind,
                "id": f"{self._id_prefix}{self._events}",
                "room_id": self.plan.room_id,
                "at_ms": self.now_ms,
                "session_id": self._session_id,
                **fields,
            }
        )
        self._events += 1

    def pause(self, length_ms: float, reason: str = "休息一下") -> None:
        """The host declares a break of `length_ms`."""
        if self.paused:
            return
        self.paused = True
        self.emit("room.paused", reason=reason)
        self.after(length_ms, self.resume)

    def resume(self) -> None:
        """The break is over, if there is one."""
        if not self.paused:
            return
        self.paused = False
        self.emit("room.resumed")

    def _descriptor(self) -> Event:
        plan = self.plan
        return {
            **self._host_shop,
            "category": self.category,
            "title": self.title,
            "started_at_ms": plan.started_at_ms,
            **plan.setting.descriptor(),
        }

    def _heartbeat(self, rng: Random) -> None:
        viewers = int(self.plan.viewers * rng.uniform(0.8, 1.25))
        self.emit("room.heartbeat", **self._descriptor(), viewers=viewers, paused=self.paused)

    def run(self) -> Iterator[Event]:
        """The room's events, in order of event time. Can be run once."""
        rng = self.rng("gateway")
        self.emit("room.opened", **self._descriptor())
        period_ms = self.plan.pace.heartbeat_ms
        self.every(period_ms, lambda: self._heartbeat(rng), first_ms=rng.randint(1, period_ms))
        yield from self._drain()
        agenda, pop = self._agenda, heapq.heappop
        while agenda:
            self.now_ms, _, action = pop(agenda)
            action()
            if self._emitted:
                yield from self._drain()
        self.now_ms = self.end_ms
        if self.plan.ends:
            self.emit("room.closed", reason="下播")
            yield from self._drain()

    def _drain(self) -> list[Event]:
        out, self._emitted = self._emitted, []
        return out
