"""State of version 3, as its releases wrote it to their changelogs: read here, and never written.

The layout is frozen: positions in msgpack arrays, no structure that other code may change. Only what outlives an
upgrade is read: what people decided or may decide, and what e-LOND counted.
`tests/data/state3` holds bytes that version 3 wrote.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from xxhash import xxh3_64_digest

from worker.audit.events import Shop
from worker.audit.past import Activation, PastEpisode, PastHost, PastPlatform, PastRoom, PastUpheld
from worker.records import Record

ROOM_VERSION = 3
IDENTITY_VERSION = 1
META_VERSION = 1
REMEMBERED_MS = 180 * 24 * 3_600_000

_CHECKSUM = 8
_PREFIX = 16
_SEALED = 9
_raws = msgspec.msgpack.Decoder(list[msgspec.Raw])
_Past = TypeVar("_Past")

# Positions in a room, in its facts and in their history.
ROOM_ID, OFFSET, SESSION_ID, PLATFORM, REGION, HOST_ID, OPERATOR_ID = 0, 2, 5, 6, 7, 8, 9
SHOP_IDS, STARTED_AT_MS, MAX_AT_MS, FACTS, EPISODES = 12, 16, 18, 36, 53
HISTORY, HISTORY_OF_THE_ROOM = 13, 0
# In a host and in a platform.
HOST_MAX_AT_MS, HOST_UPHELD = 2, 5
SESSIONS, DISCOVERIES, FOUND = 1, 2, 3
EPISODE_FIELDS = (
    "rule", "state", "opened_ms", "step", "stepped_ms", "false_since_ms", "violation_id", "policy_version", "mode",
    "session_id", "certainty", "upheld", "parked", "exempt", "began",
)  # fmt: skip


class State3Error(ValueError):
    """A record is no state of version 3, or was cut or altered; the message says which."""


class Changelog:
    """One partition of a changelog, record by record. A record that a newer one has overtaken is passed over.

    Attributes:
        applied: every source offset below it is in the state; 0 before the first flush.
        watermark_ms: the newest event time of the partition.
        records: how many were taken.
    """

    def __init__(self) -> None:
        self.applied = 0
        self.watermark_ms = 0
        self.records = 0

    def take(self, record: Record) -> None:
        """Take the next record. Raises State3Error, which does not name the place."""
        self.records += 1
        key = (record.key or b"").decode()
        if key == "#meta":
            self._take_meta(record.value or b"")
        elif key.startswith("#"):
            return  # caps, the registry's offset, and what a release marked as dispensable
        elif record.value is None:
            self._forget(key, _tombstone_offset(record))
        else:
            self._keep(key, record.value)

    def _take_meta(self, value: bytes) -> None:
        fields = _decoded(_split(value))
        if fields[0] != META_VERSION:
            raise State3Error(f"meta of version {fields[0]}, this export reads version {META_VERSION}")
        if fields[1] >= self.applied:
            self.applied, self.watermark_ms = fields[1], fields[2]

    def _keep(self, key: str, value: bytes) -> None:
        raise NotImplementedError

    def _forget(self, key: str, offset: int) -> None:
        raise NotImplementedError


class Rooms(Changelog):
    """What one partition of `<app>-rooms-changelog` knows of its rooms."""

    def __init__(self) -> None:
        super().__init__()
        self._rooms: dict[str, tuple[int, PastRoom | None]] = {}

    def _keep(self, key: str, value: bytes) -> None:
        if "#" in key:
            return  # speech
        room = _unsealed(_split(value), ROOM_VERSION, "a room")
        offset = _at(room, OFFSET, int, -1)
        if offset >= self._rooms.get(key, (-1, None))[0]:
            self._rooms[key] = offset, _room(room, offset)

    def _forget(self, key: str, offset: int) -> None:
        if "#" not in key and self._rooms.get(key, (offset + 1, None))[0] <= offset:
            del self._rooms[key]

    def past(self) -> Iterator[PastRoom]:
        """Rooms about which people decided something in the last half a year, or may decide; by id."""
        since_ms = self.watermark_ms - REMEMBERED_MS
        for room_id in sorted(self._rooms):
            room = self._rooms[room_id][1]
            if room is None:
                continue
            upheld = [one for one in room.upheld if one.at_ms > since_ms]
            episodes = room.episodes if room.at_ms > since_ms else []
            if upheld or episodes:
                yield msgspec.structs.replace(room, upheld=upheld, episodes=episodes)

    def activation(self, partition: int, app_id: str) -> Activation:
        """Where the release stopped in this partition of the room log."""
        return Activation(
            source="rooms", partition=partition, offset=self.applied, app_id=app_id, state_version=ROOM_VERSION
        )


class Identities(Changelog):
    """What one partition of `<app>-identities-changelog` knows of hosts and platforms; fleets live 15 minutes."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, tuple[int, PastHost | PastPlatform]] = {}

    def _keep(self, key: str, value: bytes) -> None:
        kind, _, name = key.partition(":")
        if kind not in ("host", "platform"):
            return
        kept = _unsealed(value, IDENTITY_VERSION, "an identity")
        offset = _at(kept, 0, int, -1)
        if offset >= self._kept.get(key, (-2, None))[0]:
            self._kept[key] = offset, _host(name, kept) if kind == "host" else _platform(name, kept)

    def _forget(self, key: str, offset: int) -> None:
        if self._kept.get(key, (offset + 1, None))[0] <= offset:
            del self._kept[key]

    def past(self, watermark_ms: int) -> Iterator[PastHost | PastPlatform]:
        """Hosts against whom people upheld something in the half a year before `watermark_ms`, and all platforms."""
        since_ms = watermark_ms - REMEMBERED_MS
        for key in sorted(self._kept):
            kept = self._kept[key][1]
            if isinstance(kept, PastPlatform):
                yield kept
            elif upheld := [one for one in kept.upheld if one.at_ms > since_ms]:
                yield msgspec.structs.replace(kept, upheld=upheld)

    def activation(self, partition: int, app_id: str) -> Activation:
        """Where the release stopped in this partition of the identities' topic."""
        return Activation(
            source="identities", partition=partition, offset=self.applied, app_id=app_id, state_version=ROOM_VERSION
        )


def _room(room: list[msgspec.Raw], offset: int) -> PastRoom | None:
    """What outlives the upgrade of a room; None when that is nothing."""
    episodes = list(_at(room, EPISODES, dict[str, list[Any]], {}).values())
    facts = _at(room, FACTS, list[msgspec.Raw], [])
    history = _at(facts, HISTORY, list[msgspec.Raw], [])
    upheld = _at(history, HISTORY_OF_THE_ROOM, dict[str, list[int]], {})
    if not (episodes or upheld):
        return None
    known = sorted((_episode(fields) for fields in episodes), key=lambda episode: episode.rule)
    # The newest one of a rule is the one that its episode remembers.
    held = {(one.rule, max(upheld.get(one.rule, [-1]))): one for one in known if one.upheld}
    times = sorted((at_ms, rule) for rule, all_ms in upheld.items() for at_ms in all_ms)
    return _fitting(
        PastRoom,
        room_id=_at(room, ROOM_ID, str, ""),
        offset=max(0, offset),
        at_ms=_at(room, MAX_AT_MS, int, 0),
        platform=_at(room, PLATFORM, str, "other"),
        region=_at(room, REGION, str, ""),
        host_id=_at(room, HOST_ID, str, ""),
        operator_id=_at(room, OPERATOR_ID, str, ""),
        session_id=_at(room, SESSION_ID, str, ""),
        started_at_ms=_at(room, STARTED_AT_MS, int, 0),
        shop_ids=_at(room, SHOP_IDS, list[Shop], []),
        upheld=[_upheld(rule, at_ms, held.get((rule, at_ms))) for at_ms, rule in times],
        episodes=known,
    )


def _upheld(rule: str, at_ms: int, episode: PastEpisode | None) -> PastUpheld:
    if episode is None:
        return PastUpheld(rule=rule, at_ms=at_ms)
    return PastUpheld(rule=rule, at_ms=at_ms, opened_ms=episode.opened_ms, violation_id=episode.violation_id or None)


def _episode(fields: list[Any]) -> PastEpisode:
    return _fitting(PastEpisode, **dict(zip(EPISODE_FIELDS, fields, strict=False)))


def _host(host_id: str, host: list[msgspec.Raw]) -> PastHost:
    upheld = _at(host, HOST_UPHELD, list[tuple[int, str, str]], [])
    return _fitting(
        PastHost,
        host_id=host_id,
        at_ms=_at(host, HOST_MAX_AT_MS, int, 0),
        upheld=[PastUpheld(rule=rule, at_ms=at_ms, room_id=room_id) for at_ms, rule, room_id in upheld],
    )


def _platform(name: str, platform: list[msgspec.Raw]) -> PastPlatform:
    return _fitting(
        PastPlatform,
        platform=name,
        sessions=_at(platform, SESSIONS, int, 0),
        discoveries=_at(platform, DISCOVERIES, int, 0),
        found=[f"{mark:016x}" for mark in _at(platform, FOUND, list[int], [])],
    )


def _fitting(kind: Callable[..., _Past], **fields: Any) -> _Past:
    """A record of the history, held to its bounds as a reader will be."""
    past = kind(**fields)
    try:
        return msgspec.convert(msgspec.to_builtins(past), type(past))
    except msgspec.ValidationError as wrong:
        raise State3Error(f"no {type(past).__name__}: {wrong}") from wrong


def _at(fields: list[msgspec.Raw], position: int, kind: type[_Past], default: _Past) -> _Past:
    """A field by its position; `default` where an older release of this version had none."""
    if position >= len(fields):
        return default
    try:
        return msgspec.msgpack.decode(fields[position], type=kind)
    except msgspec.MsgspecError as wrong:
        raise State3Error(f"at position {position}: {wrong}") from wrong


def _decoded(data: bytes) -> list[Any]:
    try:
        fields: list[Any] = msgspec.msgpack.decode(data, type=list)
    except msgspec.MsgspecError as wrong:
        raise State3Error(str(wrong)) from wrong
    return fields


def _split(value: bytes) -> bytes:
    """What stands behind a checksum and a number. Raises State3Error when it was cut or altered."""
    if len(value) < _PREFIX or xxh3_64_digest(value[_CHECKSUM:]) != value[:_CHECKSUM]:
        raise State3Error(f"{len(value)} bytes do not match their checksum: they were cut or altered")
    return value[_PREFIX:]


def _unsealed(sealed: bytes, version: int, what: str) -> list[msgspec.Raw]:
    """The fields behind a version and a checksum."""
    if not sealed or sealed[0] != version:
        found = sealed[0] if sealed else "none"
        raise State3Error(f"{what} of version {found}, this export reads version {version}")
    if xxh3_64_digest(sealed[_SEALED:]) != sealed[1:_SEALED]:
        raise State3Error(f"{len(sealed)} bytes do not match their checksum: they were cut or altered")
    try:
        return _raws.decode(sealed[_SEALED:])
    except msgspec.MsgspecError as wrong:
        raise State3Error(f"{what}: {wrong}") from wrong


def _tombstone_offset(record: Record) -> int:
    for name, value in record.headers:
        if name == "offset" and value is not None:
            return int(value)
    raise State3Error("a tombstone without its offset")
