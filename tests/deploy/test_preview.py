"""Pictures of the boards: they show every panel, draw what Prometheus answers, and are those of the boards."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.deploy.files import BOARDS, REPOSITORY, panels
from tests.deploy.live import Series
from tests.deploy.preview import POINTS, SHOWN, docs_path, draw, thinned, value_text

SVG = "{http://www.w3.org/2000/svg}"
A_MINUTE = [(1_000.0 + second, float(second % 7)) for second in range(60)]


def texts(picture: str) -> set[str]:
    return {text.text or "" for text in ElementTree.fromstring(picture).iter(f"{SVG}text")}


def three(expr: str) -> list[Series]:
    return [Series({"rule": name, "pod": "<p&q>"}, A_MINUTE) for name in ("R1", "R2", "R3")]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board.stem))
def test_the_picture_in_docs_shows_every_panel_of_the_board(board: Path) -> None:
    picture = docs_path(REPOSITORY / "docs", board).read_text(encoding="utf-8")
    assert {panel["title"] for panel in panels(board)} <= texts(picture), "`make boards` draws it again"
    assert len(picture) < 150_000


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board.stem))
def test_every_line_that_is_asked_for_is_drawn(board: Path) -> None:
    picture = draw(json.loads(board.read_text()), three)
    queries = [len(panel["targets"]) for panel in panels(board) if panel["type"] == "timeseries"]
    drawn = len(list(ElementTree.fromstring(picture).iter(f"{SVG}polyline")))
    assert drawn == sum(min(SHOWN, 3 * count) for count in queries)
    assert "nothing in this run" not in texts(picture)
    labels = {panel["fieldConfig"]["defaults"]["custom"]["axisLabel"] for panel in panels(board) if "targets" in panel
              and panel["type"] == "timeseries"}  # fmt: skip
    assert labels <= texts(picture)


def test_a_panel_without_an_answer_says_so_and_one_with_too_many_how_many_are_left_out() -> None:
    panel = {
        "type": "timeseries", "title": "T", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 8},
        "fieldConfig": {"defaults": {"unit": "s", "custom": {"axisLabel": "seconds"}}},
        "targets": [{"expr": "up", "legendFormat": "{{pod}} up"}],
    }  # fmt: skip
    board = {"title": "B", "description": "D", "panels": [panel]}
    assert "nothing in this run" in texts(draw(board, lambda _: [Series({}, [])]))
    many = texts(draw(board, lambda _: [Series({"pod": f"p{n}"}, [(0.0, n), (1.0, n)]) for n in range(SHOWN + 5)]))
    assert {"p12 up", "p5 up", "and 5 more"} <= many
    assert "p4 up" not in many, "the highest are drawn"


def test_all_panels_share_the_time_of_the_run_and_a_remainder_of_rounding_is_zero() -> None:
    def panel(number: int) -> dict[str, Any]:
        return {
            "type": "timeseries", "title": f"T{number}", "gridPos": {"x": 0, "y": 8 * number, "w": 24, "h": 8},
            "fieldConfig": {"defaults": {"unit": "eps", "custom": {"axisLabel": "events per second"}}},
            "targets": [{"expr": f"metric_{number}", "legendFormat": "x"}],
        }  # fmt: skip

    def ask(expr: str) -> list[Series]:
        start = 1_000.0 + 30 * (expr == "metric_1")
        return [Series({}, [(start, -1.5e-14), (1_060.0, 1.5e-14)])]

    picture = draw({"title": "B", "description": "D", "panels": [panel(0), panel(1)]}, ask)
    assert [text for text in ElementTree.fromstring(picture).itertext() if re.fullmatch(r"\d+ s", text)] == [
        "0 s", "60 s", "0 s", "60 s",
    ]  # fmt: skip
    assert {"0 /s", "0.5 /s", "1 /s"} <= texts(picture)


def test_lines_are_thinned_and_keep_their_end() -> None:
    points = [(float(at), 0.0) for at in range(10 * POINTS + 3)]
    assert len(thinned(points)) <= POINTS + 1
    assert thinned(points)[-1] == points[-1]
    assert thinned(points[:5]) == points[:5]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0421, "s", "42.1 ms"), (3.0, "s", "3 s"), (0.5, "percentunit", "50 %"), (2.5e8, "bytes", "250 MB"),
     (1234.0, "eps", "1.23 k/s"), (7.0, "short", "7"),
     (0.0, "s", "0 s"), (90.0, "s", "1.5 min"), (7_200.0, "s", "2 h"), (864_000.0, "s", "10 d")],
)  # fmt: skip
def test_values_are_shown_in_their_unit(value: float, unit: str, text: str) -> None:
    assert value_text(value, unit) == text
