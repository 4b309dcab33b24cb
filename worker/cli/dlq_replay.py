"""`stream-audit dlq replay`: sends refused records again, once the reason for refusing them is gone."""

import click

from worker.cli.arguments import OffsetRange, Since
from worker.cli.terminal import Screen, progress
from worker.ingress.reject import Reason
from worker.tools.deadletters import DeadLettersError, Reader
from worker.tools.redelivery import FATES, REFUSED_AGAIN, Found, Sender, Wanted, find
from worker.topics import DEAD_LETTERS_TOPIC


@click.command(
    epilog="Example: stream-audit dlq replay --bootstrap 127.0.0.1:9092 --class unknown_type --since 1h --send"
)
@click.option("--bootstrap", required=True, metavar="HOST:PORT", help="Kafka broker(s), comma-separated.")
@click.option("--dead-letters", default=DEAD_LETTERS_TOPIC, show_default=True, metavar="TOPIC", help="Topic to read.")
@click.option(
    "--class",
    "reasons",
    multiple=True,
    type=click.Choice([r.value for r in Reason]),
    help="Only this class; may repeat.",
)
@click.option("--topic", metavar="TOPIC", help="Only records that were read from this topic.")
@click.option("--partition", type=click.IntRange(0), help="Only letters of this partition.")
@click.option("--offsets", type=OffsetRange(), help="Only letters at these offsets: 100:250, both included.")
@click.option("--since", type=Since(), help="Only records of this time or later: 30m, 6h, 2d, or 2024-06-18T08:00.")
@click.option("--until", type=Since(), help="Only records before this time.")
@click.option("--room", metavar="ROOM_ID", help="Only records with this key.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="Records to send at most."
)
@click.option("--rate", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Records a second.")
@click.option(
    "--scan", type=click.IntRange(1, 10_000_000), default=100_000, show_default=True,
    help="Letters to read at most, the newest of each partition.",
)  # fmt: skip
@click.option("--again", is_flag=True, help="Also records that were replayed and refused again.")
@click.option("--send", is_flag=True, help="Send them. Without it, only say what would be sent.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def replay(
    bootstrap: str,
    dead_letters: str,
    reasons: tuple[str, ...],
    topic: str | None,
    partition: int | None,
    offsets: tuple[int, int] | None,
    since: int | None,
    until: int | None,
    room: str | None,
    limit: int,
    rate: int,
    scan: int,
    again: bool,
    send: bool,
    as_json: bool,
) -> None:
    """Send dead letters again to where they came from, as they came; nothing is sent without --send.

    A record goes to its own topic and partition with its key, value and headers and with `dlq.replay_of`, stamped with
    the present time. A second run does not send it again, even if it was refused again (but --again does). Left out is
    what this version would refuse again. In a live room, an event over a minute older than the room's newest is late:
    replayed, it changes nothing.
    """
    wanted = Wanted(reasons, topic, partition, offsets, since, until, room)
    try:
        with Reader(bootstrap, dead_letters) as reader:
            sender = Sender(bootstrap, dead_letters, rate) if send else None  # before anything is read
            found = find(reader, wanted, scan, again=again)
            chosen = found.to_send()[:limit]
            if sender is not None and chosen:
                with progress("records", sum_up=False) as advance:
                    sender.send(reader, chosen, advance)
    except DeadLettersError as error:
        raise click.ClickException(str(error)) from error
    _report(found, len(chosen), send, as_json)


def _report(found: Found, sending: int, sent: bool, as_json: bool) -> None:
    by_reason = found.by_reason()
    left = len(found.to_send()) - sending
    screen = Screen()
    if as_json:
        counts = {
            "classes": {reason: {fate: fates[fate] for fate in FATES} for reason, fates in sorted(by_reason.items())},
            "sent": sending if sent else 0,
            "left": left if sent else left + sending,
            "read": found.read,
            "not_read": found.left_out,
        }
        screen.json(counts, indent=None)
        return
    rows = [(reason, *(f"{fates[fate]:,}" for fate in FATES)) for reason, fates in sorted(by_reason.items())]
    screen.table(("class", *FATES), rows, right=FATES, fold=FATES)
    beyond = f"; {left:,} more match (--limit)" if left else ""
    refused = sum(fates[REFUSED_AGAIN] for fates in by_reason.values())
    again = f"; {refused:,} were replayed before and refused again (--again)" if refused else ""
    older = f"; {found.left_out:,} older letters were not read (--scan)" if found.left_out else ""
    if sent:
        screen.line(f"{sending:,} records replayed{beyond}{again}{older}")
    else:
        screen.line(f"{sending:,} records would be replayed: add --send{beyond}{again}{older}")
