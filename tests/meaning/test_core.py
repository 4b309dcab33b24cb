"""The worker's own core against the oracle: what `HOLDS` lists must hold, and all cases but those of `NOT_YET`.

Who makes more true changes these lists, which are all that is switched on and off.

`python -m tests.meaning.compare` tells how far the rest is, and shows the shortest log on which the two differ.
"""

import json
from collections.abc import Callable
from functools import cache

import pytest
from jsonschema import Draft202012Validator

from tests.meaning import compare, log, scan, windows
from tests.meaning.aspects import ASPECTS, HOLDS, HOLDS_IN_KAFKA, Case, first_difference
from tests.meaning.cases import CASES, CONTESTED, LONG, NOT_YET
from tests.meaning.shrink import least, shrunk, story
from tests.meaning.test_counterexamples import MARK, Log
from tests.meaning.varied import WEATHERS, varied
from worker.resources import SCHEMAS_DIR

ROOMS = {"lively": 3}
SOME_ROOMS = 15

Break = Callable[[pytest.MonkeyPatch], None]


@cache
def case_of(weather: str, seed: int) -> Case:
    return Case(varied(seed, weather))


@pytest.mark.parametrize(
    ("weather", "aspect"), [(weather, aspect) for weather, held in HOLDS.items() for aspect in held]
)
def test_core_and_oracle_agree(weather: str, aspect: str) -> None:
    for seed in range(ROOMS.get(weather, SOME_ROOMS)):
        difference = next(ASPECTS[aspect](case_of(weather, seed)), None)
        how = f"python -m tests.meaning.compare --weather {weather} --seed {seed} --rooms 1 --aspect {aspect}"
        assert difference is None, f"{difference}; see {how}"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * name.startswith(LONG))
        for name in CASES
        if name not in NOT_YET | CONTESTED
    ],
)
def test_the_core_is_right_about(name: str) -> None:
    CASES[name]()


def test_all_that_is_demanded_can_be_compared() -> None:
    assert CASES.keys() >= NOT_YET | CONTESTED
    assert tuple(HOLDS) == WEATHERS
    assert {aspect for aspects in HOLDS.values() for aspect in aspects} | set(HOLDS_IN_KAFKA) <= ASPECTS.keys()


@pytest.mark.parametrize("weather", WEATHERS)
def test_rooms_to_compare_are_made_of_events_that_the_schema_accepts(weather: str) -> None:
    schema = Draft202012Validator(json.loads((SCHEMAS_DIR / "live.room.events" / "v1.schema.json").read_text("utf-8")))
    for seed in range(6):
        for record in varied(seed, weather)[::5]:
            schema.validate(record.event)


def all_is_late(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scan.Reader, "is_late", lambda _self, _x: True)


def nothing_is_described(patch: pytest.MonkeyPatch) -> None:
    described = scan.Reader.described

    def forgotten(self: scan.Reader, x: log.Entry) -> bool:
        found = described(self, x)
        if self.current is not None:
            self.current.host = None
        return found

    patch.setattr(scan.Reader, "described", forgotten)


def every_block_abstains(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(windows, "reasons", lambda _here: ("late",))


@pytest.mark.parametrize(
    ("mistake", "weather", "aspect"),
    [(all_is_late, "plain", "status"), (nothing_is_described, "plain", "session"),
     (every_block_abstains, "lively", "abstain")],
)  # fmt: skip
def test_a_judge_that_is_mistaken_is_noticed(
    mistake: Break, weather: str, aspect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake(monkeypatch)
    assert any(first_difference(varied(seed, weather), aspect) for seed in range(5))


def test_a_log_on_which_they_differ_is_cut_down_to_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    all_is_late(monkeypatch)
    records = varied(1, "plain")
    difference = first_difference(records, "status")
    assert difference is not None
    assert difference.what.endswith(" applied for late")
    kept = shrunk(records, "status", difference.what)
    assert len(kept) <= 2
    told = story(kept, "status", difference.what)
    assert f"→ {difference.what}: core applied, oracle late" in told
    assert len(told.splitlines()) == 2 + len(kept)


def test_the_records_that_matter_are_found_wherever_they_are() -> None:
    room = Log("douyin").beats(10).put(200_000, 200_000, MARK, id="one").put(400_000, 400_000, MARK, id="two")
    kept = least(room.records(), lambda some: {"one", "two"} <= {record.event["id"] for record in some})
    assert [(record.offset, record.event["id"]) for record in kept] == [(0, "one"), (1, "two")]


def test_the_command_prints_a_table_and_fails_where_agreement_is_demanded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = ["--rooms", "2", "--weather", "plain", "--aspect", "status"]
    assert compare.main(some) == 0
    assert "2/2*" in capsys.readouterr().out
    assert compare.main([*some, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["aspect"], row["agree"]) for row in rows] == [("status", 2)]
    all_is_late(monkeypatch)
    assert compare.main(some) == 1
    assert "core applied, oracle late" in capsys.readouterr().out
