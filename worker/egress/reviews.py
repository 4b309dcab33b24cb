"""What became of a review, as a record of `live.audit.reviews`: CloudEvents 1.0, binary mode.

Times are those of the review and ids are hashes of its place in the log, so the same log gives the same bytes; an
answer may come again after a crash, with the same id. Nothing in it depends on whether the room is still known.
"""

from datetime import UTC, datetime

import orjson

from worker.audit.reviews import Answer
from worker.records import OutRecord, record_id
from worker.topics import REVIEWS_TOPIC

SCHEMA = "urn:stream-audit:live.audit.reviews:v1"


def encode_answer_to_review(room_id: str, answer: Answer, *, topic: str, partition: int) -> OutRecord:
    """The record of an answer; `topic` and `partition` are those of the room's log, which holds the review."""
    review = answer.review
    answer_id = record_id(room_id, review.review_id, str(review.offset))  # each record has its answer
    value = {
        "answer_id": answer_id,
        "review_id": review.review_id,
        "violation_id": review.violation_id,
        "room_id": room_id,
        "at_ms": review.at_ms,
        "outcome": review.outcome,
        "by": review.by,
        "result": answer.result,
        "standing": answer.standing or None,
        "head_violation_id": answer.head or None,
        "log": {"topic": topic, "partition": partition, "offset": max(0, review.offset)},
    }
    headers = _headers(room_id, answer, answer_id)
    return OutRecord(REVIEWS_TOPIC, room_id.encode(), orjson.dumps(value), headers, review.at_ms)


def _headers(room_id: str, answer: Answer, answer_id: str) -> list[tuple[str, bytes]]:
    time = datetime.fromtimestamp(answer.review.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", answer_id.encode()),
        ("ce_type", f"live.audit.review.{answer.result}.v1".encode()),
        ("ce_source", b"urn:stream-audit:reviews"),
        ("ce_subject", room_id.encode()),
        ("ce_time", time.replace("+00:00", "Z").encode()),
        ("ce_dataschema", SCHEMA.encode()),
        ("content-type", b"application/json"),
    ]
