"""`evaluate`: how soon guilty rooms are seen, how often honest ones are accused; on simulated or labelled rooms."""

import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.groups import did_you_mean
from worker.cli.interrupt import interrupts
from worker.cli.logs import tell_faults

if TYPE_CHECKING:
    from worker.lab.evaluate.pieces import Piece
    from worker.lab.evaluate.summary import Measurement, Summary

RESULTS = Path("build/evaluate/results.sqlite")


@click.command(name="evaluate")
@click.option("--archetypes", metavar="NAMES", help="Comma-separated.  [default: all that `simulate --list` names]")
@click.option("--seeds", type=click.IntRange(1, 100_000), default=10, show_default=True, help="Rooms per archetype.")
@click.option("--first-seed", type=click.IntRange(0), default=1_000, show_default=True, help="Seed of the first room.")
@click.option("--hours", type=click.FloatRange(0.1, 48), default=6.0, show_default=True, help="Length of each room.")
@click.option("--no-challenges", is_flag=True, help="As on a platform that challenges no one.")
@click.option("--ablation-seeds", type=click.IntRange(0), default=0, show_default=True,
              help="Judge that many rooms per guilty archetype again, without one signal at a time; with "
                   "--no-challenges also without one discount.")  # fmt: skip
@click.option("--honest-hours", type=click.IntRange(0, 10_000_000), default=0, show_default=True,
              help="In place of archetypes: so many room-hours of honest rooms of every kind.")  # fmt: skip
@click.option("--full", is_flag=True,
              help="Guilty rooms with and without challenges, what markers give away, farms, null hypotheses; with "
                   "--ablation-seeds also ablations, with --honest-hours honest rooms.")  # fmt: skip
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path),
              help="Keep results there and go on from them.  "
                   f"[default: {RESULTS} with --full or --honest-hours]")  # fmt: skip
@click.option("--report", is_flag=True, help="Judge no more rooms: sum up what --results hold by now.")
@click.option("--log", type=click.Path(exists=True, dir_okay=False), help="A labelled room log in place of simulation.")
@click.option("--truth", type=click.Path(exists=True, dir_okay=False), help="What each room of --log is.")
@click.option("--bound", is_flag=True, help="Instead: show the guaranteed rates of false alarms under null hypotheses.")
@click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: one per CPU]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in place of tables.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write a Markdown document with plots.")
@click.pass_context
def evaluate(ctx: click.Context, /, log: str | None, truth: str | None, bound: bool, as_json: bool, out: Path | None,
             jobs: int | None, **wanted: Any) -> None:  # fmt: skip
    """Measure the detection: delays, false alarms, what each signal is worth.

    Simulated rooms are synthetic and say so. Long runs keep their results as they come: stop one with Ctrl-C or SIGTERM
    and give the same command again to go on. Exit code 1: --bound found a rate above its guarantee, but for rooms that
    differ for good, which nothing can guarantee.

    \b
    Example:
      stream-audit evaluate --archetypes loop,standby,responsive --seeds 50 --hours 6
      stream-audit evaluate --honest-hours 200000
      stream-audit evaluate --full --seeds 20 --hours 12 --ablation-seeds 2 --honest-hours 200000 --out DETECTION.md
      stream-audit evaluate --log rooms.jsonl.zst --truth truth.jsonl --json
    """
    from worker.lab.evaluate.pieces import bound_pieces
    from worker.lab.evaluate.summary import summarise

    if (log is None) != (truth is None):
        raise click.UsageError("--log and --truth belong together.")
    if log is not None and truth is not None:
        summary = summarise(_judge_log(log, truth), synthetic=False)
    else:
        pieces = bound_pieces(wanted["seeds"] / 10) if bound else _pieces(**wanted)
        long = wanted["full"] or wanted["honest_hours"]
        results = wanted["results"] or (RESULTS if (long or wanted["report"]) and not bound else None)
        measurement = _measure(pieces, jobs or os.cpu_count() or 1, results, report=wanted["report"])
        summary = summarise(measurement, synthetic=True)
    if out is not None:
        from worker.cli.terminal import note
        from worker.lab.evaluate.document import write

        for path in write(out, summary, _command(ctx)):
            note(f"wrote {path}")
    _print(summary, as_json)
    if bound and any(one.guaranteed and one.verdict == "broken" for one in summary.bound):
        raise SystemExit(1)


def _pieces(
    *,
    archetypes: str | None,
    seeds: int,
    first_seed: int,
    hours: float,
    no_challenges: bool,
    ablation_seeds: int,
    honest_hours: int,
    full: bool,
    **_: object,
) -> list["Piece"]:
    """What the options ask for."""
    from worker.lab.evaluate.pieces import ALONE, full_pieces, honest_count, honest_pieces, room_piece
    from worker.lab.evaluate.rooms import DISCOUNTS, SIGNALS, Job
    from worker.lab.simulate import ARCHETYPES

    rooms = range(first_seed, first_seed + seeds)
    if (full or honest_hours) and (archetypes or no_challenges):
        raise click.UsageError("--full and --honest-hours choose the rooms; leave out --archetypes, --no-challenges.")
    if full:
        return full_pieces(seeds=rooms, hours=hours, ablation_seeds=ablation_seeds, honest_hours=honest_hours)
    if honest_hours:
        return list(islice(honest_pieces(), honest_count(honest_hours)))
    names = _known(archetypes)
    return [room_piece("guilty", Job(name, seed, hours, not no_challenges)) for seed in rooms for name in names] + [
        room_piece("ablation", Job(name, seed, hours, not no_challenges, without))
        for seed in rooms[:ablation_seeds]
        for name in names
        if not ARCHETYPES[name].honest
        for without in ((*ALONE, *DISCOUNTS) if no_challenges else SIGNALS)
    ]


def _known(archetypes: str | None) -> list[str]:
    from worker.lab.simulate import ARCHETYPES

    names = [name for name in archetypes.split(",") if name] if archetypes else list(ARCHETYPES)
    if unknown := [name for name in names if name not in ARCHETYPES]:
        hint = did_you_mean(unknown[0], ARCHETYPES)
        raise click.UsageError(f"No archetype '{unknown[0]}'.{hint} `stream-audit simulate --list` lists them.")
    return list(dict.fromkeys(names))


def _measure(pieces: list["Piece"], jobs: int, path: Path | None, *, report: bool) -> "Measurement":
    """Do the pieces that are not in the results yet."""
    from worker.cli.terminal import note
    from worker.lab.evaluate.collect import collect
    from worker.lab.evaluate.results import Results

    if path is None:
        return collect(_run(pieces, jobs))
    if report and not path.exists():
        raise click.UsageError(f"{path}: no results there yet.")
    try:
        with Results(path) as results:
            if outdated := results.outdated(pieces):
                what = "left out" if report else "made again"
                note(f"{path}: {outdated:,} results were made by other code and are {what}.")
            if not report:
                known = {piece.name for piece, _ in results.finished(pieces)}
                for piece, result in _run([p for p in pieces if p.name not in known], jobs):
                    results.add(piece, result)
            return collect(results.finished(pieces))
    except sqlite3.Error as error:
        raise click.ClickException(f"{path}: {error}") from error


def _run(pieces: list["Piece"], jobs: int) -> Iterator[tuple["Piece", bytes]]:
    """Do pieces, with a bar on a terminal and a line per hundredth elsewhere; SIGTERM stops as Ctrl-C does."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from worker.cli.terminal import console
    from worker.lab.evaluate.pieces import hours_of, run

    total = sum(map(hours_of, pieces))
    screen = console(stderr=True)
    columns = (TextColumn("{task.completed:,.0f} of {task.total:,.0f} room-hours"), BarColumn(), TaskProgressColumn())
    done_hours, told = 0.0, 0
    with ExitStack() as stack:
        stack.enter_context(interrupts())
        bar = Progress(*columns, TimeRemainingColumn(), console=screen, transient=True, disable=not screen.is_terminal)
        task = stack.enter_context(bar).add_task("", total=total)
        for piece, result in run(pieces, jobs):
            yield piece, result
            done_hours += hours_of(piece)
            bar.update(task, completed=done_hours)
            if not screen.is_terminal and total and int(100 * done_hours / total) > told:
                told = int(100 * done_hours / total)
                screen.print(f"{told} %: {done_hours:,.0f} of {total:,.0f} room-hours", highlight=False)


def _judge_log(log: str, truth: str) -> "Measurement":
    from worker.lab.evaluate.rooms import judge_log, read_truths
    from worker.lab.evaluate.summary import Measurement
    from worker.partition.rooms import BreakerTripped
    from worker.tools.roomlog import Faults, RoomLogError

    faults = Faults()
    try:
        outcomes = judge_log(log, read_truths(truth), faults)
    except (RoomLogError, BreakerTripped, ValueError) as error:
        raise click.ClickException(str(error)) from error
    tell_faults(faults)
    if not outcomes:
        raise click.ClickException(f"{log} holds none of the rooms that {truth} tells of.")
    return Measurement(challenged=outcomes)


def _command(ctx: click.Context) -> str:
    """The command as it was given, but for what changes no figure."""
    words = ["stream-audit", "evaluate"]
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        given = ctx.get_parameter_source(parameter.name or "") == click.core.ParameterSource.COMMANDLINE
        if given and parameter.name not in ("jobs", "as_json", "report", "results"):
            words.append(parameter.opts[0])
            if not isinstance(value, bool):
                words.append(str(value))
    return shlex.join(words)


def _print(summary: "Summary", as_json: bool) -> None:
    import msgspec

    from worker.cli.terminal import Screen
    from worker.lab.evaluate.tables import sheets

    screen = Screen()
    if as_json:
        screen.json(msgspec.json.decode(msgspec.json.encode(summary)), indent=None)
        return
    for sheet in sheets(summary):
        screen.table(
            sheet.header, sheet.rows, title=sheet.title, right=sheet.header[1:], fold=sheet.header, framed=False
        )
        screen.line()
    if summary.rooms:
        what = "synthetic" if summary.synthetic else "labelled"
        screen.line(f"{summary.rooms:,} {what} rooms, {summary.hours:,.0f} room-hours, {summary.events:,} events")
