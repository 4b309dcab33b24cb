"""The boards: the committed JSON is what the script writes, and each panel can be understood."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deploy.files import BOARDS, MONITORING, panels

pytest.importorskip(
    "grafana_foundation_sdk", reason="requirements/deploy.txt is not installed: `make check-deploy` does"
)

from deploy.monitoring.dashboards import boards


def test_the_committed_boards_are_what_the_script_writes() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in BOARDS}
    made = boards()
    assert committed.keys() == made.keys()
    for name, content in made.items():
        assert committed[name] == content, f"{name} is old: `make manifests`"


def test_kubernetes_gets_every_board() -> None:
    listed = (MONITORING / "dashboards" / "kustomization.yaml").read_text(encoding="utf-8")
    assert [path.name for path in BOARDS if f"- {path.name}\n" not in listed] == []


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_every_panel_says_what_it_shows_and_in_which_unit(board: Path) -> None:
    for panel in panels(board):
        assert panel["title"], panel
        if panel["type"] == "text":
            continue
        assert panel["description"].endswith((".", "missed.")), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_every_query_follows_the_boards_variables(board: Path) -> None:
    written = json.loads(board.read_text(encoding="utf-8"))
    assert [variable["name"] for variable in written["templating"]["list"]] == ["datasource", "namespace"]
    for panel in panels(board):
        for target in panel.get("targets", []):
            where = f"{panel['title']}: {target['expr']}"
            assert panel["datasource"]["uid"] == "${datasource}", where
            assert target["expr"].count('namespace=~"$namespace"') == target["expr"].count("{"), where
            assert target["legendFormat"], where
            assert "[5m]" not in target["expr"], f"{where}: rates use $__rate_interval"


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap(board: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(board.read_text(encoding="utf-8"))["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
