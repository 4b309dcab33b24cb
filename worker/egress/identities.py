"""What rooms tell of themselves as records of `live.audit.identities`, and the answers as events of their logs."""

import msgspec

from worker.audit.announce import Identity
from worker.audit.events import Answer
from worker.records import OutRecord
from worker.topics import EVENTS_TOPIC, IDENTITIES_TOPIC

_encode = msgspec.json.Encoder().encode
_HOST = b"host:"


def encode_identity(said: Identity) -> OutRecord:
    """The record of what a room says; its key is `kind:identity`."""
    return OutRecord(IDENTITIES_TOPIC, f"{said.kind}:{said.identity}".encode(), _encode(said), [], said.at_ms)


def partition_key(key: bytes) -> bytes:
    """The bytes that decide an identity's partition: a host stands where the registry, keyed by host_id, has him."""
    return key.removeprefix(_HOST)


def encode_answer(answer: Answer) -> OutRecord:
    """An event for the log of the room it names."""
    return OutRecord(EVENTS_TOPIC, answer.room_id.encode(), _encode(answer), [], answer.at_ms)
