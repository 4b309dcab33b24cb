"""What a room costs in memory: resident bytes a room, over many rooms of one kind, each kind in a process of its own.

    python -m tests.bench.memory [ROOMS]

A quiet room sees heartbeats, frames and a question now and then; a speaking one has been talking for half an hour, is
asked and looked at; then the same after ninety minutes, when the speech ring is full; one has everything at once,
floods of comments and all six families too; the last is the one with a full ring, after its close. Rooms are lived
through once and then multiplied through their snapshots, so no two share anything. They are kept as the engine keeps
them, in a store that was flushed: a room in which little happens, or whose session has ended, rests as bytes.
"""

import gc
import os
import subprocess
import sys
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.audit.build import SECOND, T0, a_room, ask, beats, ev, in_time, say
from tests.audit.rooms import random_log, sentence
from worker.audit import events as e
from worker.audit import requests, snapshot
from worker.state.rooms import RoomStore

ROOMS = 50_000
BOUND_KB = {"quiet": 3.0, "speaking": 25.0, "ring full": 32.0, "everything": 60.0, "ended": 5.0}
VARIETY = 20
FLUSH_ROOMS = 1_000
"""Different rooms that are multiplied."""


def quiet(seed: int) -> list[Any]:
    """Half an hour of little."""
    rng = Random(seed)
    return in_time(
        beats(1_800 * SECOND, from_ms=0),
        [ev(e.FrameMeasured, at * SECOND) for at in range(0, 1_800, 30)],
        [ask(rng.randrange(1_800) * SECOND) for _ in range(10)],
        [ev(e.ViewerJoined, rng.randrange(1_800) * SECOND) for _ in range(200)],
    )


def speaking(seed: int, minutes: int = 30) -> list[Any]:
    """A segment every five seconds; questions, looks, a reply now and then."""
    rng = Random(seed)
    return in_time(
        quiet(seed),
        beats(minutes * 60 * SECOND, from_ms=1_800 * SECOND),
        [say(i * 5_000, sentence(rng)) for i in range(minutes * 12)],
        [ask(i * 30_000) for i in range(minutes * 2)],
        [ev(e.DetectorScore, i * 20_000, score=rng.random()) for i in range(minutes * 3)],
        [ev(e.HostReply, i * 300_000) for i in range(minutes // 5)],
    )


def ring_full(seed: int) -> list[Any]:
    """The same for ninety minutes, after which the speech ring grows no more."""
    return speaking(seed, minutes=90)


def everything(seed: int) -> list[Any]:
    """Whatever a room can hold, short of the longest texts."""
    rng = Random(seed)
    return in_time(random_log(seed, minutes=90), [say(i * 5_000, sentence(rng)) for i in range(1_080)])


def ended(seed: int) -> list[Any]:
    """The room whose ring is full, after its close: what is kept for half a year where people may yet decide."""
    log = ring_full(seed)
    return [*log, ev(e.RoomClosed, max(event.at_ms for event in log) - T0)]


KINDS = {"quiet": quiet, "speaking": speaking, "ring full": ring_full, "everything": everything, "ended": ended}


def rss_bytes() -> int:
    """Resident bytes of this process."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(kind: str, rooms: int) -> tuple[float, float, float]:
    """(resident, core, speech chunks) in KB a room."""
    saved = []
    for seed in range(VARIETY):
        lived = a_room(KINDS[kind](seed))
        if lived.session.asking is not None:
            requests.take(lived.session.asking)  # requests leave with the batch in which they fell due
        saved.append((snapshot.encode(lived), snapshot.take_changed_chunks(lived)))
    core = sum(len(core) for core, _ in saved) / len(saved)
    speech = sum(len(data) for _, chunks in saved for data in chunks.values()) / len(saved)
    gc.collect()
    before = rss_bytes()
    store = RoomStore("changelog", 0)
    for i in range(rooms):
        room = snapshot.decode(*saved[i % VARIETY])
        room.room_id = f"douyin:{i:08d}"
        store.live[room.room_id] = room
        store.dirty.add(room.room_id)
        if i % FLUSH_ROOMS == 0 or i == rooms - 1:
            store.capture(i, room.max_at_ms, 0, 0)
    gc.collect()
    return (rss_bytes() - before) / rooms / 1024, core / 1024, speech / 1024


def main() -> int:
    """Print the table; 1 when a kind costs more than its bound."""
    if len(sys.argv) == 3:
        print(*measure(sys.argv[1], int(sys.argv[2])))
        return 0
    rooms = int(sys.argv[1]) if len(sys.argv) == 2 else ROOMS
    table = Table("room", "rooms", "resident KB/room", "bound KB", "core KB", "speech KB", title="Memory of a room")
    worst = 0
    for kind, bound in BOUND_KB.items():
        out = subprocess.run(
            [sys.executable, "-m", "tests.bench.memory", kind, str(rooms)], check=True, capture_output=True, text=True
        ).stdout
        resident, core, speech = map(float, out.split())
        worst |= resident > bound
        table.add_row(kind, f"{rooms:,}", f"{resident:.1f}", f"{bound:.0f}", f"{core:.1f}", f"{speech:.1f}")
    Console().print(table)
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
