"""Rooms whose log arrives out of order and twice: what is concluded stays the same within lateness."""

from random import Random

import msgspec
import orjson
import pytest

from worker.lab.simulate import Event, simulate, truth
from worker.policy.judge import Judge
from worker.tools.policyfiles import read_policies
from worker.tools.replay import Replay
from worker.tools.roomlog import LogRecord
from worker.topics import VIOLATIONS_TOPIC

MINUTE_MS = 60_000
REPEATABLE = {"room.heartbeat", "viewer.joined", "viewer.left", "viewer.liked", "viewer.followed", "viewer.shared",
              "viewer.tally"}  # fmt: skip
DELAY_MS = 25_000  # any two events change places by less than the lateness of 60 s


def _opened(events: list[Event]) -> tuple[set[str], dict[str, int], Replay]:
    """Live rules that opened, highest levels, and the run."""
    run = Replay(Judge(read_policies()))
    records = [
        LogRecord(0, i, int(str(e["at_ms"])), str(e["room_id"]).encode(), orjson.dumps(e)) for i, e in enumerate(events)
    ]
    found = set()
    for step in run.run(records):
        for record in step.of(VIOLATIONS_TOPIC):
            violation = msgspec.json.decode(record.value or b"")
            if (violation["mode"], violation["transition"]) == ("live", "opened"):
                found.add(violation["rule"]["id"])
    (peaks,) = run.peaks.values()
    return found, peaks, run


def _disordered(events: list[Event], seed: int) -> list[Event]:
    """Each event delayed by up to 25 s, and every tenth delivered a second time within seconds."""
    rng = Random(seed)
    first, *middle, last = events
    arrivals = [(int(str(e["at_ms"])) + rng.randrange(DELAY_MS), e) for e in middle]
    arrivals += [(at + rng.randrange(1_000), e) for at, e in arrivals if rng.random() < 0.1]
    return [first, *(e for _, e in sorted(arrivals, key=lambda pair: pair[0])), last]


@pytest.mark.parametrize(
    ("name", "minutes"),
    [("responsive", 60), ("scripted_human", 60), ("on_break", 60), ("loop", 75), ("llm_avatar", 110),
     ("avatar_unregistered", 30), ("software_seller", 20)],
)  # fmt: skip
def test_disorder_within_lateness_changes_no_conclusion(name: str, minutes: int) -> None:
    events = list(simulate(name, 21, duration_ms=minutes * MINUTE_MS, loop_ms=8 * MINUTE_MS))
    in_order, levels, _ = _opened(events)
    disordered = _disordered(events, seed=5)
    found, levels_found, run = _opened(disordered)
    assert found == in_order == set(truth(name, 21).expects)
    assert levels_found == levels
    counts = run.counts()
    assert counts.late == 0
    assert counts.applied + counts.duplicate == counts.read == len(disordered)
    weighing = [str(e["id"]) for e in disordered if e["type"] not in REPEATABLE]
    beats = [str(e["id"]) for e in disordered if e["type"] == "room.heartbeat"]
    repeats = len(weighing) - len(set(weighing))
    assert repeats <= counts.duplicate <= repeats + len(beats) - len(set(beats)), "eight heartbeats are remembered"
