"""`stream-audit run`: the worker in the foreground."""

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from worker.cli.printable import printable, printable_block, printable_json
from worker.settings import Settings, SettingsError, describe, load_settings

if TYPE_CHECKING:
    from worker.engine.startup import Partitions
    from worker.policy.book import PolicyBook
    from worker.policy.judge import Judge
    from worker.transport.policies import PolicyTopic

LIBRARIES = ("faust", "mode", "aiokafka", "kafka")


class SettingsHelp(click.Command):
    """Help with the table of settings, taken from `worker.settings`."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Settings (environment)"):
            formatter.write_dl(
                [(name, about + (f" [{default}]" if default else "")) for name, default, about in describe()]
            )
        with formatter.section("Example"):
            formatter.write_text("STREAM_AUDIT_BROKERS=127.0.0.1:9092 stream-audit run")


@click.command("run", cls=SettingsHelp)
@click.option("--check", is_flag=True, help="Check settings, policies and topics, then exit.")
def run(check: bool) -> None:
    """Run the worker: Kafka in, violations out. Ends on SIGTERM or SIGINT, with all work committed.

    Where no broker answers it ends all the same, within 15 s, and says what it could not commit.

    Exit codes: 0 ended as asked, 1 could not start or had to stop, 2 wrong usage.
    """
    try:
        settings = load_settings(os.environ)
    except SettingsError as wrong:
        _give_up("settings", wrong.problems)
    _set_up_logging(settings)
    judge = _judge(settings.policies_dir)
    from worker.engine.startup import StartError, check_topics

    policies = None
    try:
        partitions = asyncio.run(check_topics(settings))
        if settings.policies == "topic":
            policies = asyncio.run(_read_published(settings, judge))
    except (StartError, OSError) as wrong:
        _give_up("start", getattr(wrong, "problems", [str(wrong)]))
    _announce(settings, partitions, policies.feed.book if policies else judge.book)
    if check:
        click.echo("settings, policies and topics are fine")
        return
    _serve(settings, partitions, judge, policies)


async def _read_published(settings: Settings, judge: "Judge") -> "PolicyTopic":
    from worker.engine.startup import StartError
    from worker.policy.signing import read_roots
    from worker.topics import POLICIES_TOPIC
    from worker.transport.lone import lone_consumer
    from worker.transport.policies import PolicyTopic

    roots = read_roots(settings.root_keys)
    topic = settings.topic(POLICIES_TOPIC)
    policies = PolicyTopic(topic, lambda: lone_consumer(settings, "none"), judge.book, roots)
    try:
        await policies.read_to_end()
    except Exception as problem:  # a client's error of any kind has one meaning here
        raise StartError([f"{policies.topic} cannot be read to its end: {type(problem).__name__}"]) from problem
    return policies


def _serve(settings: Settings, partitions: "Partitions", judge: "Judge", policies: "PolicyTopic | None") -> None:
    """Runs until a signal; leaves the process with the worker's code."""
    import faust

    from worker import clock, metrics
    from worker.engine import health
    from worker.engine.app import build_app
    from worker.engine.process import MemoryGuard

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        worker = build_app(settings, partitions=partitions, judge=judge, policies=policies)
    except OSError as wrong:
        _give_up("start", [f"a certificate or key cannot be used: {wrong}"])
    metrics.watch_gc(clock.monotonic_s)
    MemoryGuard().start()
    try:
        port, _ = health.serve(
            settings.metrics_host, settings.metrics_port, worker.health, metrics.registry(worker.readings)
        )
    except OSError as wrong:
        _give_up("start", [f"cannot listen on {settings.metrics_host}:{settings.metrics_port}: {wrong}"])
    host = f"[{settings.metrics_host}]" if ":" in settings.metrics_host else settings.metrics_host
    click.echo(printable(f"metrics and health  http://{host}:{port}/metrics /livez /readyz"))
    sys.stdout.flush()
    foreground = faust.Worker(worker.app, loop=loop, override_logging=False, redirect_stdouts=False, quiet=True)
    foreground.spinner = None  # it writes control characters into logs
    foreground.execute_from_commandline()


def _judge(directory: Path) -> "Judge":
    from worker import clock
    from worker.policy.judge import Judge
    from worker.policy.model import PolicyErrors
    from worker.tools.policyfiles import read_policies

    try:
        return Judge(read_policies(directory), clock=clock.monotonic_s)
    except (FileNotFoundError, ValueError) as wrong:
        _give_up("policies", [str(wrong)])
    except PolicyErrors as wrong:
        _give_up("policies", str(wrong).splitlines())


def _announce(settings: Settings, partitions: "Partitions", book: "PolicyBook") -> None:
    from worker import __version__
    from worker.topics import EVENTS_TOPIC

    policies = {policy.ref.id: policy.ref.version for policy in book.policies}
    rules = sum(len(policy.rules) for policy in book.policies)
    keyring = "no keyring" if book.keyring is None else f"keyring {book.keyring.version}"
    rows = (
        ("stream-audit", __version__),
        ("Kafka", f"{settings.brokers} ({settings.security_protocol})"),
        ("group", settings.app_id + (f", member {settings.instance_id}" if settings.instance_id else "")),
        (
            "room log",
            f"{settings.topic(EVENTS_TOPIC)}, {partitions.rooms} partitions; identities {partitions.identities}",
        ),
        ("policies", f"{', '.join(f'{name} v{version}' for name, version in policies.items())}; {rules} rules"),
        ("policies from", settings.policies + (f", {keyring}" if settings.policies == "topic" else "")),
        *([("broker lacks", settings.broker_lacks)] if settings.broker_lacks else []),
    )
    for name, value in rows:
        click.echo(printable(f"{name:<19} {value}"))


def _give_up(stage: str, problems: list[str]) -> NoReturn:
    for problem in problems:
        click.echo(printable_block(f"{stage}: {problem}"), err=True)
    sys.exit(1)


class _PlainLines(logging.Formatter):
    """Lines for people; those of a record after its first, such as a traceback's, are indented."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_block(super().format(record))


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return printable_json(line)


def _set_up_logging(settings: Settings) -> None:
    """Our own messages at the level asked for, libraries' only when something is wrong (or all with DEBUG).

    What repeats is limited (`worker.engine.loglines`).
    """
    from worker import clock
    from worker.engine.loglines import LimitedHandler, Limiter

    handler = LimitedHandler(sys.stderr, Limiter(clock.monotonic_s))
    handler.setFormatter(
        _JsonLines() if settings.log_json else _PlainLines("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    handler.start()
    if settings.log_level == "DEBUG":
        # It would log every request as it is: passwords, tokens, comments.
        logging.getLogger("aiokafka.conn").setLevel(logging.INFO)
    else:
        for library in LIBRARIES:
            logging.getLogger(library).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
