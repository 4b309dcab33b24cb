"""`policy push`, `baseline`, `switch` and `ls`: the policies' topic."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker import clock
from worker.cli.book import load
from worker.cli.files import INPUT_DIRECTORY, INPUT_FILE
from worker.cli.terminal import Screen, note
from worker.policy.model import PolicyErrors
from worker.settings import root_keys
from worker.tools import policytopic, publishing, switching
from worker.tools.keyfiles import KeyFileError, read_key_file
from worker.tools.times import time_of
from worker.topics import POLICIES_TOPIC

if TYPE_CHECKING:
    from worker.policy.book import PolicyBook
    from worker.policy.signing import Signer

BOOTSTRAP_HELP = "Kafka broker(s), comma-separated."
BOOTSTRAP = click.option("--bootstrap", required=True, metavar="HOST:PORT", help=BOOTSTRAP_HELP)
TOPIC = click.option("--topic", default=POLICIES_TOPIC, show_default=True, help="The policies' topic.")
BASE = click.option(
    "--policies",
    "base",
    type=INPUT_DIRECTORY,
    help="Directory of the files that the workers have.  [default: those that ship]",
)
KEY = click.option(
    "--key", type=INPUT_FILE, help="File of the private key of the role policy; without it nothing is signed."
)
DRY_RUN = click.option("--dry-run", is_flag=True, help="Check against the topic, send nothing.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON in place of the table.")
FILES = click.argument("files", nargs=-1, required=True, type=INPUT_FILE)


def base_or_usage_error(directory: Path | None) -> "PolicyBook":
    """Return the policies that workers have as files."""
    book, problems, _ = load((directory,) if directory else ())
    if book is None:
        raise click.UsageError("the files that workers have are wrong themselves: " + str(problems[0]))
    return book


def signer_or_usage_error(path: Path | None) -> "Signer | None":
    """Return the key of a file; None for no file."""
    try:
        return read_key_file(path) if path is not None else None
    except (KeyFileError, OSError) as wrong:
        raise click.UsageError(str(wrong)) from wrong


def chain_of(bootstrap: str, topic: str, base: Path | None, key: Path | None) -> policytopic.Chain:
    """Return the policies' topic for one who writes to it with the key of a file."""
    roots = root_keys(os.environ)
    return policytopic.Chain(bootstrap, topic, base_or_usage_error(base), roots, signer_or_usage_error(key))


@contextmanager
def refusing() -> Iterator[None]:
    """Tell every problem of policies, and what a topic did not let happen. Exit code 1."""
    try:
        yield
    except PolicyErrors as errors:
        for problem in errors.problems:
            note(str(problem))
        raise SystemExit(1) from errors
    except policytopic.PolicyTopicError as error:
        raise click.ClickException(str(error)) from error


def publish(
    chain: policytopic.Chain, make: publishing.Make, *, signer: "Signer | None" = None, dry_run: bool = False
) -> tuple[list[policytopic.Published], switching.Switched | None]:
    """Append links, and have every partition of the room log switch to them, after what was left half done before.

    `signer` signs the links in place of the chain's own key, which signs switches. Raises as `Chain.append`.
    """
    events = switching.room_log_of(chain.topic)
    if not dry_run:
        switching.switch_all(chain, events)
    sent = chain.append(make, signer=signer, dry_run=dry_run)
    done = None if dry_run or not sent else switching.switch_all(chain, events, own=sent[-1].offset)
    return sent, done


def show(
    chain: policytopic.Chain, published: list[policytopic.Published], done: switching.Switched | None,
    *, dry_run: bool = False, as_json: bool = False,
) -> None:  # fmt: skip
    """Print what was published, and how many partitions switched to it."""
    listed = [{"policy": (r.key or b"").decode(), "offset": None if dry_run else r.offset} for r in published]
    screen = Screen()
    if as_json:
        at = {} if done is None else {str(partition): offset for partition, offset in sorted(done.at.items())}
        screen.json({"topic": chain.topic, "published": listed, "switched": at})
        return
    for row in listed:
        where = "would be published; nothing was sent" if dry_run else f"published at {chain.topic}@{row['offset']}"
        screen.line(f"{row['policy']}: {where}")
    if done is not None:
        screen.line(f"{len(done.at)} partitions switch to {chain.topic}@{done.place}")


def _publishing(make: Callable[[tuple[Path, ...]], publishing.Make]) -> Callable[..., None]:
    def run(
        files: tuple[Path, ...], bootstrap: str, topic: str, base: Path | None, key: Path | None, dry_run: bool,
        as_json: bool,
    ) -> None:  # fmt: skip
        chain = chain_of(bootstrap, topic, base, key)
        with refusing():
            sent, done = publish(chain, make(files), dry_run=dry_run)
        show(chain, sent, done, dry_run=dry_run, as_json=as_json)

    return run


@click.command(epilog="Example: stream-audit policy push douyin.yaml --key policy.pem --bootstrap 127.0.0.1:9092")
@FILES
@BOOTSTRAP
@TOPIC
@BASE
@KEY
@DRY_RUN
@AS_JSON
def push(files: tuple[Path, ...], **options: object) -> None:
    """Publish policies to every worker that runs with STREAM_AUDIT_POLICIES=topic.

    All FILES are checked first, as every worker will check them, on top of what is published already; when one is
    wrong, nothing is sent, and every problem is listed as file:line:column. Versions must rise. Then every partition
    of the room log gets a switch, and goes by the new policies from there on. When someone else has published first,
    nothing of yours is in force, and the message says what to look at. Exit code 1 when anything was refused.
    """
    _publishing(publishing.policies)(files, **options)


@click.command(epilog="Example: stream-audit policy baseline --key policy.pem --bootstrap 127.0.0.1:9092")
@BOOTSTRAP
@TOPIC
@BASE
@KEY
@DRY_RUN
@AS_JSON
def baseline(**options: object) -> None:
    """Take over what an earlier release has published, once: a list of it begins the chain.

    The topic must keep all (`stream-audit topics apply` alters it). Policies go on under the offsets that they have.
    """
    _publishing(lambda _: publishing.baseline)((), **options)


@click.command(epilog="Example: stream-audit policy switch --key policy.pem --bootstrap 127.0.0.1:9092")
@BOOTSTRAP
@TOPIC
@BASE
@KEY
def switch(bootstrap: str, topic: str, base: Path | None, key: Path | None) -> None:
    """Finish a push that was killed: give each partition of the room log the switch that it lacks."""
    chain = chain_of(bootstrap, topic, base, key)
    with refusing():
        done = switching.switch_all(chain, switching.room_log_of(topic))
    if done is None:
        Screen().line("every partition has switched; nothing to do")
    show(chain, [], done)


@click.command(name="ls", epilog="Example: stream-audit policy ls --bootstrap 127.0.0.1:9092")
@click.option("--bootstrap", metavar="HOST:PORT", help=BOOTSTRAP_HELP + " Without it: files alone.")
@TOPIC
@BASE
@AS_JSON
def list_(bootstrap: str | None, topic: str, base: Path | None, as_json: bool) -> None:
    """List every version that workers know: from files and, with --bootstrap, from the topic; and what they refuse."""
    with refusing():
        records = policytopic.read_topic(bootstrap, topic) if bootstrap else []
    feed, refused = policytopic.follow(base_or_usage_error(base), records, topic, root_keys(os.environ))
    rows = policytopic.rows(feed, clock.now_ms())
    place, keyring = feed.newest_place, feed.book.keyring
    switched = sorted(feed.receipt(place).items())
    screen = Screen()
    if as_json:
        chain = {
            "head": feed.head,
            "keyring": None if keyring is None else keyring.version,
            "newest": None if feed.place(place) is None else place,
            "switched": {str(partition): offset for partition, offset in switched},
        }
        listed = [r._asdict() for r in refused]
        screen.json({"policies": rows, "refused": listed, "chain": chain}, indent=None)
        return
    cells = []
    for row in rows:
        exempt = str(row["exemptions"]) + (f" ({row['exemptions_ended']} ended)" if row["exemptions_ended"] else "")
        holds_from = time_of(row["effective_from_ms"]) if row["effective_from_ms"] else "always"
        cells.append((row["policy"], row["version"], holds_from, row["state"], row["rules"], exempt, row["from"]))
    names = ("policy", "version", "holds from", "state", "rules", "exempt", "from")
    screen.table(names, cells, right=("version", "rules"), fold=("holds from", "from"))
    if feed.has_begun:
        trust = "no keyring: anyone who may write is trusted" if keyring is None else f"keyring {keyring.version}"
        screen.line(f"chain {feed.head[:12]}…; {trust}; {len(switched)} partitions have switched to {topic}@{place}")
    for record in refused:
        screen.line(f"refused: {record.why}")
