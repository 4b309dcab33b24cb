"""The boards: the committed JSON is what the script writes, and each panel can be understood."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.files import BOARDS, MONITORING, panels, wrong_words

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
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]


UNIT_WORDS = {
    "s": r"time", "eps": r"events per second", "bytes": r"bytes", "Bps": r"bytes per second",
    "percentunit": r"share of \w+", "short": r"[\w =]+",
}  # fmt: skip
"""Grafana's name of a unit → what the label of an axis must say of it."""


def plots(board: Path) -> list[dict[str, Any]]:
    """The panels that have axes."""
    return [panel for panel in panels(board) if panel["type"] == "timeseries"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_every_axis_says_what_it_counts_and_in_which_unit(board: Path) -> None:
    for panel in plots(board):
        defaults = panel["fieldConfig"]["defaults"]
        label = defaults["custom"].get("axisLabel", "")
        assert re.match(UNIT_WORDS[defaults["unit"]], label), f"{panel['title']}: {label!r}"


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_no_axis_mixes_times_with_counts(board: Path) -> None:
    for panel in plots(board):
        defaults = panel["fieldConfig"]["defaults"]
        for target in panel["targets"]:
            for metric in re.findall(r"(?<!:)stream_audit_(\w+)", target["expr"]):
                is_time = bool(re.search(r"seconds(_total|_bucket)?$", metric)) and metric != "cpu_seconds_total"
                assert is_time == (defaults["unit"] == "s"), f"{panel['title']}: {metric}"


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_a_legend_names_only_labels_that_its_query_keeps(board: Path) -> None:
    for panel in plots(board):
        for target in panel["targets"]:
            kept = {name for names in re.findall(r"by \(([^)]*)\)", target["expr"]) for name in names.split(", ")}
            kept |= {"namespace"} if "namespace:" in target["expr"] else set()
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) == kept - {"le"}, panel["title"]


def test_violations_by_platform_shows_platforms() -> None:
    (overview,) = (path for path in BOARDS if path.stem == "stream-audit-overview")
    (panel,) = (panel for panel in plots(overview) if panel["title"] == "Violations by platform")
    (target,) = panel["targets"]
    assert (target["legendFormat"], "sum by (platform) (rate(stream_audit_violations_total{" in target["expr"]) == (
        "{{platform}}", True
    )  # fmt: skip


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_a_title_occurs_once_on_a_board(board: Path) -> None:
    titles = [panel["title"] for panel in panels(board)]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_a_board_speaks_plain_words_and_of_no_page_that_is_not_there(board: Path) -> None:
    written = json.loads(board.read_text(encoding="utf-8"))
    texts = [written["description"], *(panel["title"] for panel in written["panels"])]
    texts += [panel.get("description") or panel["options"]["content"] for panel in panels(board)]
    assert wrong_words("\n\n".join(texts)) == []


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
