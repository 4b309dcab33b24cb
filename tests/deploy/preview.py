"""Draws the boards as SVG, from what a real Prometheus answers: `python -m tests.deploy.preview [FOLDER]`.

A worker on a real Kafka judges synthetic rooms for about a minute while Prometheus scrapes it; FOLDER (default docs/)
gets one picture a board. Grafana is not involved: places, queries, axes and legends come from the boards' JSON, the
drawing is this file's.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

from tests.deploy.files import BOARDS, REPOSITORY, filled
from tests.deploy.live import RATE_INTERVAL, Series, in_portions, rooms, scraped

Ask = Callable[[str], list[Series]]
"""A PromQL expression → its series."""

COLUMN, UNIT, HEADER, GAP = 50, 24, 44, 4  # px: a column of 24, a unit of height, the board's title, around a panel
SHOWN = 8  # series of a panel that are drawn
POINTS = 60  # of a line
PORTIONS = 30
NOTHING = 1e-9  # what is nearer to 0 is a remainder of rounding
NOTE = "One worker reads the log of synthetic rooms of another year within a minute: delays are the log's age."
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#6a3d9a", "#555555")
STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:12px}.a{fill:#6e7781;font-size:10px}"
    ".n{font-size:30px;font-weight:600;text-anchor:middle}.h{font-size:18px;font-weight:600}"
    ".p{fill:#fff;stroke:#d0d7de}.g{stroke:#eaeef2}.l{fill:none;stroke-width:1.5}"
)


class Box(NamedTuple):
    """A rectangle in px."""

    x: float
    y: float
    width: float
    height: float


def docs_path(folder: Path, board: Path) -> Path:
    """stream-audit-slo.json → FOLDER/boards-slo.svg."""
    return folder / f"boards-{board.stem.removeprefix('stream-audit-')}.svg"


def draw(board: Mapping[str, Any], ask: Ask) -> str:
    """The board as SVG."""
    height = HEADER + UNIT * max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"]) + GAP
    width = 24 * COLUMN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#f6f8fa"/>',
        _text(GAP * 2, 20, board["title"], "h"),
        _text(GAP * 2, 37, f"{board['description']} {NOTE}", "a"),
    ]
    found = [list(_answers(panel, ask)) for panel in board["panels"]]
    times = [at for answers in found for _, series in answers for at, _ in series.points]
    run = (min(times), max(times)) if times else (0.0, 0.0)
    for panel, answers in zip(board["panels"], found, strict=True):
        parts += _panel(panel, answers, run)
    return "\n".join((*parts, "</svg>", ""))


def _panel(panel: Mapping[str, Any], found: Sequence[tuple[str, Series]], run: tuple[float, float]) -> Iterator[str]:
    """A panel with what its queries gave; `run` is when the run began and ended, in Unix s."""
    at = panel["gridPos"]
    box = Box(at["x"] * COLUMN + GAP, HEADER + at["y"] * UNIT, at["w"] * COLUMN - 2 * GAP, at["h"] * UNIT - GAP)
    if panel["type"] == "row":
        yield _text(box.x + GAP, box.y + 16, panel["title"], "t")
        return
    yield f'<rect class="p" x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="3"/>'
    yield _text(box.x + 8, box.y + 16, panel["title"], "t")
    if panel["type"] == "text":
        for number, line in enumerate(wrap(panel["options"]["content"].replace("`", ""), int(box.width / 6))):
            yield _text(box.x + 8, box.y + 36 + 15 * number, line)
        return
    defaults = panel["fieldConfig"]["defaults"]
    unit = defaults.get("unit", "short")
    if not found:
        yield _text(box.x + 8, box.y + box.height / 2 + 8, "nothing in this run", "a")
    elif panel["type"] == "stat":
        latest = value_text(found[0][1].points[-1][1], unit)
        yield _text(box.x + box.width / 2, box.y + box.height / 2 + 20, latest, "n")
    else:
        yield from _lines(box, found, unit, defaults["custom"]["axisLabel"], run)


def _answers(panel: Mapping[str, Any], ask: Ask) -> Iterator[tuple[str, Series]]:
    """(legend, series) of a panel's queries; series without a number are left out, remainders of rounding are 0."""
    for target in panel.get("targets", []):
        for labels, points in ask(filled(target["expr"], interval=RATE_INTERVAL)):
            if points:
                legend = re.sub(r"\{\{(\w+)}}", lambda m: labels.get(m[1], ""), target["legendFormat"])  # noqa: B023
                yield legend, Series(labels, [(at, value if abs(value) > NOTHING else 0.0) for at, value in points])


def _lines(
    box: Box, found: Sequence[tuple[str, Series]], unit: str, label: str, run: tuple[float, float]
) -> Iterator[str]:
    """Axes, the highest lines and their legend."""
    shown = sorted(found, key=lambda pair: -max(abs(value) for _, value in pair[1].points))[:SHOWN]
    legend = _legend(box, [name for name, _ in shown], len(found) - len(shown))
    values = [value for _, series in shown for _, value in series.points]
    low, high = min(0.0, *values), max(0.0, *values)
    high = high if high > low else low + 1.0
    first, span = run[0], run[1] - run[0] or 1.0
    rows = 1 + max(row for row, _, _, _ in legend)
    plot = Box(box.x + 66, box.y + 26, box.width - 78, box.height - 46 - 14 * rows)
    x, y = box.x + 14, plot.y + plot.height / 2
    yield f'<text class="a" text-anchor="middle" transform="rotate(-90 {x:g} {y:g})" x="{x:g}" y="{y:g}">{label}</text>'
    for share in (0.0, 0.5, 1.0):
        y = round(plot.y + plot.height * (1 - share))
        yield f'<path class="g" d="M{plot.x:g} {y}h{plot.width:g}"/>'
        yield _text(box.x + 20, y + 3, value_text(low + share * (high - low), unit), "a")
    yield _text(plot.x, plot.y + plot.height + 12, "0 s", "a")
    yield _text(plot.x + plot.width / 2 - 40, plot.y + plot.height + 12, "time since the start", "a")
    yield _text(plot.x + plot.width - 24, plot.y + plot.height + 12, f"{span:.0f} s", "a")
    for (_, series), colour in zip(shown, COLOURS, strict=False):
        across, down = plot.width / span, plot.height / (high - low)
        path = " ".join(
            f"{plot.x + across * (at - first):.0f},{plot.y + down * (high - value):.0f}"
            for at, value in thinned(series.points)
        )
        yield f'<polyline class="l" stroke="{colour}" stroke-linecap="round" points="{path}"/>'
    for row, x, name, colour in legend:
        y = box.y + box.height - 8 - 14 * (rows - 1 - row)
        if colour:
            yield f'<path d="M{x:g} {y - 4:g}h10" stroke="{colour}" stroke-width="3"/>'
        yield _text(x + 14, y, name)


def _legend(box: Box, names: Sequence[str], more: int) -> list[tuple[int, float, str, str]]:
    """(row, x, text, colour), broken into rows; the last one says how many series are not drawn."""
    entries = list(zip(names, COLOURS, strict=False)) + ([(f"and {more} more", "")] if more else [])
    placed, row, x = [], 0, box.x + 8
    for name, colour in entries:
        text = name if len(name) <= 40 else name[:39] + "…"
        width = 26 + 6.2 * len(text)
        if x + width > box.x + box.width and x > box.x + 8:
            row, x = row + 1, box.x + 8
        placed.append((row, x, text, colour))
        x += width
    return placed


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `POINTS` of them and the last, evenly."""
    step = -(-len(points) // POINTS)
    kept = list(points[::step])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def value_text(value: float, unit: str) -> str:
    """A value as a board shows it, by Grafana's name of a unit."""
    if unit == "percentunit":
        return f"{value * 100:.4g} %"
    if unit == "s" and 0 < abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    for limit, name in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")) if unit == "s" else ():
        if abs(value) >= limit:
            return f"{value / limit:.3g} {name}"
    for limit, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {prefix}{_SUFFIX.get(unit, '')}"
    return f"{value:.3g} {_SUFFIX.get(unit, '')}".rstrip()


_SUFFIX = {"s": "s", "bytes": "B", "Bps": "B/s", "eps": "/s", "ops": "/s"}


def _text(x: float, y: float, text: str, style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text{kind} x="{x:g}" y="{y:g}">{escape(text, quote=False)}</text>'


def main(folder: Path) -> None:
    """Runs the worker and Prometheus and writes a picture of each board into `folder`."""
    with (
        tempfile.TemporaryDirectory() as directory,
        scraped(Path(directory), in_portions(rooms(), PORTIONS)) as prometheus,
    ):
        for board in BOARDS:
            path = docs_path(folder, board)
            path.write_text(draw(json.loads(board.read_text(encoding="utf-8")), prometheus.series), encoding="utf-8")
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "docs")
