"""A room as bytes and back, with versions.

A snapshot is one byte of version, eight of checksum (xxh3) and the room as a msgpack array, without its speech ring;
the ring is saved beside it in chunks of 128 segments, only those that changed. Fields are only ever added at the end,
with defaults, so code of the same version, older or newer, decodes it; another version is refused, never guessed at.
"""

from sys import intern

import msgspec
from msgspec.structs import force_setattr
from xxhash import xxh3_64_digest

from worker.audit import speech
from worker.audit.evidence import DESIGNS
from worker.audit.facts import AiPresenter, Facts, History
from worker.audit.labelled import NO_LABEL
from worker.audit.room import Detector, Look, Room, Session

VERSION = 4
_PREFIX = bytes((VERSION,))
_BODY = 9  # where the room begins

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Room)


class _Head(msgspec.Struct, array_like=True):
    room_id: str
    partition: int
    offset: int


_NOTHING_KNOWN = tuple((name, getattr(Facts(), name)) for name in Facts.__struct_fields__)
_NOTHING_MARKED = AiPresenter()
_NO_HISTORY = History()
_head_decoder = msgspec.msgpack.Decoder(_Head)


class SnapshotError(Exception):
    """A snapshot cannot be read: it is corrupt, or of a version that this code does not know. Crash, do not guess."""


def encode(room: Room) -> bytes:
    """The room's core: version and msgpack."""
    ring = room.session.speech
    if ring is None:
        return _sealed(_encoder.encode(room))
    store, ring.store = ring.store, None
    try:
        return _sealed(_encoder.encode(room))
    finally:
        ring.store = store


def take_changed_chunks(room: Room) -> dict[int, bytes]:
    """Chunks of the speech ring that changed since the last call, by number; forgets that they did.

    Each must be durable before the core that was encoded with them.
    """
    return speech.take_changed_chunks(room.session.speech) if room.session.speech is not None else {}


def decode(core: bytes, chunks: dict[int, bytes]) -> Room:
    """The room from its core and the chunks of its speech ring; chunks may be newer than the core, never older.

    Raises:
        SnapshotError: corrupt, truncated, or a version from the future.
    """
    _check(core)
    try:
        room = _decoder.decode(memoryview(core)[_BODY:])
        if room.session.speech is not None:
            speech.restore(room.session.speech, chunks)
        if room.history == _NO_HISTORY:
            room.history = _NO_HISTORY
        for session in (room.session, *room.aside):
            _share_defaults(session)
    except (msgspec.MsgspecError, ValueError) as error:
        raise SnapshotError(f"snapshot of {len(core)} bytes with {len(chunks)} speech chunks: {error}") from error
    return room


def _share_defaults(session: Session) -> None:
    """Restored sessions share what new ones share: facts that know nothing, names of platforms and families."""
    session.platform, session.region = intern(session.platform), intern(session.region)
    for name, family in session.families.items():
        family.name = intern(name)
        if name in DESIGNS and family.norms == DESIGNS[name].norms:
            family.norms = DESIGNS[name].norms
    for detector in (*session.detectors, *session.block.detectors):
        _share_names(detector)
    for pane in session.panes.values():
        for look in pane.looks:
            _share_names(look)
    session.families = {intern(name): family for name, family in session.families.items()}
    for name, nothing in _NOTHING_KNOWN:
        if getattr(session.facts, name) == nothing:
            setattr(session.facts, name, nothing)
    if session.facts.label == NO_LABEL:
        session.facts.label = NO_LABEL
    if session.marked == _NOTHING_MARKED:
        session.marked = _NOTHING_MARKED


def _share_names(instrument: Detector | Look) -> None:
    for name in ("modality", "detector", "version", "stratum"):
        force_setattr(instrument, name, intern(getattr(instrument, name)))


def offset_of(core: bytes) -> int:
    """The source offset that a core has applied, without decoding the rest.

    Raises:
        SnapshotError: as `decode`.
    """
    _check(core)
    try:
        return _head_decoder.decode(memoryview(core)[_BODY:]).offset
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"snapshot of {len(core)} bytes: {error}") from error


def _sealed(body: bytes) -> bytes:
    return _PREFIX + xxh3_64_digest(body) + body


def _check(core: bytes) -> None:
    if not core:
        raise SnapshotError("snapshot is empty")
    if core[0] != VERSION:
        what = (
            "roll forward to the release that wrote it"
            if core[0] > VERSION
            else "go back to the release that wrote it, or run this one beside it under another STREAM_AUDIT_APP_ID"
        )
        raise SnapshotError(f"snapshot has version {core[0]}; this worker reads version {VERSION}: {what}")
    if xxh3_64_digest(memoryview(core)[_BODY:]) != core[1:_BODY]:
        raise SnapshotError(f"snapshot of {len(core)} bytes does not match its checksum: it was cut or altered")
