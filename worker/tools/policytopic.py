"""The policies' topic: what workers make of it, and how links get there. Reads without a consumer group.

Kafka has no compare-and-swap. A link names the head that its writer has seen, the order of the topic decides, and the
writer reads back whether its link is in the chain.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import KafkaException, Message, Producer

from worker import clock
from worker.policy.chain import RECEIPT, write_link
from worker.policy.feed import PolicyFeed
from worker.policy.model import PolicyErrors, Problem
from worker.policy.signing import Roots, Signer
from worker.tools.brokertopics import BrokerTopics, BrokerTopicsError
from worker.tools.kafkaclient import bytes_of, connect
from worker.tools.kafkalog import KafkaLog, KafkaLogError
from worker.tools.policyfiles import exemptions_of
from worker.topics import KEPT_FOR_EVER

if TYPE_CHECKING:
    from worker.policy.book import PolicyBook

TIMEOUT_S = 15.0
ATTEMPTS = 5

Entries = list[tuple[bytes, bytes]]
"""Keys and values of the links that shall follow the chain."""


class PolicyTopicError(RuntimeError):
    """The topic cannot be read or written; the message says why."""


class Lost(PolicyTopicError):
    """Something else was published first. The message says what, and nothing of one's own is in force."""


class Published(NamedTuple):
    """A record of the topic, there or about to be."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


class Refused(NamedTuple):
    """A record that workers refuse, and the first reason."""

    offset: int
    why: str


def read_topic(bootstrap: str, topic: str) -> list[Published]:
    """All of the topic, in order. Raises PolicyTopicError when it is not there or does not answer."""
    try:
        with KafkaLog(bootstrap) as log:
            return [Published(r.offset, r.timestamp, r.key, r.value, r.headers) for r in log.read(topic)]
    except KafkaLogError as error:
        raise PolicyTopicError(f"{error}; `stream-audit topics apply` creates missing topics") from error


def follow(
    base: "PolicyBook", records: Iterable[Published], topic: str, roots: Roots
) -> tuple[PolicyFeed, list[Refused]]:
    """What workers with the files `base` and those root keys make of the topic."""
    feed = PolicyFeed(base, roots)
    refused = [Refused(r.offset, str(problems[0])) for r in records if (problems := feed.take(r, topic=topic))]
    return feed, refused


class Chain(NamedTuple):
    """A policies' topic, as one of its writers sees it."""

    bootstrap: str
    topic: str
    base: "PolicyBook"
    roots: Roots
    signer: Signer | None

    def read(self) -> tuple[PolicyFeed, list[Published]]:
        """Return what workers make of it, and all of its records. Raises PolicyTopicError."""
        records = read_topic(self.bootstrap, self.topic)
        return follow(self.base, records, self.topic, self.roots)[0], records

    def append(
        self, make: Callable[[PolicyFeed, list[Published]], Entries], *, signer: Signer | None = None,
        dry_run: bool = False,
    ) -> list[Published]:  # fmt: skip
        """Append the links that `make` wants to follow the chain as it is, and return them.

        It is tried again when only receipts came between. Raises PolicyErrors when workers would refuse a link, Lost
        when something else was published first, PolicyTopicError, and what `make` raises.
        """
        for _ in range(ATTEMPTS):
            feed, there = self.read()
            offset = there[-1].offset + 1 if there else 0
            begins = bool(there) and not feed.has_begun
            ready = _linked(feed, make(feed, there), offset, signer or self.signer, self.topic)
            if dry_run or not ready:
                return ready
            if begins:
                _check_kept(self.bootstrap, self.topic)  # an earlier release had it compacted
            sent = _send(ready, self.bootstrap, self.topic)
            between = self._lost_to(sent, offset)
            if between is None:
                return sent
            if between:
                what = ", ".join(f"{_name(r)} at {self.topic}@{r.offset}" for r in between[:5])
                raise Lost(f"published before you: {what}; look at it with `policy ls`, and push again")
        raise Lost(f"receipts came before each of {ATTEMPTS} attempts; try again")

    def _lost_to(self, sent: list[Published], offset: int) -> list[Published] | None:
        """What came first, but for receipts, when a link that was sent is not in the chain; None when all are."""
        records = read_topic(self.bootstrap, self.topic)
        refused = {one.offset for one in follow(self.base, records, self.topic, self.roots)[1]}
        if not refused & {r.offset for r in sent}:
            return None
        first = min(r.offset for r in sent)
        return [r for r in records if offset <= r.offset < first and r.offset not in refused and r.key != RECEIPT]


def _check_kept(bootstrap: str, topic: str) -> None:
    """Raise PolicyTopicError for a topic that loses records, as far as this user may know: a chain lacks none."""
    try:
        found = BrokerTopics(bootstrap).describe([topic]).get(topic)
    except BrokerTopicsError as error:
        raise PolicyTopicError(str(error)) from error
    config = found.config if found is not None else None
    if config and (config.get("cleanup.policy"), config.get("retention.ms")) != ("delete", KEPT_FOR_EVER):
        raise PolicyTopicError(
            f"{topic} would lose records: cleanup.policy is {config.get('cleanup.policy')}, retention.ms is "
            f"{config.get('retention.ms')}; run `stream-audit topics apply` first"
        )


def _name(record: Published) -> str:
    return (record.key or b"?").decode("utf-8", "replace")


def _linked(feed: PolicyFeed, entries: Entries, offset: int, signer: Signer | None, topic: str) -> list[Published]:
    """Links behind the chain of `feed`, which takes each as every worker will. Raises PolicyErrors."""
    ready: list[Published] = []
    problems: list[Problem] = []
    for key, value in entries:
        headers, _ = write_link(feed.head, key, value, signer)
        record = Published(offset, clock.now_ms(), key, value, headers)
        problems += feed.take(record, topic=topic)
        ready.append(record)
        offset += 1
    if problems:
        raise PolicyErrors(problems)
    return ready


def _published(message: Message) -> Published:
    offset = message.offset()
    assert offset is not None
    headers = tuple((name, bytes_of(value)) for name, value in message.headers() or ())
    return Published(offset, message.timestamp()[1], bytes_of(message.key()), bytes_of(message.value()), headers)


def _send(records: list[Published], bootstrap: str, topic: str) -> list[Published]:
    sent = [_published(message) for message in send_all([(topic, 0, record) for record in records], bootstrap)]
    return sorted(sent)


def send_all(records: Sequence[tuple[str, int, Published]], bootstrap: str) -> list[Message]:
    """Send records to topics and partitions, in order, and return them with their offsets.

    Raises PolicyTopicError unless the broker has acknowledged all.
    """
    sent: list[Message] = []
    failed: list[str] = []
    options = {"enable.idempotence": True, "delivery.timeout.ms": int(TIMEOUT_S * 1000)}
    producer = connect(Producer, bootstrap, options)

    def done(error: Any, message: Message) -> None:
        if error is None:
            sent.append(message)
        else:
            failed.append(str(error.str()))

    # Who may write nowhere gets no producer id: the client raises that when it likes, amid `done` as well.
    try:
        for topic, partition, record in records:
            producer.produce(
                topic, record.value, record.key, partition, done, timestamp=record.timestamp,
                headers=list(record.headers),
            )  # fmt: skip
    except KafkaException as error:
        failed.append(str(error.args[0].str()))
    try:
        producer.flush(2 * TIMEOUT_S)
    except (KafkaException, SystemError) as error:
        cause = error.__cause__ if isinstance(error, SystemError) else error
        if not isinstance(cause, KafkaException):
            raise
        failed.insert(0, str(cause.args[0].str()))
    if failed or len(sent) < len(records):
        reason = failed[0] if failed else "no answer from the broker"
        if "authorization failed" in reason.lower():
            reason += f"; the user must have the right to write to {' and '.join(sorted({t for t, _, _ in records}))}"
        raise PolicyTopicError(f"{len(sent)} of {len(records)} records were sent: {reason}")
    return sent


def rows(feed: PolicyFeed, now_ms: int) -> list[dict[str, Any]]:
    """One row for each known version: where it is from, since when it holds, and whether it holds now."""
    policies = feed.book.policies
    in_force = {p.ref.id: p for p in policies if p.effective_from_ms <= now_ms}
    return [
        {
            "policy": p.ref.id,
            "version": p.ref.version,
            "from": p.file,
            "offset": p.offset,
            "effective_from_ms": p.effective_from_ms,
            "rules": len(p.rules),
            "exemptions": len(exemptions_of(p)),
            "exemptions_ended": sum(one.until_ms <= now_ms for one in exemptions_of(p)),
            "state": "in force" if in_force.get(p.ref.id) is p else "later" if p.effective_from_ms > now_ms else "past",
            "sha256": p.ref.sha256,
        }
        for p in policies
    ]
