"""Switches into every partition of the room log, and the receipt that says where they lie.

It may be killed anywhere and run again: a switch that is there is found, and only missing ones are written.
"""

from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from worker import clock
from worker.policy.chain import RECEIPT, Receipt, write
from worker.policy.feed import PolicyFeed
from worker.policy.signing import Signer
from worker.policy.switch import SWITCH_KEY, Switch, read_switch, why_unsigned, write_switch
from worker.records import Record
from worker.tools.kafkaclient import connect, no_answer
from worker.tools.kafkalog import OPTIONS, KafkaLog, KafkaLogError
from worker.tools.policytopic import Chain, Entries, PolicyTopicError, Published, send_all
from worker.topics import EVENTS_TOPIC, POLICIES_TOPIC

CLOCKS_MS = 600_000
"""How far the clocks of brokers may differ: so long before a link was appended the search for its switches begins."""
TIMEOUT_S = 15.0


class Switched(NamedTuple):
    """The place in the policies' topic, and by partition the offset of the switch to it."""

    place: int
    at: dict[int, int]


def room_log_of(topic: str) -> str:
    """The room log beside a policies' topic: they share a prefix."""
    return topic.removesuffix(POLICIES_TOPIC) + EVENTS_TOPIC


def switch_all(chain: Chain, events: str, *, signer: Signer | None = None, own: int | None = None) -> Switched | None:
    """Have every partition go by all that is published; None when receipts say that each does.

    `own` is the offset of a link that the caller has appended just now: no switch to it is there yet.

    Raises PolicyTopicError when a topic cannot be read or written.
    """
    feed, records = chain.read()
    place = feed.newest_place
    if feed.place(place) is None:
        return None
    missing = sorted(set(_partitions(chain.bootstrap, events)) - feed.receipt(place).keys())
    if not missing:
        return None
    link = next(r for r in records if r.offset == place)
    at = {} if place == own else _find(chain, events, feed, place, missing, link.timestamp)
    at |= _write(chain, events, feed, place, [p for p in missing if p not in at], signer or chain.signer)
    head = _head(feed, place)

    def receipt(_feed: PolicyFeed, _there: list[Published]) -> Entries:
        return [(RECEIPT, write(Receipt(offset=place, chain=head, at=tuple(sorted(at.items())))))]

    chain.append(receipt, signer=signer)
    return Switched(place, at)


def _head(feed: PolicyFeed, place: int) -> str:
    found = feed.place(place)
    assert found is not None, "of a place that was found"
    return found.chain


def _partitions(bootstrap: str, events: str) -> list[int]:
    try:
        with KafkaLog(bootstrap) as log:
            return log.partitions(events)
    except KafkaException as error:
        raise PolicyTopicError(
            f"{events} has no partitions to switch: {error.args[0].str()}; then run `stream-audit policy switch`"
        ) from error


def _find(
    chain: Chain, events: str, feed: PolicyFeed, place: int, partitions: list[int], appended_ms: int
) -> dict[int, int]:
    """The first switches to a place that are there already, as one that was killed has left them."""
    found = {}
    try:
        starts = _starts(chain.bootstrap, events, partitions, appended_ms - CLOCKS_MS)
        with KafkaLog(chain.bootstrap) as log:
            for partition, start in starts.items():
                for record in log.read(events, partition=partition, first_offset=start):
                    if record.key == SWITCH_KEY and _names(feed, record, partition, place):
                        found[partition] = record.offset
                        break
    except (KafkaLogError, KafkaException) as error:
        raise PolicyTopicError(f"{events} cannot be searched for switches: {error}") from error
    return found


def _names(feed: PolicyFeed, record: Record, partition: int, place: int) -> bool:
    """Whether a record is a switch of that partition to that place which counts."""
    switch = read_switch(record)
    if switch is None or (switch.offset, switch.partition) != (place, partition) or feed.why_not(switch):
        return False
    return not why_unsigned(record, feed.book_at(place).keyring)


def _starts(bootstrap: str, events: str, partitions: list[int], since_ms: int) -> dict[int, int]:
    """The first offset of each partition whose record was appended then or later; those without one are left out."""
    consumer = connect(Consumer, bootstrap, OPTIONS)
    try:
        asked = [TopicPartition(events, partition, max(0, since_ms)) for partition in partitions]
        answers = consumer.offsets_for_times(asked, timeout=TIMEOUT_S)
    except KafkaException as error:
        raise PolicyTopicError(no_answer(bootstrap, error)) from error
    finally:
        consumer.close()
    return {answer.partition: answer.offset for answer in answers if answer.offset >= 0}


def _write(
    chain: Chain, events: str, feed: PolicyFeed, place: int, partitions: list[int], signer: Signer | None
) -> dict[int, int]:
    records = []
    for partition in partitions:
        value, headers = write_switch(Switch(offset=place, chain=_head(feed, place), partition=partition), signer)
        record = Published(0, clock.now_ms(), SWITCH_KEY, value, headers)
        if why := why_unsigned(record, feed.book_at(place).keyring):
            raise PolicyTopicError(
                f"the switch of partition {partition} {why}; then run `stream-audit policy switch --key FILE`"
            )
        records.append((events, partition, record))
    found = {}
    for message in send_all(records, chain.bootstrap) if records else ():
        number, offset = message.partition(), message.offset()
        assert number is not None and offset is not None
        found[number] = offset
    return found
