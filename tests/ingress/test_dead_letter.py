"""A dead letter keeps the record as it came and says in headers where it stood and why it was refused."""

from typing import NamedTuple

from tests.contracts.contract import Contract
from worker.ingress.reject import Reason, Reject, dead_letter
from worker.records import OutRecord


class Read(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


RECORD = Read(88213, 1_718_672_431_000, b"\xff", b"not { json", (("trace", b"\x00\x01"), ("trace", b"2")))
REJECT = Reject(Reason.NOT_JSON, "JSON is malformed: invalid character (byte 1)")


def letter(record: Read = RECORD, reject: Reject = REJECT) -> OutRecord:
    return dead_letter(record, reject, topic="live.room.events", partition=17, worker_version="0.1.0")


def test_key_value_timestamp_and_headers_stay_as_they_were() -> None:
    out = letter()
    assert out.topic == "live.audit.deadletter"
    assert (out.key, out.value, out.timestamp_ms) == (RECORD.key, RECORD.value, RECORD.timestamp)
    assert out.headers[:2] == [("trace", b"\x00\x01"), ("trace", b"2")]


def test_the_headers_fit_their_contract() -> None:
    for reason in Reason:
        headers = letter(reject=Reject(reason, "x" * 5_000, "room")).headers[2:]
        assert (
            Contract("live.audit.deadletter").errors({name: (value or b"").decode() for name, value in headers}) == []
        )


def test_the_headers_say_where_it_stood_and_why() -> None:
    assert dict(letter().headers[2:]) == {
        "dlq.original.topic": b"live.room.events",
        "dlq.original.partition": b"17",
        "dlq.original.offset": b"88213",
        "dlq.original.timestamp": b"1718672431000",
        "dlq.error.class": b"not_json",
        "dlq.error.message": b"JSON is malformed: invalid character (byte 1)",
        "dlq.stage": b"decode",
        "dlq.worker.version": b"0.1.0",
    }


def test_a_record_refused_again_carries_each_name_once() -> None:
    again = letter(Read(5, 1, b"k", None, (*letter().headers, ("dlq.replay_of", b"dlq:3:91"))))
    names = [name for name, _ in again.headers if name.startswith("dlq.")]
    assert len(names) == len(set(names))
    assert dict(again.headers)["dlq.original.offset"] == b"5"
    assert dict(again.headers)["dlq.replay_of"] == b"dlq:3:91"
