"""No fault raises what an honest room reaches: `python -m tests.meaning.bends` tries every room under every fault."""

import json
import random
from functools import cache

import pytest

from tests.meaning import bends, escapes
from tests.meaning.bending import First, course, cut, excess, rooms
from tests.meaning.faults import faults
from tests.meaning.rooms import Faults
from worker.audit.room import Room

HONEST = [name for name, room in rooms().items() if room.honest]
SMALL = ("golden/wx_quiet", "golden/wx_responsive", "golden/wx_software_warning", "golden/dy_avatar_driven",
         "golden/dy_sign_language", "golden/dy_product_synthetic_declared")  # fmt: skip


@cache
def by_right_clocks(name: str) -> First:
    return course(rooms()[name].happened(), Faults())


def no_excess(name: str, count: int) -> None:
    every = faults(8)
    happened = cut(rooms()[name].happened())
    for fault in random.Random(name).sample(sorted(every), count):
        some = every[fault].of(happened)
        found = excess(by_right_clocks(name), course(happened, some), some.mirror)
        assert not found, f"{fault}: {found[0]}"


@pytest.mark.parametrize("name", SMALL)
def test_a_fault_raises_nothing_of_a_small_honest_room(name: str) -> None:
    no_excess(name, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", HONEST)
def test_a_fault_raises_nothing_of_an_honest_room(name: str) -> None:
    no_excess(name, 2)


def test_every_kind_of_room_is_there() -> None:
    assert len(HONEST) >= 25
    assert {name.split("/")[0] for name in HONEST} == {"golden", "simulated", "by voice"}


@pytest.mark.slow
def test_a_core_that_trusts_every_clock_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its gateway's clock begins in 1970."""
    name = "simulated/avatar_driven"
    slow = Faults(skew={"G": -1_700_000_000_000})
    right = by_right_clocks(name)
    assert not excess(right, course(rooms()[name].happened(), slow))
    monkeypatch.setattr(Room, "accrues_ms", lambda _, at_ms: at_ms)
    assert excess(right, course(rooms()[name].happened(), slow))


def test_the_commands_print_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert bends.main(["--rooms", "golden/wx_quiet", "--faults", "swapped", "--seeds", "1"]) == 0
    assert "order " in capsys.readouterr().out
    assert bends.main(["--rooms", "golden/wx_quiet", "--faults", "swapped", "--seeds", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["logs"] == 2
    gain = escapes.Gain("loop", "trick", "R", 3, None)
    assert (gain.told, gain._replace(tricked=3).told, gain._replace(tricked=9).told) == ("never", "–", "6 min")
