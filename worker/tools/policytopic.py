"""The policies' topic: what workers make of it, and how policies get there. Reads without a consumer group."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import KafkaException, Message, Producer

from worker import clock
from worker.policy.feed import PolicyFeed
from worker.policy.load import read_published
from worker.policy.model import PolicyErrors, Problem
from worker.policy.wire import as_document
from worker.tools.kafkaclient import bytes_of, connect
from worker.tools.kafkalog import KafkaLog, KafkaLogError
from worker.tools.policyfiles import exemptions_of

if TYPE_CHECKING:
    from worker.policy.book import PolicyBook

TIMEOUT_S = 15.0


class PolicyTopicError(RuntimeError):
    """The topic cannot be read or written; the message says why."""


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
            return [Published(r.offset, r.timestamp, r.key, r.value) for r in log.read(topic)]
    except KafkaLogError as error:
        raise PolicyTopicError(f"{error}; `stream-audit topics apply` creates missing topics") from error


def _published(message: Message) -> Published:
    key, value = message.key(), message.value()
    offset = message.offset()
    assert offset is not None
    return Published(offset, message.timestamp()[1], bytes_of(key), bytes_of(value))


def follow(base: "PolicyBook", records: Iterable[Published], topic: str) -> tuple[PolicyFeed, list[Refused]]:
    """What workers with the files `base` make of the topic."""
    feed = PolicyFeed(base)
    refused = [Refused(r.offset, str(problems[0])) for r in records if (problems := feed.take(r, topic=topic))]
    return feed, refused


def push(files: tuple[Path, ...], base: "PolicyBook", bootstrap: str, topic: str, *, dry_run: bool) -> list[Published]:
    """Check the files as every worker will, then send all of them, those that are inherited first.

    Raises PolicyErrors, with places in the files, when any of them would be refused; nothing is sent then.
    Raises PolicyTopicError when the topic cannot be read or written.
    """
    there = read_topic(bootstrap, topic)
    feed, _ = follow(base, there, topic)
    now_ms = clock.now_ms()
    offset = there[-1].offset + 1 if there else 0
    ready: list[Published] = []
    problems: list[Problem] = []
    for file, text in _parents_first({str(file): file.read_text("utf-8") for file in files}):
        known = feed.book.policies
        name = _name_of(file, text)
        newest = max((p.ref.version for p in known if p.ref.id == name), default=0)
        try:
            read_published(file, text, name=name, above_version=newest, offset=offset, others=known)
            record = Published(offset, now_ms, name.encode(), as_document(file, text).encode())
            problems += feed.take(record, topic=topic)
        except PolicyErrors as errors:
            problems += errors.problems
            continue
        ready.append(record)
        offset += 1
    if problems:
        raise PolicyErrors(problems)
    return ready if dry_run else _send(ready, bootstrap, topic)


def _name_of(file: str, text: str) -> str:
    return str(_parsed(file, text).get("policy", ""))


def _parsed(file: str, text: str) -> dict[str, Any]:
    from worker.policy.document import Missing

    try:
        found: dict[str, Any] = json.loads(as_document(file, text))
    except (Missing, AssertionError):
        return {}  # the check of the file says what is wrong
    return found


def _parents_first(files: dict[str, str]) -> list[tuple[str, str]]:
    waiting = {file: _parsed(file, text) for file, text in sorted(files.items())}
    ordered: list[tuple[str, str]] = []
    while waiting:
        names = {str(document.get("policy")) for document in waiting.values()}
        free = [file for file, document in waiting.items() if not names & set(document.get("inherits", ()))]
        for file in free or list(waiting):  # a circle: the check of the files says so
            ordered.append((file, files[file]))
            del waiting[file]
    return ordered


def _send(records: list[Published], bootstrap: str, topic: str) -> list[Published]:
    sent: list[Published] = []
    failed: list[str] = []
    options = {"enable.idempotence": True, "delivery.timeout.ms": int(TIMEOUT_S * 1000)}
    producer = connect(Producer, bootstrap, options)

    def done(error: Any, message: Message) -> None:
        if error is None:
            sent.append(_published(message))
        else:
            failed.append(str(error.str()))

    # Who may write nowhere gets no producer id: the client raises that when it likes, amid `done` as well.
    try:
        for record in records:
            producer.produce(topic, record.value, record.key, 0, done, timestamp=record.timestamp)
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
            reason += f"; the user must have the right to write to {topic}"
        raise PolicyTopicError(f"{len(sent)} of {len(records)} policies were sent: {reason}")
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
