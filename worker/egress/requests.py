"""What the worker asks of the platform, as a record of `live.audit.requests`: CloudEvents 1.0, binary mode.

Times are event times and ids are hashes of what was asked for, so the same log gives the same bytes; a request may come
again after a crash, with the same id.
"""

from datetime import UTC, datetime

import orjson

from worker.audit.requests import Request
from worker.audit.room import Room
from worker.records import OutRecord, record_id
from worker.topics import REQUESTS_TOPIC

SCHEMA = "urn:stream-audit:live.audit.requests:v1"


def encode_request(room: Room, request: Request, *, offset: int) -> OutRecord:
    """The record of a request about a room; `offset` is that of the event which made it, in the room's log."""
    session = room.session
    start = str(session.start_ms)
    request_id = record_id(session.platform, room.room_id, session.id, start, request.action, str(request.number))
    value = {
        "request_id": request_id,
        "action": request.action,
        "reason": request.reason,
        "platform": session.platform,
        "region": session.region,
        "room_id": room.room_id,
        "session_id": session.id or None,
        "host_id": session.host_id,
        "at_ms": request.at_ms,
        "deadline_ms": request.deadline_ms,
        "kinds": list(request.kinds),
        "limits": {"asked_last_hour": request.asked, "per_hour": request.per_hour},
        "why": {"challenge_cusum_nats": request.cusum_nats, "suspicion_nats": request.suspicion_nats},
        "log": {"partition": room.partition, "offset": offset},
    }
    return OutRecord(
        REQUESTS_TOPIC, room.room_id.encode(), orjson.dumps(value), _headers(room, request, request_id), request.at_ms
    )


def _headers(room: Room, request: Request, request_id: str) -> list[tuple[str, bytes]]:
    time = datetime.fromtimestamp(request.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", request_id.encode()),
        ("ce_type", f"live.audit.request.{request.action}.v1".encode()),
        ("ce_source", f"urn:stream-audit:{room.session.platform}".encode()),
        ("ce_subject", room.room_id.encode()),
        ("ce_time", time.replace("+00:00", "Z").encode()),
        ("ce_dataschema", SCHEMA.encode()),
        ("content-type", b"application/json"),
    ]
