"""10⁵ hostile records: never an exception, always one closed reason or an event that the schema would take."""

import json
import random
from collections import Counter
from collections.abc import Callable

import pytest

from tests.contracts.contract import EVENTS, examples
from worker.audit.events import Envelope
from worker.ingress.decode import decode
from worker.ingress.reject import Reason, Reject

RECORDS = 100_000
AT_MS = 1_718_672_400_000
VALID = [path.read_bytes() for path in examples(EVENTS, "valid")]
INVALID = [path.read_bytes() for path in examples(EVENTS, "invalid")]
SCRAPS = [
    b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"null", b"true", b"\xff", b"\xed\xa0\x80", b"\\ud800", b'"', b"{",
    b"[", b"}", b"]", b",", b":", b"\x00", b"\xef\xbb\xbf", b'"type":"viewer.liked",', b"1.0", b'"at_ms":1',
]  # fmt: skip

Record = tuple[bytes | None, bytes | None, int]


def flipped(rng: random.Random) -> bytes:
    value = bytearray(rng.choice(VALID))
    for _ in range(rng.randint(1, 4)):
        value[rng.randrange(len(value))] = rng.randrange(256)
    return bytes(value)


def spliced(rng: random.Random) -> bytes:
    value = rng.choice(VALID)
    at = rng.randrange(len(value))
    return value[:at] + rng.choice(SCRAPS) + value[at + rng.choice([0, 0, 1, 3]) :]


def crossed(rng: random.Random) -> bytes:
    one, other = rng.choice(VALID), rng.choice(VALID)
    return one[: rng.randrange(len(one))] + other[rng.randrange(len(other)) :]


def merged(rng: random.Random) -> bytes:
    one, other = json.loads(rng.choice(VALID)), json.loads(rng.choice(VALID))
    mixed = list({**one, **other, "type": one["type"]}.items())
    rng.shuffle(mixed)
    return json.dumps(dict(mixed[: rng.randint(1, len(mixed))])).encode()


def deep(rng: random.Random) -> bytes:
    opening = rng.choice([b"[", b'{"a":', b'[{"b":'])
    return rng.choice([b"", b'{"type":"viewer.liked","x":', b'{"x":']) + opening * rng.choice([50, 300, 2_000, 12_000])


WAYS: list[Callable[[random.Random], bytes | None]] = [
    lambda rng: rng.randbytes(rng.randrange(200)),
    lambda rng: "".join(rng.choices('{}[]",:0123456789.eE+-\\tyu 房"', k=rng.randrange(120))).encode(),
    lambda rng: rng.choice(INVALID),
    lambda rng: rng.choice(VALID),
    lambda rng: rng.choice(VALID)[:-1] + b"," + rng.choice(VALID)[2:],  # every key twice
    lambda rng: rng.choice(VALID) + rng.choice(SCRAPS),
    lambda rng: rng.choice([None, b"", b" ", b"{}", b"[]", b"0", b'""']),
    flipped, spliced, crossed, merged, merged, deep,
]  # fmt: skip


def hostile(rng: random.Random) -> Record:
    value = rng.choice(WAYS)(rng)
    try:
        key = json.loads(value or b"")["room_id"].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        key = rng.choice([None, b"", b"wechat_channels:room-48213", b"\xff"])
    if rng.random() < 0.05:
        key = rng.choice([None, b"other", b"\xff\x00"])
    return key, value, rng.choice([0, AT_MS - 10**9, AT_MS + 10**9, AT_MS + 10**9, AT_MS + 10**9, -1])


@pytest.mark.slow
def test_a_hundred_thousand_hostile_records_each_get_an_event_or_a_closed_reason() -> None:
    seed = 20_240_618
    rng = random.Random(seed)
    seen: Counter[Reason | str] = Counter()
    for number in range(RECORDS):
        key, value, timestamp_ms = hostile(rng)
        try:
            outcome = decode(key, value, timestamp_ms)
        except BaseException as error:
            raise AssertionError(f"seed {seed}, record {number}: {key!r} {value!r}") from error
        if isinstance(outcome, Reject):
            assert outcome.reason in Reason
            seen[outcome.reason] += 1
        else:
            assert isinstance(outcome, Envelope)
            assert outcome.room_id.encode() == key
            assert outcome.at_ms <= timestamp_ms + 300_000
            seen["event"] += 1
    assert seen.total() == RECORDS
    never = {reason for reason in [*Reason, "event"] if seen[reason] < 100} - {
        Reason.OUT_OF_SESSION, Reason.UNKNOWN_POLICIES, Reason.BAD_SIGNATURE,
    }  # fmt: skip
    assert never == set(), seen
