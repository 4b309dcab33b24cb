"""What an earlier release knew, as records of `live.audit.history`."""

import msgspec

from worker.audit.past import Past, key_of
from worker.records import OutRecord
from worker.topics import HISTORY_TOPIC

_encode = msgspec.json.Encoder().encode


def encode_past(past: Past) -> OutRecord:
    """The record; the same past is always the same bytes."""
    return OutRecord(HISTORY_TOPIC, key_of(past).encode(), _encode(past))
