"""What the product makes of each archetype: honest rooms stay untouched, each guilty one gets its violation.

Synthetic rooms and shipped policies, through the engine's own processor. Ground truth comes from `truth`, never from
the log.
"""

from functools import cache

import msgspec
import orjson
import pytest

from worker.audit.evidence import Level
from worker.lab.simulate import ARCHETYPES, simulate, truth
from worker.policy.book import PolicyBook
from worker.policy.judge import Judge
from worker.tools.policyfiles import read_policies
from worker.tools.replay import Replay
from worker.tools.roomlog import LogRecord
from worker.topics import DEAD_LETTERS_TOPIC, VIOLATIONS_TOPIC

HOUR_MS = 3_600_000
HONEST = [name for name, archetype in ARCHETYPES.items() if archetype.honest]
GUILTY = [name for name, archetype in ARCHETYPES.items() if not archetype.honest]
SEEDS = (101, pytest.param(102, marks=pytest.mark.slow), pytest.param(103, marks=pytest.mark.slow))
"""One seed shows quickly that an archetype is judged as it should be; the others that it was no luck."""
SWITCH_MS = 20 * 60_000
HOURS = {"llm_avatar": 2.5, "scripted_avatar": 6, "subtle_llm_avatar": 6, "standby": 6, "farm_avatar": 6,
         "human_then_avatar": 6, "human_then_loop": 4}  # fmt: skip
"""How long it takes to see an avatar that detectors see only in part; 1.25 h for all others."""
LOOP_MS = 8 * 60_000  # a short loop saves time; the long one is in the golden rooms' range of the full evaluation


@cache
def _policies() -> PolicyBook:
    return read_policies()


def _judged(name: str, seed: int, hours: float) -> tuple[set[str], dict[str, int]]:
    """Rules that opened live, and the highest level that each family reached."""
    events = simulate(name, seed, duration_ms=int(hours * HOUR_MS), loop_ms=LOOP_MS, switch_ms=SWITCH_MS)
    records = (
        LogRecord(0, i, int(str(e["at_ms"])), str(e["room_id"]).encode(), orjson.dumps(e)) for i, e in enumerate(events)
    )
    run = Replay(Judge(_policies()))
    opened = set()
    for step in run.run(records):
        assert not step.of(DEAD_LETTERS_TOPIC)
        for record in step.of(VIOLATIONS_TOPIC):
            violation = msgspec.json.decode(record.value or b"")
            if violation["mode"] == "live" and violation["transition"] == "opened":
                opened.add(violation["rule"]["id"])
    assert run.counts().balanced()
    (peaks,) = run.peaks.values()
    return opened, peaks


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_room_is_never_touched(name: str, seed: int) -> None:
    opened, peaks = _judged(name, seed, 1.5)
    assert opened == set(), truth(name, seed)
    if ARCHETYPES[name].declared:  # AI that says so: that family may know it, no other
        assert peaks.pop("AI") >= 0
    assert all(level < Level.LABEL for level in peaks.values()), peaks


@pytest.mark.parametrize("seed", SEEDS[:2])
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in HOURS else n for n in GUILTY])
def test_a_guilty_room_gets_its_violations_and_no_others(name: str, seed: int) -> None:
    opened, _ = _judged(name, seed, HOURS.get(name, 1.25))
    assert opened == set(truth(name, seed).expects)
