"""`stream-audit dlq replay`: sends refused records again, once the reason for refusing them is gone.

What was replayed is noted among the letters, in the transaction that replays it: a letter that is still there has its
note behind it, so no second run sends it again, and no crash leaves one without the other. The note is known by the
place of the original, so a letter that was written twice is replayed once. A record that is refused again has another
place; its letter is known by `dlq.replay_of`, which the record carries, and stays unless it is asked for.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.progress import track

from worker import clock
from worker.cli.dlq_letters import REPLAY_OF, REPLAYED_TO, TIMEOUT_S, Letter, Reader, Since, letter_of
from worker.cli.terminal import Screen, console
from worker.ingress.decode import decode
from worker.ingress.reject import Reason, Reject
from worker.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC

if TYPE_CHECKING:
    from confluent_kafka import Message

BATCH_RECORDS_MAX = 100
FATES = REPLAYED, REFUSED_AGAIN, WOULD_BE_REFUSED, TO_SEND = (
    "replayed before",
    "replayed and refused again",
    "would be refused again",
    "to send",
)


class Wanted(NamedTuple):
    """Which letters to replay; None is any."""

    reasons: tuple[str, ...]
    topic: str | None
    partition: int | None
    offsets: tuple[int, int] | None
    since_ms: int | None
    until_ms: int | None
    room: str | None

    def fits(self, letter: Letter, key: bytes | None) -> bool:
        """Whether all filters let a letter through."""
        first, last = self.offsets or (letter.offset, letter.offset)
        return (
            (not self.reasons or letter.reason in self.reasons)
            and self.topic in (None, letter.about("dlq.original.topic"))
            and self.partition in (None, letter.partition)
            and first <= letter.offset <= last
            and (self.since_ms is None or letter.timestamp_ms >= self.since_ms)
            and (self.until_ms is None or letter.timestamp_ms < self.until_ms)
            and (self.room is None or (key or b"").decode("utf-8", "replace") == self.room)
        )


class Found(NamedTuple):
    """Letters that fit, by the place of their originals, and what would become of each."""

    letters: dict[str, Letter]
    fates: dict[str, str]
    read: int
    left_out: int

    def to_send(self) -> list[Letter]:
        """Oldest first, each partition in its order."""
        wanted = [letter for original, letter in self.letters.items() if self.fates[original] == TO_SEND]
        return sorted(wanted, key=lambda one: (one.timestamp_ms, one.partition, one.offset))

    def by_reason(self) -> dict[str, Counter[str]]:
        """Fates by the reason for which letters were refused."""
        table: dict[str, Counter[str]] = {}
        for original, letter in self.letters.items():
            table.setdefault(letter.reason, Counter())[self.fates[original]] += 1
        return table


class OffsetRange(click.ParamType):
    """`FIRST:LAST`, both included → (first, last)."""

    name = "first:last"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        first, _, last = value.partition(":")
        if not (first.isdecimal() and last.isdecimal() and len(value) <= 40 and int(first) <= int(last)):
            self.fail(f"{value!r} is not like 100:250 (first and last offset, both included)", param, ctx)
        return int(first), int(last)


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
    with Reader(bootstrap, dead_letters) as reader:
        sender = _Sender(bootstrap, dead_letters, rate) if send else None  # before anything is read
        found = _find(reader, wanted, scan, again)
        chosen = found.to_send()[:limit]
        if sender is not None and chosen:
            sender.send(reader, chosen)
    _report(found, len(chosen), send, as_json)


def _find(reader: Reader, wanted: Wanted, scan: int, again: bool) -> Found:
    letters: dict[str, Letter] = {}
    fates: dict[str, str] = {}
    replayed: set[str] = set()
    read = 0
    now_ms = clock.now_ms()
    for message in reader.messages(scan):
        read += 1
        letter = letter_of(message)
        if "?" in letter.original:
            continue  # somebody else's record
        if letter.is_note:
            replayed.add(letter.original)
        elif wanted.fits(letter, _bytes(message.key())) and letter.original not in letters:
            letters[letter.original] = letter
            if letter.is_again and not again:
                fates[letter.original] = REFUSED_AGAIN
            else:
                fates[letter.original] = WOULD_BE_REFUSED if _is_refused(message, letter, now_ms) else TO_SEND
    fates |= dict.fromkeys(replayed & letters.keys(), REPLAYED)
    return Found(letters, fates, read, reader.left_out)


def _is_refused(message: "Message", letter: Letter, now_ms: int) -> bool:
    """By the decoder of this version; what a room would say to it is known once it has been replayed."""
    if not letter.about("dlq.original.topic").endswith(EVENTS_TOPIC):
        return False
    return isinstance(decode(_bytes(message.key()), _bytes(message.value()), now_ms), Reject)


def _bytes(data: str | bytes | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data


class _Sender:
    """Replays letters with their notes, a transaction for every second's worth.

    Once it is made, no run that began earlier can send any more, and what such a run did send is there to be read.
    """

    def __init__(self, bootstrap: str, dead_letters: str, rate: int) -> None:
        from confluent_kafka import KafkaException, Producer

        from worker.tools.kafkaclient import connect, reason

        self._dead_letters = dead_letters
        self._rate = rate
        self._producer: Producer = connect(Producer, bootstrap, {
            "transactional.id": f"stream-audit-dlq-replay-{dead_letters}",
        })  # fmt: skip
        try:
            self._producer.init_transactions(TIMEOUT_S)
        except KafkaException as error:
            raise click.ClickException(
                f"nothing was replayed: the broker at {bootstrap} gives no transaction: {reason(error)}"
            ) from error

    def send(self, reader: Reader, letters: Sequence[Letter]) -> None:
        """Ends the command with exit 1 when the broker refuses; what was not sent is sent by the next run."""
        size = min(BATCH_RECORDS_MAX, self._rate)
        sent = 0
        began_s = clock.monotonic_s()
        try:
            self._check_targets(letters)
            batches = range(0, len(letters), size)
            for first in track(batches, "replaying", console=console(stderr=True), transient=True):
                batch = letters[first : first + size]
                self._producer.begin_transaction()
                for at, letter in enumerate(batch, first):
                    self._wait_until(began_s + at / self._rate)
                    self._replay(reader.fetch(letter.partition, letter.offset), letter)
                self._producer.commit_transaction(TIMEOUT_S)
                sent += len(batch)
        except BaseException as error:
            why = self._give_up(error)
            if why is None:
                raise
            raise click.ClickException(
                f"{sent} of {len(letters)} were replayed, then {why}. "
                f"Run the same command again: it goes on where this one ended."
            ) from error

    def _give_up(self, error: BaseException) -> str | None:
        """Ends the transaction, for workers wait behind one that stays open; why, if Kafka was the reason."""
        from confluent_kafka import KafkaError, KafkaException

        from worker.tools.kafkaclient import reason

        found = [error]
        try:
            self._producer.abort_transaction(TIMEOUT_S)
        except KafkaException as refused:  # it names who fenced where `error` may not, but is refused after a commit
            found.append(refused)
        if any(isinstance(one, KafkaException) and one.args[0].code() == KafkaError._FENCED for one in found):
            return "another `dlq replay --send` began and took over"
        return f"the broker said: {reason(error)}" if isinstance(error, KafkaException) else None

    def _check_targets(self, letters: Sequence[Letter]) -> None:
        for topic in sorted({letter.about("dlq.original.topic") for letter in letters}):
            there = self._producer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
            if there.error is not None:
                raise click.ClickException(f"{topic}: {there.error.str()}; leave its letters out with --topic")
            for letter in letters:
                number = letter.about("dlq.original.partition")
                if letter.about("dlq.original.topic") == topic and int(number) not in there.partitions:
                    raise click.ClickException(
                        f"{topic} has no partition {number}, where {letter.partition}:{letter.offset} of "
                        f"{self._dead_letters} came from; leave it out with --partition or --offsets"
                    )

    def _wait_until(self, due_s: float) -> None:
        while (left_s := due_s - clock.monotonic_s()) > 0:
            self._producer.poll(left_s)

    def _replay(self, message: "Message", letter: Letter) -> None:
        topic, partition = letter.about("dlq.original.topic"), int(letter.about("dlq.original.partition"))
        own = [(name, value) for name, value in letter.headers if not name.startswith("dlq.")]
        place = f"{self._dead_letters}:{letter.partition}:{letter.offset}"
        headers = [*own, (REPLAY_OF, place.encode())]
        self._producer.produce(topic, message.value(), message.key(), partition, headers=headers)
        about = [(name, value) for name, value in letter.headers if name.startswith("dlq.") and name != REPLAY_OF]
        note = (REPLAYED_TO, f"{topic}:{partition}".encode())
        self._producer.produce(self._dead_letters, None, message.key(), letter.partition, headers=[*about, note])


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
