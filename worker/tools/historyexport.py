"""What a release of version 3 knew, out of its changelogs and into `live.audit.history`, for the release after it.

Changelogs are read to their end and never written to. Everything is read before anything is written, and where the
release stopped is written last: a worker refuses a history that does not say that, since an export was cut off then.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from msgspec import Struct
from msgspec.structs import replace

from worker.audit.past import Activation, Past, PastHost, PastPlatform, PastRoom, PastUpheld, key_of, united
from worker.egress.history import encode_past
from worker.ingress.history import decode_past
from worker.ingress.reject import Reject
from worker.partition.past import history_partition
from worker.tools.kafkaclient import connect, no_answer, reason
from worker.tools.kafkalog import KafkaLog, KafkaLogError
from worker.tools.state3 import Changelog, Identities, Rooms
from worker.topics import EVENTS_TOPIC, HISTORY_TOPIC, IDENTITIES_TOPIC

TIMEOUT_S = 15.0
FLUSH_S = 60.0
PROGRESS_EVERY = 500

Advance = Callable[[int], None]


class HistoryExportError(RuntimeError):
    """Nothing can be exported, or not all was; the message says why and what to do."""


class Placed(NamedTuple):
    """A record of the history, and its partition there."""

    partition: int
    past: Past


class Summary(Struct):
    """What an export found and wrote. read: records of changelogs. stopped: offset by `topic[partition]`."""

    read: int = 0
    rooms: int = 0
    upheld: int = 0
    episodes: int = 0
    hosts: int = 0
    platforms: int = 0
    written: int = 0
    unchanged: int = 0
    stopped: dict[str, int] = {}

    def counted(self, partition: int, past: Past) -> Placed:
        """Count a record that was found, and place it."""
        if isinstance(past, PastRoom):
            self.rooms += 1
            self.upheld += len(past.upheld)
            self.episodes += len(past.episodes)
        elif isinstance(past, PastHost):
            self.hosts += 1
        elif isinstance(past, PastPlatform):
            self.platforms += 1
        return Placed(partition, past)


class Sizes(NamedTuple):
    """Numbers of partitions."""

    rooms: int
    identities: int


def export(bootstrap: str, app_id: str, *, prefix: str, dry_run: bool, advance: Advance) -> Summary:
    """Read both changelogs of `app_id` and write what is new in them to the history.

    `advance` is told how many more records were read. A dry run writes nothing, and also works while the release runs.

    Raises HistoryExportError: no answer, no such changelog, another version of the state, numbers of partitions that do
    not fit, a release that still runs, a broker that did not take everything.
    """
    topic = prefix + HISTORY_TOPIC
    summary = Summary()
    if not dry_run:
        _check_stopped(bootstrap, app_id)
    try:
        with KafkaLog(bootstrap) as log:
            sizes = _sizes(log, bootstrap, app_id, prefix)
            found = sorted(_found(log, app_id, sizes, summary, advance), key=lambda one: one.partition)
            changed = list(_changed(log, topic, found, summary))
    except KafkaLogError as error:
        raise HistoryExportError(str(error)) from error
    except KafkaException as error:
        raise HistoryExportError(no_answer(bootstrap, error)) from error
    if not dry_run:
        _send(bootstrap, topic, changed)
    summary.written = len(changed)
    return summary


def _check_stopped(bootstrap: str, app_id: str) -> None:
    admin = connect(AdminClient, bootstrap, {})
    try:
        group = admin.describe_consumer_groups([app_id], request_timeout=TIMEOUT_S)[app_id].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return
        if error.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            raise HistoryExportError(f"the user must have the right to describe group {app_id}") from error
        raise HistoryExportError(no_answer(bootstrap, error)) from error
    if group.state not in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD):
        raise HistoryExportError(
            f"group {app_id} has {len(group.members)} members: stop its workers first, or what they go on to decide is "
            "decided twice. --dry-run shows what there is while they run"
        )


def _sizes(log: KafkaLog, bootstrap: str, app_id: str, prefix: str) -> Sizes:
    """How many partitions there are. Raises HistoryExportError unless all topics agree."""

    def partitions(topic: str, remedy: str) -> int:
        try:
            return len(log.partitions(topic))
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            raise HistoryExportError(f"there is no topic {topic} at {bootstrap}: {remedy}") from error

    elsewhere = "--app-id names the release whose state is to be exported, --prefix what stands before topics' names"
    rooms, identities = partitions(_rooms_of(app_id), elsewhere), partitions(_identities_of(app_id), elsewhere)
    for topic, expected, source in (
        (prefix + EVENTS_TOPIC, rooms, _rooms_of(app_id)),
        (prefix + IDENTITIES_TOPIC, identities, _identities_of(app_id)),
        (prefix + HISTORY_TOPIC, rooms, _rooms_of(app_id)),
    ):
        found = partitions(topic, "`stream-audit topics apply` creates missing topics")
        if found != expected:
            raise HistoryExportError(f"{topic} has {found} partitions and {source} {expected}: they must be as many")
    return Sizes(rooms, identities)


def _rooms_of(app_id: str) -> str:
    return f"{app_id}-rooms-changelog"


def _identities_of(app_id: str) -> str:
    return f"{app_id}-identities-changelog"


def _found(log: KafkaLog, app_id: str, sizes: Sizes, summary: Summary, advance: Advance) -> Iterator[Placed]:
    """All that the changelogs hold, and where they end."""
    watermark_ms = 0
    opened: dict[tuple[str | None, str, int], PastUpheld] = {}
    for partition in range(sizes.rooms):
        rooms = Rooms()
        _take_all(log, _rooms_of(app_id), partition, rooms, summary, advance)
        watermark_ms = max(watermark_ms, rooms.watermark_ms)
        summary.stopped[f"{EVENTS_TOPIC}[{partition}]"] = rooms.applied
        for room in rooms.past():
            opened |= {(room.room_id, one.rule, one.at_ms): one for one in room.upheld if one.opened_ms is not None}
            yield summary.counted(partition, room)
        yield Placed(partition, rooms.activation(partition, app_id))
    for partition in range(sizes.identities):
        identities = Identities()
        _take_all(log, _identities_of(app_id), partition, identities, summary, advance)
        summary.stopped[f"{IDENTITIES_TOPIC}[{partition}]"] = identities.applied
        where = history_partition(partition, sizes.rooms)
        for kept in identities.past(watermark_ms):
            yield summary.counted(where, _with_episodes(kept, opened) if isinstance(kept, PastHost) else kept)
        yield Placed(where, identities.activation(partition, app_id))


def _with_episodes(host: PastHost, opened: Mapping[tuple[str | None, str, int], PastUpheld]) -> PastHost:
    """The host, each violation with what its room knows of its episode: both must name it alike."""
    known = [opened.get((one.room_id, one.rule, one.at_ms)) for one in host.upheld]
    return replace(
        host,
        upheld=[
            one if of is None else replace(one, opened_ms=of.opened_ms, violation_id=of.violation_id)
            for one, of in zip(host.upheld, known, strict=True)
        ],
    )


def _take_all(
    log: KafkaLog, topic: str, partition: int, changelog: Changelog, summary: Summary, advance: Advance
) -> None:
    for record in log.read(topic, partition=partition):
        try:
            changelog.take(record)
        except ValueError as wrong:
            where = f"{topic}[{partition}] offset {record.offset}, key {repr(record.key)[2:-1]}"
            raise HistoryExportError(f"{where}: {wrong}") from wrong
        if changelog.records % PROGRESS_EVERY == 0:
            advance(PROGRESS_EVERY)
    advance(changelog.records % PROGRESS_EVERY)
    summary.read += changelog.records


def _changed(log: KafkaLog, topic: str, found: Iterable[Placed], summary: Summary) -> Iterator[Placed]:
    """What the history does not hold yet; `found` comes by partition."""
    there: dict[str, Past] = {}
    read = -1
    for partition, past in found:
        while read < partition:
            read += 1
            there = _held(log, topic, read)
        key = key_of(past)
        new = united(there.get(key), past)
        if new == there.get(key):
            summary.unchanged += 1
        else:
            yield Placed(partition, new)


def _held(log: KafkaLog, topic: str, partition: int) -> dict[str, Past]:
    """What a partition of the history holds, by key."""
    held: dict[str, Past] = {}
    for record in log.read(topic, partition=partition):
        past = decode_past(record.key, record.value)
        if isinstance(past, Reject):
            where = f"{topic}[{partition}] offset {record.offset}"
            raise HistoryExportError(f"{where} is no record of a history: {past.reason}: {past.detail}")
        held[key_of(past)] = past
    return held


def _send(bootstrap: str, topic: str, records: list[Placed]) -> None:
    """Write all, and where the release stopped only when the rest is acknowledged."""
    options = {"enable.idempotence": True, "delivery.timeout.ms": int(FLUSH_S * 1000), "compression.type": "lz4"}
    producer = connect(Producer, bootstrap, options)
    for ends in (False, True):
        batch = [one for one in records if isinstance(one.past, Activation) is ends]
        delivery = _Delivery()
        try:
            for partition, past in batch:
                _produce(producer, topic, partition, past, delivery)
            producer.flush(2 * FLUSH_S)
        except KafkaException as error:
            delivery.failed.insert(0, reason(error))
        if delivery.failed or delivery.acknowledged < len(batch):
            why = delivery.failed[0] if delivery.failed else "no answer from the broker"
            raise HistoryExportError(
                f"{delivery.acknowledged} of {len(batch)} records were written to {topic}: {why}. Export again: what "
                "is there already is not written twice"
            )


class _Delivery:
    """What became of the records of a batch."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.failed: list[str] = []

    def done(self, error: KafkaError | None, _message: object) -> None:
        """A record was acknowledged, or was not."""
        if error is None:
            self.acknowledged += 1
        else:
            self.failed.append(str(error.str()))


def _produce(producer: Producer, topic: str, partition: int, past: Past, delivery: _Delivery) -> None:
    record = encode_past(past)
    while True:
        try:
            producer.produce(topic, record.value, record.key, partition, delivery.done)
        except BufferError:  # the client's queue is full
            producer.poll(1.0)
        else:
            producer.poll(0)
            return
