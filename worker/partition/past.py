"""What an earlier release left, as records of `live.audit.history`, as rooms and identities to begin with. No I/O."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from worker.audit.elond import Platform
from worker.audit.past import Activation, Past, PastHost, PastPlatform, PastRoom
from worker.audit.room import Room
from worker.audit.succession import heir
from worker.identities.hosts import Host
from worker.ingress.history import decode_past
from worker.ingress.reject import Reject
from worker.records import Record


class HistoryError(Exception):
    """The history cannot be read, or is not complete: who went on without it would say again what was said."""


class RoomsLeft(NamedTuple):
    """A partition's rooms, and the first offset that is to be judged aloud."""

    rooms: list[Room]
    activation: int


class IdentitiesLeft(NamedTuple):
    """A partition's hosts and platforms by `kind:identity`, and the first offset that is to be answered."""

    kept: dict[str, Host | Platform]
    activation: int


def history_partition(identities_partition: int, rooms_partitions: int) -> int:
    """Where the history keeps what belongs to a partition of the identities' topic."""
    return identities_partition % rooms_partitions


def rooms_left(records: Iterable[Record], partition: int) -> RoomsLeft:
    """What a partition of the history says of the same partition of the room log.

    Raises HistoryError when a record cannot be read, or when there are some and none says where they end.
    """
    found = list(_newest(records, partition).values())
    rooms = [heir(past, partition) for past in found if isinstance(past, PastRoom)]
    return RoomsLeft(rooms, _activation(found, "rooms", partition) if found else 0)


def identities_left(records: Iterable[Record], partition: int, place: Callable[[bytes], int]) -> IdentitiesLeft:
    """What a partition of the history says of a partition of the identities' topic; `place` gives a key's partition.

    Raises HistoryError as `rooms_left`.
    """
    found = _newest(records, partition)
    if not found:
        return IdentitiesLeft({}, 0)
    activation = _activation(found.values(), "identities", partition)
    kept: dict[str, Host | Platform] = {}
    for key, past in found.items():
        if isinstance(past, PastHost | PastPlatform) and place(key.encode()) == partition:
            kept[key] = _host(past, activation) if isinstance(past, PastHost) else _platform(past, activation)
    return IdentitiesLeft(kept, activation)


def _newest(records: Iterable[Record], partition: int) -> dict[str, Past]:
    found: dict[str, Past] = {}
    for record in records:
        past = decode_past(record.key, record.value)
        if isinstance(past, Reject):
            raise HistoryError(
                f"partition {partition} of the history, offset {record.offset}: {past.reason}: {past.detail}"
            )
        found[(record.key or b"").decode()] = past
    return found


def _activation(found: Iterable[Past], source: str, partition: int) -> int:
    for past in found:
        if isinstance(past, Activation) and (past.source, past.partition) == (source, partition):
            return past.offset
    raise HistoryError(
        f"the history does not say where the earlier release stopped in partition {partition} of its {source}: the "
        "export was cut off. Repeat `stream-audit history export`"
    )


def _host(past: PastHost, activation: int) -> Host:
    upheld = sorted((one.at_ms, one.rule, one.room_id or "") for one in past.upheld)
    return Host(offset=activation - 1, max_at_ms=past.at_ms, upheld=tuple(upheld))


def _platform(past: PastPlatform, activation: int) -> Platform:
    return Platform(
        offset=activation - 1,
        sessions=past.sessions,
        discoveries=past.discoveries,
        found=[int(mark, 16) for mark in past.found],
    )
