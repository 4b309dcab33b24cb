"""The golden signals: a small room log for each signal, and for detectors, that the golden rooms do not show.

`python -m tests.golden.signals` writes logs that are missing. A log that exists is never written again: it is an
input, and stays as it is when the simulator changes.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.support.circle import Circle
from worker.lab.simulate import STARTED_AT_MS, Setting, simulate
from worker.policy.judge import Judge
from worker.tools import roomlog
from worker.tools.policyfiles import read_policies

LOGS = Path(__file__).with_name("signals")
SECOND, MINUTE = 1_000, 60_000
Event = dict[str, Any]


def _log(of: str) -> Path:
    return LOGS / f"{of}.jsonl.zst"


def expected(of: str) -> Path:
    """What the signals of a log were, from change to change."""
    return LOGS / f"{of}.expected.jsonl"


def _simulated(archetype: str, minutes: int, setting: Setting | None = None, seed: int = 11) -> list[Event]:
    return list(simulate(archetype, seed, duration_ms=minutes * MINUTE, setting=setting or Setting()))


class _Room:
    """Events of one room, written by hand."""

    def __init__(self, name: str) -> None:
        self.name, self.events = name, list[Event]()

    def add(self, at_ms: int, kind: str, **fields: Any) -> None:
        """An event at a time since the opening."""
        envelope = {"room_id": f"douyin:{self.name}", "session_id": f"s-{self.name}", "at_ms": STARTED_AT_MS + at_ms}
        self.events.append({"type": kind, "id": f"{self.name}-{len(self.events)}", **envelope, **fields})

    def beat(self, at_ms: int) -> None:
        """A heartbeat."""
        self.add(at_ms, "room.heartbeat", platform="douyin", region="CN", host_id=f"h-{self.name}", selling=True,
                 started_at_ms=STARTED_AT_MS, viewers=50)  # fmt: skip

    def say(self, at_ms: int, text: str) -> None:
        """A segment of four seconds."""
        end_ms = STARTED_AT_MS + at_ms
        self.add(at_ms, "host.speech", segment_id=f"g{at_ms}", start_ms=end_ms - 4 * SECOND, end_ms=end_ms, text=text)

    def look(self, at_ms: int, detector: str, modality: str, score: float, version: str = "1") -> None:
        """One look of a detector."""
        self.add(at_ms, "detector.score", detector=detector, version=version, modality=modality, score=score,
                 look_ms=10 * SECOND)  # fmt: skip

    def in_time(self) -> list[Event]:
        """The events by event time."""
        return sorted(self.events, key=lambda event: event["at_ms"])


def _latency() -> list[Event]:
    """Somebody asks every half minute; the reply comes after four seconds, give or take a tenth of one."""
    rng, room = Random(1), _Room("latency")
    for at in range(0, 8 * MINUTE, 30 * SECOND):
        room.beat(at)
        room.add(at + 500, "viewer.comment", comment_id=f"c{at}", viewer_id=f"v{at}", text="这个怎么卖的呀")
        room.add(at + 4_500 + rng.randint(-100, 100), "host.reply", medium="voice", comment_id=f"c{at}")
    return room.in_time()


def _shared_script() -> list[Event]:
    """Two rooms of two hosts read one script, one ten seconds behind the other."""
    rng = Random(1)
    letters = [chr(0x4E00 + i) for i in range(2_000)]
    script = ["".join(rng.choices(letters, k=24)) for _ in range(50)]
    rooms = [_Room("reader-1"), _Room("reader-2")]
    for k, room in enumerate(rooms):
        for at in range(k * 10 * SECOND, 22 * MINUTE, 6 * SECOND):
            room.say(at + 1, script[at % (5 * MINUTE) // (6 * SECOND)])
        for at in range(0, 22 * MINUTE, 20 * SECOND):
            room.beat(at)
    return _with_answers([event for room in rooms for event in room.in_time()], "douyin:reader-1")


def _concurrency() -> list[Event]:
    """Three rooms of one operator's farm, one voice."""
    setting = Setting(operator_id="farm", ip_hash="net", voice="v")
    rooms = [_simulated("farm_avatar", 7, setting, seed) for seed in (1, 2, 3)]
    return _with_answers([event for room in rooms for event in room], rooms[0][0]["room_id"])


def _with_answers(events: list[Event], room_id: str) -> list[Event]:
    """The log of one room, with what the identity agent wrote into it."""
    circle = Circle(Judge(read_policies()))
    circle.play(sorted(events, key=lambda event: event["at_ms"]))
    kept = [json.loads(record.value or b"") for log in circle.logs.values() for record in log]
    return [event for event in kept if event["room_id"] == room_id]


def _unbroken() -> list[Event]:
    """Five hours before the camera, with a minute and a half away after four and a half."""
    room = _Room("unbroken")
    for at in range(0, 5 * 60 * MINUTE, 5 * MINUTE):
        room.beat(at)
        room.add(at + 1, "frame.measured", person_present=True)
    away = 4 * 60 * MINUTE + 31 * MINUTE
    room.add(away, "frame.measured", person_present=False)
    room.add(away + 90 * SECOND, "frame.measured", person_present=True)
    return room.in_time()


SOURCES: dict[str, Callable[[], list[Event]]] = {
    "excitation": lambda: _simulated("one_pass", 24),
    "latency": _latency,
    "cadence": lambda: _simulated("farm_avatar", 6, seed=1),
    "shared_script": _shared_script,
    "concurrency": _concurrency,
    "unbroken": _unbroken,
}


def _disagreement() -> list[Event]:
    """One detector of the picture sees a generator in every look, another a person; the second one leaves halfway."""
    room = _Room("disagreement")
    for at in range(0, 22 * MINUTE, 10 * SECOND):
        if at % (30 * SECOND) == 0:
            room.beat(at)
        seen = {"face": ("face-audit", 0.95), "lip_sync": ("lip-sync-audit", 0.2)}
        if at >= 11 * MINUTE:
            del seen["lip_sync"]
        for modality, (detector, score) in seen.items():
            room.look(at + 1, detector, modality, score)
    return room.in_time()


def _motion() -> list[Event]:
    """Of the whole picture only the motion is looked at, and it moves as a generator moves it, for an hour. Motion
    bets as any other detector of the picture."""
    room = _Room("motion")
    for at in range(0, 62 * MINUTE, 10 * SECOND):
        if at % (30 * SECOND) == 0:
            room.beat(at)
        room.look(at + 1, "motion-audit", "motion", 0.9)
    return room.in_time()


def _script() -> list[Event]:
    """The same hour, of which what is said is looked at: it scores as high, and that bets nowhere. For two minutes a
    detector without a table looks, too."""
    room = _Room("script")
    for at in range(0, 62 * MINUTE, 10 * SECOND):
        if at % (30 * SECOND) == 0:
            room.beat(at)
        room.look(at + 1, "script-audit", "script", 0.9)
        if 20 * MINUTE <= at < 22 * MINUTE:
            room.look(at + 2, "script-audit", "script", 0.9, version="2")
    return room.in_time()


DETECTORS: dict[str, Callable[[], list[Event]]] = {"disagreement": _disagreement, "motion": _motion, "script": _script}
"""Logs that are golden for what a room's record says of its detectors."""


def read(of: str) -> Iterator[roomlog.LogRecord]:
    """The log of a signal."""
    return iter(roomlog.read(_log(of)))


def write_missing() -> Iterable[Path]:
    """Writes every log that has no file yet."""
    LOGS.mkdir(exist_ok=True)
    for of, source in (SOURCES | DETECTORS).items():
        if not _log(of).exists():
            roomlog.write(_log(of), source())
            yield _log(of)


if __name__ == "__main__":
    for path in write_missing():
        print(path)
