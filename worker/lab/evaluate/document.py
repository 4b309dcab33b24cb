"""A summary as a document in Markdown, with plots in SVG beside it."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from worker.lab.evaluate.bound import Measured
from worker.lab.evaluate.summary import Summary
from worker.lab.evaluate.tables import Sheet, sheets

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, LEGEND = 860, 420, 56, 36, 46, 220
PLOT = WIDTH - LEFT - LEGEND
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#222222")
"""Paul Tol's bright scheme, which colour-blind readers can tell apart."""

_SYNTHETIC = """\
> **Synthetic.** Every room below was simulated.
> The numbers show that the detection works as designed, not how well it works on real rooms.
> Norms and detectors' calibration are provisional until a platform has audited its own hosts.
"""
_LOGS = """\
> Measured on labelled room logs.
> The labels are taken as true.
"""
_READING = """\
## How to read the tables

- WATCH, LABEL, LIMIT and RESTRICT are the levels of evidence.
  A family's false alarms per room-hour are at most 1e-2, 1e-3, 1e-5 and 1e-7.
- Cells hold the median, the 90 % quantile in brackets, and the share of rooms that got there in the time watched.
  A dash (–) was not reached.
- Minutes count from the start of the room, or from when the host left it.
- Intervals are exact at 95 % (Poisson, Clopper–Pearson, order statistics).
- *shown: open* means that the room-hours are too few to tell.
  No alarm in N hours proves no more than a rate below 3/N.
- *design* is what a study of the evidence alone promised, before guards.
- *bar* is what the product asks of itself, median (p90), after guards.
"""
_PACES = """\
Most honest rooms are simulated at a *sparse* pace (`worker/lab/simulate/stage.py`).
They have a third of the comments, fewer looks, longer pauses and no likes, which is enough for every signal to bet.
Looks, being fewer, vary more.
One room in twenty runs at *full* pace, so that the two can be compared.
Where the worker asks for more looks, both detectors look every ten seconds, as they do at full pace anyway.
"""
_STRANGERS = """\
Strangers in the scene of that name sell the same few kinds of goods.
The simulator has a few dozen phrases for each kind.
Where strangers come to share a script, that says more about the simulator than about people.
The rule about farms is in shadow, and would ask for a review.
"""
_NULLS = """\
The rare levels are shown by importance sampling at the edge of the null hypothesis (last table).
Rows without the envelope show what the envelope is for.
*Open* in that table means too few runs to tell, or an estimate that rests on a few heavy weights.
*None* means that nothing is guaranteed.

**Where rooms differ for good**, one room in two hundred is above its norm for ever.
The null hypothesis is false there, and evidence grows as it should.
These come above their bounds:

{broken}

Of the guards (`worker/audit/levels.py`) these rows know only what they name:

- NONINT stops at LABEL.
- PLAY goes on only beside NONINT or CHALLENGE.
- CHALLENGE goes on after six failures of twelve.
- RESTRICT comes after a test over the platform.

The guard of AI, its balanced experts, does not help a host who looks synthetic to both kinds of detectors.
Only norms that are the quantile which they claim to be help there.
Until a platform has audited its own hosts, the norms are provisional.
"""


def write(path: Path, summary: Summary, command: str) -> list[Path]:
    """Write the document and its plots beside it; returns every file written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = [path]
    parts = ["# Detection, measured\n", _SYNTHETIC if summary.synthetic else _LOGS]
    parts.append(
        f"`{command}`\nmade this document.\n"
        f"It judged {summary.rooms:,} rooms, {summary.hours:,.0f} room-hours and {summary.events:,} events,\n"
        "through the engine's own processor and the policies that ship.\n"
    )
    parts.append(_READING)
    parts += [_PACES] if any(stratum.sparse for stratum in summary.strata) else []
    parts += [_STRANGERS] if summary.sharing else []
    parts += [_nulls(summary.bound)] if summary.bound else []
    if any(summary.curves.values()):
        plot = path.with_name(f"{path.stem.lower()}-delays.svg")
        rooms = {d.archetype: d.rooms for d in summary.challenged}
        plot.write_text(delay_plot(summary.curves, rooms), encoding="utf-8")
        written.append(plot)
        parts.append(f"![Share of rooms at LIMIT after the guards, by minutes]({plot.name})\n")
    parts += [f"<!-- made by: {command} -->\n", *map(_markdown, sheets(summary)), "<!-- end -->\n"]
    path.write_text("\n".join(parts), encoding="utf-8")
    return written


def _nulls(measured: Sequence[Measured]) -> str:
    broken: dict[str, list[str]] = {}
    for one in measured:
        if ", rooms differ" in one.case and one.verdict == "broken":
            broken.setdefault(one.case.replace(", rooms differ", ""), []).append(one.level)
    named = [f"- {family}: {' and '.join(dict.fromkeys(levels))}" for family, levels in sorted(broken.items())]
    return _NULLS.format(broken="\n".join(named) or "- none, as far as these runs tell")


def _markdown(sheet: Sheet) -> str:
    lines = [f"## {sheet.title}\n", _row(sheet.header), _row(["---"] + ["---:"] * (len(sheet.header) - 1))]
    return "\n".join([*lines, *map(_row, sheet.rows), ""])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def delay_plot(curves: Mapping[str, Sequence[float]], rooms: Mapping[str, int]) -> str:
    """An SVG: per archetype the share of its `rooms` that had reached the level, by minutes (sorted)."""
    shown = {name: minutes for name, minutes in curves.items() if minutes}
    last = max(minutes[-1] for minutes in shown.values())
    step = next(s for s in (5, 10, 20, 30, 60, 120, 240, 1_440) if last / s <= 12 or s == 1_440)
    end = (int(last / step) + 1) * step
    depth = HEIGHT - TOP - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">Share of rooms at LIMIT after the guards (synthetic)</text>',
    ]
    for minute in range(0, end + 1, step):
        x = LEFT + PLOT * minute / end
        parts.append(f'<path d="M{x:.1f} {TOP}v{depth}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 26}" text-anchor="middle">{minute}</text>')
    for percent in (0, 25, 50, 75, 100):
        grid_y = TOP + depth * (1 - percent / 100)
        parts.append(f'<path d="M{LEFT} {grid_y:.1f}h{PLOT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{grid_y + 4:.1f}" text-anchor="end">{percent} %</text>')
    parts.append(f'<text x="{LEFT + PLOT / 2}" y="{HEIGHT - 8}" text-anchor="middle">minutes</text>')
    for i, (name, minutes) in enumerate(shown.items()):
        colour, dash = COLOURS[i % len(COLOURS)], ' stroke-dasharray="6 3"' if i >= len(COLOURS) else ""
        path = f"M{LEFT} {TOP + depth}"
        for rank, reached_min in enumerate(minutes, start=1):
            path += f"H{LEFT + PLOT * reached_min / end:.1f}V{TOP + depth * (1 - rank / rooms[name]):.1f}"
        parts.append(f'<path d="{path}H{LEFT + PLOT}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        key_x, key_y = LEFT + PLOT + 14, TOP + 8 + 17 * i
        parts.append(f'<path d="M{key_x} {key_y}h22" stroke="{colour}" stroke-width="2"{dash}/>')
        parts.append(f'<text x="{key_x + 28}" y="{key_y + 4}">{escape(name)}</text>')
    return "".join(parts) + "</svg>\n"
