"""The history: schema and decoder accept and reject the same."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.contract import Contract, examples, schema
from tests.contracts.generate import TEMPTING, fitting
from worker.audit.past import key_of
from worker.egress.history import encode_past
from worker.ingress.history import decode_past
from worker.ingress.reject import Reason, Reject
from worker.topics import HISTORY_TOPIC

EXAMPLES = [path for kind in ("valid", "invalid") for path in examples(HISTORY_TOPIC, kind)]
ROOT = schema(HISTORY_TOPIC)
fuzz = settings(max_examples=300, derandomize=True, deadline=None, database=None)


KEYS = {
    "history.room": "room:{room_id}",
    "history.host": "host:{host_id}",
    "history.platform": "platform:{platform}",
    "history.activation": "activation:{source}:{partition}",
}


def key(record: Any) -> bytes:
    try:
        return KEYS[record["type"]].format(**record).encode()
    except (KeyError, TypeError):
        return b""


def decided(record: Any) -> str:
    """Why the decoder refuses a record; nothing when it does not."""
    found = decode_past(key(record), json.dumps(record, ensure_ascii=False).encode())
    return found.reason.value if isinstance(found, Reject) else ""


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """A valid record with up to two fields dropped or replaced."""
    branch = draw(st.sampled_from(ROOT["allOf"]))
    record: dict[str, Any] = dict(draw(fitting(branch["then"], ROOT)))
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(record)))
        if name != "type" and draw(st.booleans()):
            del record[name]
        else:
            record[name] = draw(st.sampled_from(TEMPTING))
    return record


@pytest.mark.slow
@fuzz
@given(record=changed())
def test_schema_and_decoder_agree(record: dict[str, Any]) -> None:
    value = json.dumps(record, ensure_ascii=False).encode()
    assert (decided(record) == "") == Contract(HISTORY_TOPIC).accepts(value), record


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_decided_as_their_folder_and_name_say(path: Any) -> None:
    expected = "" if path.parent.name == "valid" else path.name.split(".")[0]
    assert decided(json.loads(path.read_bytes())) == expected


@pytest.mark.parametrize("path", examples(HISTORY_TOPIC, "valid"), ids=lambda path: path.stem)
def test_what_is_read_is_written_as_it_was(path: Any) -> None:
    written = json.loads(path.read_bytes())
    past = decode_past(key(written), json.dumps(written).encode())
    assert not isinstance(past, Reject)
    record = encode_past(past)
    assert json.loads(record.value or b"") == written
    assert record.key == key(written) == key_of(past).encode()


def test_a_record_under_another_key_is_refused() -> None:
    value = examples(HISTORY_TOPIC, "valid")[0].read_bytes()
    for other in (None, b"", b"room:somewhere"):
        found = decode_past(other, value)
        assert isinstance(found, Reject)
        assert found.reason == Reason.KEY_MISMATCH
