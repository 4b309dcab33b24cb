"""`evaluate`: how soon guilty rooms are seen, how often honest ones are accused; on simulated or labelled rooms."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.lab.evaluate.run import Job
    from worker.lab.evaluate.summary import Summary
    from worker.lab.evaluate.watch import Outcome


@click.command(name="evaluate")
@click.option("--archetypes", metavar="NAMES", help="Comma-separated.  [default: all that `simulate --list` names]")
@click.option("--seeds", type=click.IntRange(1, 100_000), default=10, show_default=True, help="Rooms per archetype.")
@click.option("--first-seed", type=click.IntRange(0), default=1_000, show_default=True, help="Seed of the first room.")
@click.option("--hours", type=click.FloatRange(0.1, 48), default=6.0, show_default=True, help="Length of each room.")
@click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: one per CPU]")
@click.option("--no-challenges", is_flag=True, help="As on a platform that challenges nobody.")
@click.option("--ablation-seeds", type=click.IntRange(0), default=0, show_default=True,
              help="Judge that many rooms per guilty archetype again, with sources switched off.")  # fmt: skip
@click.option("--log", type=click.Path(exists=True, dir_okay=False), help="A labelled room log in place of simulation.")
@click.option("--truth", type=click.Path(exists=True, dir_okay=False), help="What each room of --log is.")
@click.option("--bound", is_flag=True, help="Instead: show the guaranteed rates of false alarms under null hypotheses.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in place of tables.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write a Markdown document with plots.")
@click.pass_context
def evaluate(
    ctx: click.Context,
    archetypes: str | None,
    seeds: int,
    first_seed: int,
    hours: float,
    jobs: int | None,
    no_challenges: bool,
    ablation_seeds: int,
    log: str | None,
    truth: str | None,
    bound: bool,
    as_json: bool,
    out: Path | None,
) -> None:
    """Measure the detection: delays, false alarms, what each signal is worth.

    Simulated rooms are synthetic and say so. Exit code 1: --bound found a rate above its guarantee.

    \b
    Example:
      stream-audit evaluate --archetypes loop,standby,responsive --seeds 50 --hours 6
      stream-audit evaluate --log rooms.jsonl.zst --truth truth.jsonl --json
    """
    if bound:
        _bound(as_json, seeds)
        return
    if no_challenges and ablation_seeds:
        raise click.UsageError("--ablation-seeds switches challenges off by itself; leave out --no-challenges.")
    if (log is None) != (truth is None):
        raise click.UsageError("--log and --truth belong together.")
    if log is not None and truth is not None:
        summary = _judge_log(log, truth)
    else:
        names = _known(archetypes)
        cast = _cast(names, range(first_seed, first_seed + seeds), hours, no_challenges, ablation_seeds)
        summary = _simulate(cast, jobs or os.cpu_count() or 1, no_challenges)
    if out is not None:
        from worker.lab.evaluate.document import write

        for path in write(out, summary, _command(ctx)):
            click.echo(f"wrote {path}", err=True)
    _print(summary, as_json)


def _known(archetypes: str | None) -> list[str]:
    from worker.lab.simulate import ARCHETYPES

    names = [name for name in archetypes.split(",") if name] if archetypes else list(ARCHETYPES)
    if unknown := [name for name in names if name not in ARCHETYPES]:
        raise click.UsageError(f"no archetype {', '.join(unknown)}; `stream-audit simulate --list` lists them.")
    return list(dict.fromkeys(names))


def _cast(names: list[str], seeds: range, hours: float, no_challenges: bool, ablation_seeds: int) -> list["Job"]:
    from worker.lab.evaluate.run import ABLATIONS, Job
    from worker.lab.simulate import ARCHETYPES

    cast = [Job(name, seed, hours, ("challenges",) if no_challenges else ()) for seed in seeds for name in names]
    return cast + [
        Job(name, seed, hours, without)
        for seed in seeds[:ablation_seeds]
        for name in names
        if not ARCHETYPES[name].honest
        for without in ABLATIONS
    ]


def _simulate(cast: list["Job"], jobs: int, no_challenges: bool) -> "Summary":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from worker.cli.terminal import console
    from worker.lab.evaluate.run import run
    from worker.lab.evaluate.summary import summarise

    plain = ("challenges",) if no_challenges else ()
    outcomes: list[Outcome] = []
    ablated: list[tuple[tuple[str, ...], Outcome]] = []
    screen = console(stderr=True)
    columns = (TextColumn("rooms"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        for job, outcome in bar.track(run(cast, jobs), total=len(cast)):
            if job.without == plain:
                outcomes.append(outcome)
            else:
                ablated.append((job.without, outcome))
    return summarise(outcomes, ablated, synthetic=True)


def _judge_log(log: str, truth: str) -> "Summary":
    from worker.lab.evaluate.run import judge_log, read_truths
    from worker.lab.evaluate.summary import summarise
    from worker.lab.roomlog import RoomLogError

    try:
        outcomes = judge_log(log, read_truths(truth))
    except (RoomLogError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if not outcomes:
        raise click.ClickException(f"{log} holds none of the rooms that {truth} tells of.")
    return summarise(outcomes, synthetic=False)


def _command(ctx: click.Context) -> str:
    """The command as it was given."""
    words = ["stream-audit", "evaluate"]
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        given = ctx.get_parameter_source(parameter.name or "") == click.core.ParameterSource.COMMANDLINE
        if given and parameter.name not in ("jobs", "as_json"):
            words.append(parameter.opts[0])
            if not isinstance(value, bool):
                words.append(str(value))
    return shlex.join(words)


def _print(summary: "Summary", as_json: bool) -> None:
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(summary))
        return
    from rich.table import Table

    from worker.cli.terminal import console
    from worker.lab.evaluate.tables import sheets

    screen = console()
    for sheet in sheets(summary):
        table = Table(title=sheet.title, title_justify="left", box=None, pad_edge=False)
        for i, name in enumerate(sheet.header):
            table.add_column(name, justify="right" if i else "left")
        for row in sheet.rows:
            table.add_row(*row)
        screen.print(table, highlight=False)
        screen.print()
    what = "synthetic" if summary.synthetic else "labelled"
    screen.print(f"{summary.rooms:,} {what} rooms, {summary.hours:,.0f} room-hours, {summary.events:,} events",
                 highlight=False)  # fmt: skip


def _bound(as_json: bool, seeds: int) -> None:
    """Show the guarantee; `seeds` scales the number of runs."""
    from rich.table import Table

    from worker.cli.terminal import console
    from worker.lab.evaluate.bound import CASES, measure

    measured = [found for case in CASES for found in measure(case, runs=case.runs * seeds // 10 or 1, seed=1)]
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(measured))
    else:
        table = Table(title="First alarms per room-hour under null hypotheses, in 12 h (synthetic)", box=None)
        for i, name in enumerate(("null hypothesis", "method", "level", "per room-hour", "bound", "guarantee")):
            table.add_column(name, justify="right" if i > 2 else "left")
        for one in measured:
            rate = f"{one.per_hour:.1e} ± {one.error:.0e}"
            table.add_row(one.case, one.method, one.level, rate, f"{one.bound:.0e}", one.verdict)
        console().print(table, highlight=False)
    if any(one.verdict == "broken" for one in measured):
        raise SystemExit(1)
