"""`demo`: embedded broker, the real worker and simulated rooms in one terminal, with a live table."""

from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.files import DEFAULT_FROM
from worker.cli.interrupt import interrupts
from worker.cli.printable import printable

if TYPE_CHECKING:
    from rich.console import Group

    from worker.cli.terminal import Screen
    from worker.lab.demo.play import Play

FAMILIES = ("AI", "PLAY", "NONINT", "CHALLENGE")
STYLES = {"watch": "cyan", "label": "yellow", "limit": "red", "restrict": "bold red"}
PLAY_S = 32.0  # how long the rooms play, unless --speed says otherwise
REFRESH_S = 0.25
PLAIN_EVERY_S = 5.0
WIDE_CELLS = 150
NARROW_CELLS = 110
LEVEL_CELLS = {family: max(8, len(family)) for family in FAMILIES}


@click.command(name="demo")
@click.option("--rooms", "rooms_wanted", type=click.IntRange(1, 200), default=16, show_default=True, help="Rooms.")
@click.option(
    "--minutes", type=click.IntRange(5, 1_440), default=180, show_default=True, help="Event time that passes."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same rooms.")
@click.option("--speed", type=click.FloatRange(1, 100_000), help="Event time ÷ real time.  [default: ends in time]")
@click.option("--keep", is_flag=True, help="Stay up after the end, until Ctrl-C.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_FROM,
    show_default=True,
    help="Where room log, violations and the worker's log are written.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object, and no table.")
def demo(rooms_wanted: int, minutes: int, seed: int, speed: float | None, keep: bool, out: Path, as_json: bool) -> None:
    """Watch the worker judge simulated rooms; needs neither Java nor Docker.

    Exit code 0: the worker ran to the end; 1: it did not. Afterwards, `explain` works on what was written.
    Ctrl-C, SIGTERM and a closed terminal stop the worker too, and what was written is whole.

    \b
    Example:
      stream-audit demo --rooms 18 --minutes 120
    """
    from worker.cli.terminal import Screen
    from worker.lab.demo.cast import cast
    from worker.lab.demo.play import DemoError, Play
    from worker.lab.demo.summary import facts_of

    screen = Screen(stderr=as_json)
    duration_ms = minutes * 60_000
    speed = speed or max(1.0, duration_ms / 1000 / PLAY_S)
    finished = False
    try:
        with ExitStack() as stack:
            stack.enter_context(interrupts())
            play = stack.enter_context(Play(cast(rooms_wanted, seed), out, duration_ms=duration_ms, speed=speed))
            try:
                _watch(play, screen)
                finished = True
                if keep:
                    play.flush()
                    _summarise(screen, play, facts_of(play, kept=True), as_json)
                    _stay(play)
            except KeyboardInterrupt:
                with suppress(OSError):  # after a hang-up there is no terminal
                    screen.line("stopping the worker" if finished else "interrupted; stopping the worker")
    except DemoError as error:
        raise click.ClickException(str(error)) from error
    if not (finished and keep):
        _summarise(screen, play, facts_of(play), as_json)
    if not finished:
        raise SystemExit(1)


def _watch(play: "Play", screen: "Screen") -> None:
    """Wait for the worker, play the rooms and show them: a live table on a terminal, lines elsewhere."""
    from rich.live import Live

    from worker.clock import monotonic_s

    screen.line("Kafka here is librdkafka's in-process mock cluster: nothing it holds is durable.", style="dim")
    screen.line(f"It lacks {play.banner}: times are what the producers say.", style="dim")
    began_s = monotonic_s()
    with screen.console.status("starting the worker …"):
        while not play.ready():
            play.take(REFRESH_S)
    screen.line(f"worker ready after {monotonic_s() - began_s:.1f} s")
    play.begin()
    if screen.console.is_terminal:
        with Live(_picture(play, screen), console=screen.console, refresh_per_second=4, transient=False) as live:
            while not play.over():
                play.take(REFRESH_S)
                live.update(_picture(play, screen))
        return
    told_s = 0.0
    while not play.over():
        play.take(REFRESH_S)
        if monotonic_s() - told_s >= PLAIN_EVERY_S:
            told_s = monotonic_s()
            screen.line(_status(play))


def _stay(play: "Play") -> None:
    """Keep broker and worker up until KeyboardInterrupt."""
    while True:
        play.take(REFRESH_S)
        play.check()


def _status(play: "Play") -> str:
    from worker.tools.times import time_of

    return (
        f"event time {time_of(play.feeder.at_ms)}   fed {play.feeder.fed:,}   {play.rate:,.0f} events/s   "
        f"lag {max(0, play.lag()):,}   violations {len(play.seen)}   {play.worker.metrics_url}"
    )


def _picture(play: "Play", screen: "Screen") -> "Group":
    """The live table; a wide terminal shows more of each room, a narrow one no platform and no last violation."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from worker.tools.times import time_of

    wide, narrow = screen.console.width >= WIDE_CELLS, screen.console.width < NARROW_CELLS
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    names = ("room", "what it is", "time", *FAMILIES, "open", "last violation")
    fixed = {"time": 8 if wide else 5, **LEVEL_CELLS}  # the others give way
    left_out = {"last violation"} if narrow else set()
    left_out |= set() if wide else {"what it is"}
    for name in names:
        if name not in left_out:
            table.add_column(name, no_wrap=True, min_width=fixed.get(name))
    for row in play.rows.values():
        platform, _, short = row.truth.room_id.partition(":")
        room_id = short if narrow else f"{platform.removesuffix('_channels')}:{short}"
        levels = [Text(row.levels.get(f, "·"), style=STYLES.get(row.levels.get(f, ""), "dim")) for f in FAMILIES]
        cells: tuple[Text | str, ...] = (
            Text(room_id, style="green" if row.truth.honest else "magenta"),
            row.truth.title,
            time_of(row.at_ms)[11 : 19 if wide else 16] if row.at_ms else "",
            *levels,
            printable(" ".join(row.episodes)),
            printable(row.last_violation),
        )
        table.add_row(*(cell for name, cell in zip(names, cells, strict=True) if name not in left_out))
    return Group(table, Text(_status(play), style="dim"))


def _summarise(screen: "Screen", play: "Play", facts: dict[str, Any], as_json: bool) -> None:
    out = play.log_path.parent
    place = "" if out == DEFAULT_FROM else f" --from {out}"
    shown = facts.pop("violation_shown")
    explain = f"stream-audit explain {shown}" if shown else ""
    if as_json:
        from worker.cli.terminal import Screen

        Screen().json(facts | {"explain": explain + place if explain else ""})
    else:
        _print_summary(screen, play, facts)
        if explain:
            screen.line()
            screen.line("Next:")
            screen.command(f"  {explain}{place}")
    if bootstrap := facts.get("bootstrap"):
        screen.line()
        screen.line(f"Broker and worker stay up until Ctrl-C. Kafka is at {bootstrap}. Try:")
        if explain:
            screen.command(f"  {explain} --bootstrap {bootstrap}")
        screen.command(f"  stream-audit dlq ls --bootstrap {bootstrap}")
        screen.command(f"  curl {facts['metrics']}")


def _times(rules: list[str]) -> str:
    """The rules in the order in which they opened, and how often when that is more than once."""
    return ", ".join(f"{rule} ×{count}" if count > 1 else rule for rule, count in Counter(rules).items())


def _print_summary(screen: "Screen", play: "Play", facts: dict[str, Any]) -> None:
    names = ("room", "what it is", "rules opened")
    opened = [(room_id, play.rows[room_id].truth.title, ", ".join(rules))
              for room_id, rules in facts["violations"].items()]  # fmt: skip
    screen.table(names, opened, title="Violations (live rules)", fold=names[1:])
    touched = facts["honest_rooms_touched"]
    screen.line(
        f"honest rooms: {facts['honest_rooms']}, "
        + ("none touched" if not touched else f"TOUCHED: {', '.join(touched)}"),
        style="green" if not touched else "bold red",
    )
    if shadow := facts["shadow_on_honest_rooms"]:
        count = sum(map(len, shadow.values()))
        where = "; ".join(f"{room_id}: {_times(rules)}" for room_id, rules in shadow.items())
        what = f"shadow rules opened {count} times on honest rooms and recommended nothing: {where}"
        screen.line(what, style="yellow")
    for room_id, rules in facts["missed"].items():
        screen.line(f"not found in {room_id} (yet): {', '.join(rules)}", style="yellow")
    accounting = ", ".join(f"{name.replace('_', '-')} {count:,}" for name, count in facts["accounting"].items())
    screen.line(f"accounted for by the worker: {accounting}")
    screen.line(
        f"{facts['events']:,} events, up to {facts['peak_events_per_s']:,}/s; {facts['records']} violation records, "
        f"{facts['repeats']} repeats, {facts['dead_letters']} dead letters"
    )
    screen.line(f"room log: {facts['log']}   violations: {play.violations_path}")
