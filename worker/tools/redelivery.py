"""Sends refused records again, once the reason for refusing them is gone.

What was replayed is noted among the letters, in the transaction that replays it: a letter that is still there has its
note behind it, so no second run sends it again, and no crash leaves one without the other. The note is known by the
place of the original, so a letter that was written twice is replayed once. A record that is refused again has another
place; its letter is known by `dlq.replay_of`, which the record carries, and stays unless it is asked for.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from worker import clock
from worker.ingress.decode import decode
from worker.ingress.reject import Reject
from worker.tools.deadletters import (
    REPLAY_OF,
    REPLAYED_TO,
    TIMEOUT_S,
    DeadLettersError,
    Letter,
    Reader,
    letter_of,
)
from worker.tools.kafkaclient import bytes_of, connect, reason
from worker.topics import EVENTS_TOPIC

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


def find(reader: Reader, wanted: Wanted, scan: int, *, again: bool) -> Found:
    """Read up to `scan` letters and say what would become of those wanted. Raises DeadLettersError."""
    letters: dict[str, Letter] = {}
    fates: dict[str, str] = {}
    replayed: set[str] = set()
    read = 0
    now_ms = clock.now_ms()
    for message in reader.messages(scan):
        read += 1
        letter = letter_of(message)
        if not letter.is_ours:
            continue
        if letter.is_note:
            replayed.add(letter.original)
        elif wanted.fits(letter, bytes_of(message.key())) and letter.original not in letters:
            letters[letter.original] = letter
            if letter.is_again and not again:
                fates[letter.original] = REFUSED_AGAIN
            else:
                fates[letter.original] = WOULD_BE_REFUSED if _is_refused(message, letter, now_ms) else TO_SEND
    fates |= dict.fromkeys(replayed & letters.keys(), REPLAYED)
    return Found(letters, fates, read, reader.left_out)


def _is_refused(message: Message, letter: Letter, now_ms: int) -> bool:
    """By the decoder of this version; what a room would say to it is known once it has been replayed."""
    if not letter.about("dlq.original.topic").endswith(EVENTS_TOPIC):
        return False
    return isinstance(decode(bytes_of(message.key()), bytes_of(message.value()), now_ms), Reject)


class Sender:
    """Replays letters with their notes, a transaction for every second's worth.

    Once it is made, no run that began earlier can send any more, and what such a run did send is there to be read.
    """

    def __init__(self, bootstrap: str, dead_letters: str, rate: int) -> None:
        self._dead_letters = dead_letters
        self._rate = rate
        self._producer: Producer = connect(Producer, bootstrap, {
            "transactional.id": f"stream-audit-dlq-replay-{dead_letters}",
        })  # fmt: skip
        try:
            self._producer.init_transactions(TIMEOUT_S)
        except KafkaException as error:
            raise DeadLettersError(
                f"nothing was replayed: the broker at {bootstrap} gives no transaction: {reason(error)}"
            ) from error

    def send(self, reader: Reader, letters: Sequence[Letter], advance: Callable[[int], None]) -> None:
        """Send letters and tell `advance` how many, batch by batch.

        Raises DeadLettersError when the broker refuses. What was not sent is sent by the next run.
        """
        size = min(BATCH_RECORDS_MAX, self._rate)
        sent = 0
        began_s = clock.monotonic_s()
        try:
            self._check_targets(letters)
            for first in range(0, len(letters), size):
                batch = letters[first : first + size]
                self._producer.begin_transaction()
                for at, letter in enumerate(batch, first):
                    self._wait_until(began_s + at / self._rate)
                    self._replay(reader.fetch(letter.partition, letter.offset), letter)
                self._producer.commit_transaction(TIMEOUT_S)
                sent += len(batch)
                advance(len(batch))
        except BaseException as error:
            why = self._give_up(error)
            if why is None:
                raise
            raise DeadLettersError(
                f"{sent} of {len(letters)} were replayed, then {why}. "
                f"Run the same command again: it goes on where this one ended."
            ) from error

    def _give_up(self, error: BaseException) -> str | None:
        """Ends the transaction, for workers wait behind one that stays open; why, if Kafka was the reason."""
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
                raise DeadLettersError(f"{topic}: {there.error.str()}; leave its letters out with --topic")
            for letter in letters:
                number = letter.about("dlq.original.partition")
                if letter.about("dlq.original.topic") == topic and int(number) not in there.partitions:
                    raise DeadLettersError(
                        f"{topic} has no partition {number}, where {letter.partition}:{letter.offset} of "
                        f"{self._dead_letters} came from; leave it out with --partition or --offsets"
                    )

    def _wait_until(self, due_s: float) -> None:
        while (left_s := due_s - clock.monotonic_s()) > 0:
            self._producer.poll(left_s)

    def _replay(self, message: Message, letter: Letter) -> None:
        topic, partition = letter.about("dlq.original.topic"), int(letter.about("dlq.original.partition"))
        own = [(name, value) for name, value in letter.headers if not name.startswith("dlq.")]
        place = f"{self._dead_letters}:{letter.partition}:{letter.offset}"
        headers = [*own, (REPLAY_OF, place.encode())]
        self._producer.produce(topic, message.value(), message.key(), partition, headers=headers)
        about = [(name, value) for name, value in letter.headers if name.startswith("dlq.") and name != REPLAY_OF]
        note = (REPLAYED_TO, f"{topic}:{partition}".encode())
        self._producer.produce(self._dead_letters, None, message.key(), letter.partition, headers=[*about, note])
