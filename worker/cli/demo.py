"""`demo`: embedded broker, the real worker and simulated rooms in one terminal, with a live table."""

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.interrupt import interrupts

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from worker.cli.terminal import Screen
    from worker.lab.demo import Feeder, Row, Watcher, Worker
    from worker.tools.replay import ViolationLine
    from worker.tools.roomlog import Writer

FAMILIES = ("AI", "PLAY", "NONINT", "CHALLENGE")
STYLES = {"watch": "cyan", "label": "yellow", "limit": "red", "restrict": "bold red"}
PLAY_S = 32.0  # how long the rooms play, unless --speed says otherwise
START_TIMEOUT_S = 60.0
DRAIN_TIMEOUT_S = 30.0
QUIET_S = 1.5
REFRESH_S = 0.25
PLAIN_EVERY_S = 5.0
FLUSH_EVERY_S = 5.0
ACCOUNTING = ("read", "applied", "duplicate", "late", "replay_skipped", "rejected")
WIDE_CELLS = 150
FIXED_CELLS = {"time": 8} | {family: max(8, len(family)) for family in FAMILIES}  # the others give way


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
    default=Path("build/demo"),
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
    from worker.lab.demo import PARTITIONS, Feeder, Watcher, Worker, cast, rows_of
    from worker.lab.mockcluster import MockCluster
    from worker.tools.roomlog import Writer
    from worker.topics import (
        DEAD_LETTERS_TOPIC,
        EVENTS_TOPIC,
        IDENTITIES_TOPIC,
        REGISTRY_TOPIC,
        REQUESTS_TOPIC,
        ROOMS_TOPIC,
        VIOLATIONS_TOPIC,
    )

    out.mkdir(parents=True, exist_ok=True)
    screen = Screen(stderr=as_json)
    rooms = cast(rooms_wanted, seed)
    duration_ms = minutes * 60_000
    finished = False
    with ExitStack() as stack:
        stack.enter_context(interrupts())
        cluster = stack.enter_context(MockCluster())
        written = (VIOLATIONS_TOPIC, ROOMS_TOPIC, REQUESTS_TOPIC, DEAD_LETTERS_TOPIC, CHANGELOG_TOPIC)
        for topic in (EVENTS_TOPIC, IDENTITIES_TOPIC, REGISTRY_TOPIC, IDENTITIES_CHANGELOG_TOPIC, *written):
            cluster.create_topic(topic, PARTITIONS)
        worker = stack.enter_context(Worker(cluster.bootstrap, out / "worker.log"))
        log = stack.enter_context(Writer(out / "log.jsonl.zst"))
        violations = stack.enter_context(Writer(out / "violations.jsonl"))
        watcher = Watcher(cluster.bootstrap, log)
        stack.callback(watcher.close)
        show = Show(screen, rows_of(rooms), worker, watcher, (log, violations), cluster.bootstrap)
        feeder = Feeder(
            cluster.bootstrap,
            rooms,
            duration_ms=duration_ms,
            speed=speed or max(1.0, duration_ms / 1000 / PLAY_S),
            lag=show.lag,
        )
        stack.callback(feeder.halt)
        try:
            show.run(feeder)
            finished = True
            if keep:
                show.summary(out, as_json=as_json, kept=True)
                show.stay()
        except KeyboardInterrupt:
            with suppress(OSError):  # after a hang-up there is no terminal
                screen.line("stopping the worker" if finished else "interrupted; stopping the worker")
    if not (finished and keep):
        show.summary(out, as_json=as_json)
    if not finished:
        raise SystemExit(1)


CHANGELOG_TOPIC = "stream-audit-rooms-changelog"
IDENTITIES_CHANGELOG_TOPIC = "stream-audit-identities-changelog"


@dataclass
class Show:
    """The demo on screen: a live table on a terminal, lines elsewhere."""

    screen: "Screen"
    rows: "dict[str, Row]"
    worker: "Worker"
    watcher: "Watcher"
    logs: "tuple[Writer, Writer]"
    bootstrap: str
    feeder: "Feeder | None" = None
    seen: "list[ViolationLine]" = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    rate: float = 0.0
    peak_rate: float = 0.0
    _metrics_at_s: float = 0.0
    _moved_s: float = 0.0
    _plain_s: float = 0.0
    _flushed_s: float = 0.0

    def lag(self) -> int:
        """Records fed, or seen in the room log, and not yet read by the worker and here, as of the last look."""
        fed = max(self.feeder.fed if self.feeder is not None else 0, self.watcher.logged)
        return fed - min(self.watcher.logged, int(self.metrics.get("read_total", 0)))

    def run(self, feeder: "Feeder") -> None:
        """Wait for the worker, play the rooms, wait until all is judged. Raises ClickException when it cannot."""
        from rich.live import Live

        self.screen.line(
            "Kafka here is librdkafka's in-process mock cluster: nothing it holds is durable.", style="dim"
        )
        self._await_ready()
        self.feeder = feeder
        feeder.start()
        if not self.screen.console.is_terminal:
            self._play(None)
            return
        with Live(self._table(), console=self.screen.console, refresh_per_second=4, transient=False) as live:
            self._play(live)

    def stay(self) -> None:
        """Keep broker and worker up until KeyboardInterrupt. Raises ClickException when the worker ends."""
        while True:
            self._take(REFRESH_S)
            if reason := self.worker.failed():
                raise click.ClickException(reason)

    def _await_ready(self) -> None:
        from worker.clock import monotonic_s

        began_s = monotonic_s()
        with self.screen.console.status("starting the worker …"):
            while not self.worker.ready():
                if reason := self.worker.failed():
                    raise click.ClickException(reason)
                if monotonic_s() - began_s > START_TIMEOUT_S:
                    raise click.ClickException(f"the worker was not ready within {START_TIMEOUT_S:.0f} s")
                self._take(REFRESH_S)
        self.screen.line(f"worker ready after {monotonic_s() - began_s:.1f} s")

    def _play(self, live: "Live | None") -> None:
        from worker.clock import monotonic_s

        self._moved_s = monotonic_s()
        ended_s = 0.0
        while True:
            self._take(REFRESH_S)
            if live is not None:
                live.update(self._table())
            else:
                self._plain(monotonic_s())
            if reason := self.worker.failed():
                raise click.ClickException(reason)
            assert self.feeder is not None
            if self.feeder.error:
                raise click.ClickException(f"feeding stopped: {self.feeder.error}")
            if self.feeder.done:
                ended_s = ended_s or monotonic_s()
                if monotonic_s() - self._moved_s > QUIET_S and self.lag() <= 0:
                    return
                if monotonic_s() - ended_s > DRAIN_TIMEOUT_S:
                    raise click.ClickException(f"the worker is still {self.lag():,} records behind; see worker.log")

    def _take(self, seconds: float) -> None:
        """Take what the worker published in the next `seconds`, and look at its metrics once a second."""
        import msgspec

        from worker.clock import monotonic_s
        from worker.tools.replay import encode_line

        fresh = self.watcher.poll(self.rows, seconds)
        for line in fresh:
            self.logs[1].line(encode_line(line))
            self.seen.append(line)
            row = self.rows.get(line.key)
            if row is not None:
                violation = msgspec.json.decode(line.value)
                row.last_violation = f"{violation['rule']['id']} {violation['transition']}"
        now_s = monotonic_s()
        if fresh:
            self._moved_s = now_s
        if now_s - self._flushed_s >= FLUSH_EVERY_S:
            self.flush()
            self._flushed_s = now_s
        if now_s - self._metrics_at_s >= 1.0:
            before = self.metrics.get("read_total", 0.0)
            if metrics := self.worker.metrics():
                self.metrics = metrics
                read = metrics.get("read_total", 0.0)
                self.rate = (read - before) / (now_s - self._metrics_at_s) if self._metrics_at_s else 0.0
                self.peak_rate = max(self.peak_rate, self.rate)
                if read > before:
                    self._moved_s = now_s
            self._metrics_at_s = now_s

    def flush(self) -> None:
        """Hand what was written to the system, so that it can be read, even if this process is killed."""
        for log in self.logs:
            log.flush()

    def _status(self) -> str:
        from worker.tools.times import time_of

        assert self.feeder is not None
        return (
            f"event time {time_of(self.feeder.at_ms)}   fed {self.feeder.fed:,}   {self.rate:,.0f} events/s   "
            f"lag {max(0, self.lag()):,}   violations {len(self.seen)}   {self.worker.metrics_url}"
        )

    def _plain(self, now_s: float) -> None:
        if now_s - self._plain_s < PLAIN_EVERY_S:
            return
        self._plain_s = now_s
        self.screen.line(self._status())

    def _table(self) -> "Table":
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        from worker.cli.printable import printable

        wide = self.screen.console.width >= WIDE_CELLS
        caption = self._status() if self.feeder else None
        table = Table(caption=caption, caption_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for name in ("room", *(("what it is",) if wide else ()), "time", *FAMILIES, "open", "last violation"):
            table.add_column(name, no_wrap=True, min_width=FIXED_CELLS.get(name))
        for row in self.rows.values():
            room_id = row.truth.room_id
            levels = [Text(row.levels.get(f, "·"), style=STYLES.get(row.levels.get(f, ""), "dim")) for f in FAMILIES]
            table.add_row(
                Text(room_id.replace("wechat_channels:", "wechat:"), style="green" if row.truth.honest else "magenta"),
                *((row.truth.title,) if wide else ()),
                _clock(row.at_ms),
                *levels,
                printable(" ".join(row.episodes)),
                printable(row.last_violation),
            )
        return table

    def summary(self, out: Path, *, as_json: bool, kept: bool = False) -> None:
        """Print what happened, beside what is true of the rooms; with `kept`, also what is up and can be tried."""
        import msgspec

        by_room: dict[str, list[str]] = {room_id: [] for room_id in self.rows}
        shadow: dict[str, list[str]] = {}
        opened: list[dict[str, Any]] = []
        for line in self.seen:
            violation = msgspec.json.decode(line.value)
            if violation["transition"] != "opened" or line.key not in by_room:
                continue
            if violation["mode"] == "live":
                opened.append(violation)
                by_room[line.key].append(violation["rule"]["id"])
            elif self.rows[line.key].truth.honest:
                shadow.setdefault(line.key, []).append(violation["rule"]["id"])
        fed = self.watcher.logged
        honest = [row for row in self.rows.values() if row.truth.honest]
        touched = [row for row in honest if by_room[row.truth.room_id]]
        missed = {
            row.truth.room_id: sorted(set(row.truth.expects) - set(by_room[row.truth.room_id]))
            for row in self.rows.values()
        }
        missed = {room_id: rules for room_id, rules in missed.items() if rules}
        facts = {
            "events": fed,
            "accounting": {name: int(self.metrics.get(f"{name}_total", 0)) for name in ACCOUNTING},
            "peak_events_per_s": round(self.peak_rate),
            "violations": {room_id: rules for room_id, rules in by_room.items() if rules},
            "records": len(self.seen),
            "repeats": self.watcher.repeats,
            "dead_letters": self.watcher.dead_letters,
            "honest_rooms": len(honest),
            "honest_rooms_touched": [row.truth.room_id for row in touched],
            "shadow_on_honest_rooms": shadow,
            "missed": missed,
            "log": str(out / "log.jsonl.zst"),
            "explain": _command(opened, out),
        }
        if kept:
            self.flush()
            facts |= {"bootstrap": self.bootstrap, "metrics": self.worker.metrics_url}
        if as_json:
            from worker.cli.terminal import Screen

            Screen().json(facts)
        else:
            _print_summary(self.screen, facts, self.rows, by_room, out)
        if kept:
            _print_kept(self.screen, facts)


def _clock(at_ms: int) -> str:
    from worker.tools.times import time_of

    return time_of(at_ms)[11:19] if at_ms else ""


def _command(opened: list[dict[str, Any]], out: Path) -> str:
    """The `explain` command to run next: a violation that statistics led to shows most."""
    if not opened:
        return ""
    best = max(opened, key=lambda violation: len(violation["evidence"]))
    place = "" if out == Path("build/demo") else f" --from {out}"
    return f"stream-audit explain {best['violation_id']}{place}"


def _print_summary(
    screen: "Screen", facts: dict[str, Any], rows: "dict[str, Row]", by_room: dict[str, list[str]], out: Path
) -> None:
    guilty = [(row.truth.room_id, row.truth.title, ", ".join(by_room[row.truth.room_id])) for row in rows.values()]
    names = ("room", "what it is", "rules opened")
    screen.table(names, [row for row in guilty if row[2]], title="Violations (live rules)", fold=names[1:])
    touched = facts["honest_rooms_touched"]
    screen.line(
        f"honest rooms: {facts['honest_rooms']}, "
        + ("none touched" if not touched else f"TOUCHED: {', '.join(touched)}"),
        style="green" if not touched else "bold red",
    )
    if shadow := facts["shadow_on_honest_rooms"]:
        count = sum(map(len, shadow.values()))
        where = "; ".join(f"{room_id}: {', '.join(rules)}" for room_id, rules in shadow.items())
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
    screen.line(f"room log: {facts['log']}   violations: {out / 'violations.jsonl'}")
    if facts["explain"]:
        screen.line()
        screen.line("Next:")
        screen.command(f"  {facts['explain']}")


def _print_kept(screen: "Screen", facts: dict[str, Any]) -> None:
    bootstrap = facts["bootstrap"]
    screen.line()
    screen.line(f"Broker and worker stay up until Ctrl-C. Kafka is at {bootstrap}. Try:")
    explain = facts["explain"].partition(" --from ")[0]
    for command in (
        *([f"{explain} --bootstrap {bootstrap}"] if explain else []),
        f"stream-audit dlq ls --bootstrap {bootstrap}",
        f"curl {facts['metrics']}",
    ):
        screen.command(f"  {command}")
