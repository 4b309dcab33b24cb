"""The identities of one partition in, answers for rooms' logs out. No I/O: the identity agent and the tests drive it.

identity → fleet, host or platform → what is news to the room that spoke → an event of its log
registry → host → an event in the log of each of his live rooms
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace
from xxhash import xxh3_64_intdigest

from worker import __version__
from worker.audit import elond
from worker.audit.announce import Identity
from worker.audit.elond import Platform
from worker.audit.events import Answer, RestrictionTested
from worker.egress.identities import encode_answer
from worker.identities import fleets, hosts
from worker.identities.fleets import Fleet
from worker.identities.hosts import Host
from worker.ingress.breaker import Breaker
from worker.ingress.identities import decode_identity, decode_registration
from worker.ingress.reject import Reason, Reject, dead_letter
from worker.partition.rooms import BreakerTripped
from worker.records import OutRecord, Record
from worker.topics import IDENTITIES_TOPIC, REGISTRY_TOPIC

Kept = Fleet | Host | Platform


class Matches(Protocol):
    """Where a partition's identities are kept, by `kind:identity`; `dirty` holds the keys changed since the last
    snapshot. Records of the identities' topic below `activation` were answered by an earlier release."""

    kept: dict[str, Kept]
    dirty: set[str]
    activation: int


class MatchCounts(Struct):
    """What became of the records of identities and registries; plain integers, only ever added to.

    read = applied + replay_skipped + rejected.
    """

    read: int = 0
    applied: int = 0
    replay_skipped: int = 0
    rejected: int = 0
    answers: dict[str, int] = {}  # by event type


class Placed(NamedTuple):
    """A record, and the partition of its topic that it belongs to."""

    partition: int
    record: OutRecord


class MatchProcessor:
    """Matches the identities of one partition, in order. One per partition and assignment; not thread-safe.

    `rooms_partitions` is how many partitions the room log has, and with it the dead letters' topic.
    """

    def __init__(
        self, *, partition: int, rooms_partitions: int, matches: Matches, counts: MatchCounts | None = None
    ) -> None:
        self.partition = partition
        self.rooms_partitions = rooms_partitions
        self.matches = matches
        self.counts = counts or MatchCounts()
        self.breakers = {IDENTITIES_TOPIC: Breaker(), REGISTRY_TOPIC: Breaker()}
        self.watermark_ms = 0  # the latest append time of the identities' records
        self._silent = False

    def process(self, records: Iterable[Record], topic: str) -> list[Placed]:
        """Takes consecutive records of `topic` (its name without a prefix); returns what to send, in order.

        Dead letters go to the partition of this number, modulo how many their topic has.
        Raises BreakerTripped as `PartitionProcessor.process` does.
        """
        take = self._take_identity if topic == IDENTITIES_TOPIC else self._take_registration
        out: list[Placed] = []
        activation = self.matches.activation if topic == IDENTITIES_TOPIC else 0
        for record in records:
            self.counts.read += 1
            self._silent = record.offset < activation
            reject = take(record, out)
            if reject is None:
                self.breakers[topic].note_good(1)
            else:
                self._reject(out, record, reject, topic)
        return out

    def _take_identity(self, record: Record, out: list[Placed]) -> Reject | None:
        self.watermark_ms = max(self.watermark_ms, record.timestamp)
        said = decode_identity(record.key, record.value)
        if isinstance(said, Reject):
            return said
        if said.at_ms > record.timestamp:  # nothing that is told happened after it was told
            said = replace(said, at_ms=record.timestamp)
        if said.partition >= self.rooms_partitions:  # an answer to nowhere would end the worker, again and again
            return Reject(Reason.OUT_OF_RANGE, f"the room log has {self.rooms_partitions} partitions, at `$.partition`")
        key = f"{said.kind}:{said.identity}"
        kept = self.matches.kept.get(key) or _new(said)
        if record.offset <= kept.offset:
            self.counts.replay_skipped += 1
            return None
        self.matches.kept[key] = kept
        self.matches.dirty.add(key)
        kept.offset = record.offset
        self.counts.applied += 1
        if not isinstance(kept, Platform):
            kept.appended_ms = max(kept.appended_ms, record.timestamp)
        if isinstance(kept, Fleet):
            match = fleets.take(kept, said)
            self._answer(out, said.partition, [match] if match is not None else [])
        elif isinstance(kept, Platform):
            self._answer(out, said.partition, _test(kept, said))
        else:
            for partition, state in hosts.take(kept, said):
                self._answer(out, partition, [state])
        return None

    def _take_registration(self, record: Record, out: list[Placed]) -> Reject | None:
        found = decode_registration(record.key, record.value)
        if isinstance(found, Reject):
            return found
        host_id = found if isinstance(found, str) else found.host_id
        key = f"host:{host_id}"
        host = self.matches.kept.get(key) or Host()
        assert isinstance(host, Host), "the prefix of the key says so"
        if record.offset <= host.registry_offset:
            self.counts.replay_skipped += 1
            return None
        self.matches.kept[key] = host
        self.matches.dirty.add(key)
        self.counts.applied += 1
        registered = None if isinstance(found, str) else found
        for partition, state in hosts.register(host, host_id, registered, record.offset):
            self._answer(out, partition, [state])
        return None

    def _answer(
        self,
        out: list[Placed],
        partition: int,
        answers: Iterable[Answer],
    ) -> None:
        for answer in answers if not self._silent else ():
            kind = str(answer.__struct_config__.tag)
            self.counts.answers[kind] = self.counts.answers.get(kind, 0) + 1
            out.append(Placed(partition, encode_answer(answer)))

    def _reject(self, out: list[Placed], record: Record, reject: Reject, topic: str) -> None:
        self.counts.rejected += 1
        if not self._silent:
            letter = dead_letter(record, reject, topic=topic, partition=self.partition, worker_version=__version__)
            out.append(Placed(self.partition % self.rooms_partitions, letter))
        if self.breakers[topic].note_bad():
            raise BreakerTripped(
                f"{topic}[{self.partition}] stops before offset {record.offset}: {self.breakers[topic].why}; last "
                f"reason {reject.reason}. Nothing was committed past the last flush. Mend the producer, then restart."
            )


def _new(said: Identity) -> Kept:
    if said.kind == "host":
        return Host()
    return Platform() if said.kind == "platform" else Fleet()


def _test(platform: Platform, said: Identity) -> list[RestrictionTested]:
    """The session's index, or the tests that it asks for; a refusal is told when the bar has moved."""
    session = f"{said.room_id} {said.session_id}"
    if not said.index:
        index = elond.begin_session(platform)
        return [_tested(platform, said, index, f"index {session} {index}")]
    answers = []
    for test in said.tests:
        if elond.discover(platform, session, test.family, said.index, test.mass):
            about = f"allowed {session} {test.family} {platform.discoveries}"
            answers.append(_tested(platform, said, said.index, about, family=test.family, allowed=True))
        elif elond.mass_needed(said.index, platform.discoveries) != said.threshold:
            about = f"refused {session} {test.family} {platform.discoveries}"
            answers.append(_tested(platform, said, said.index, about, family=test.family))
    return answers


def _tested(
    platform: Platform, said: Identity, index: int, about: str, *, family: str | None = None, allowed: bool = False
) -> RestrictionTested:
    return RestrictionTested(
        id=f"tested:{xxh3_64_intdigest(about.encode()):016x}",
        room_id=said.room_id,
        at_ms=said.at_ms,
        session_id=said.session_id,
        index=index,
        threshold=elond.mass_needed(index, platform.discoveries),
        discoveries=platform.discoveries,
        allowed=allowed,
        family=family,  # type: ignore[arg-type]
    )
