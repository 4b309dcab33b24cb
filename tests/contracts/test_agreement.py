"""Schema and decoder accept and reject the same room events, generated from the schema; jsonschema is the oracle.

Left out on purpose, each with its own test under tests/ingress: repeated keys (Python's parser keeps the last
unseen), and bytes that are no UTF-8 inside fields the worker does not read (the decoder skips them).
"""

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.contract import EVENTS, Contract, schema
from tests.contracts.generate import events, mutated
from worker.audit.events import Event
from worker.ingress.decode import decode
from worker.ingress.reject import Reject

CONTRACT = Contract(EVENTS)
ROOT = schema(EVENTS)
FAR_FUTURE_MS = 5_000_000_000_000
fuzz = settings(max_examples=400, derandomize=True, deadline=None, database=None)


def on_the_wire(event: Any) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


def decoder_accepts(event: Any, value: bytes) -> bool:
    key = event["room_id"].encode() if isinstance(event, dict) and isinstance(event.get("room_id"), str) else None
    return not isinstance(decode(key, value, FAR_FUTURE_MS), Reject)


@fuzz
@given(events(ROOT))
def test_both_accept_what_the_schema_generates(event: dict[str, Any]) -> None:
    value = on_the_wire(event)
    assert CONTRACT.producer_accepts(value)
    assert decoder_accepts(event, value)


@fuzz
@given(mutated(ROOT))
def test_they_agree_on_broken_events(event: dict[str, Any]) -> None:
    value = on_the_wire(event)
    assert decoder_accepts(event, value) == CONTRACT.accepts(value)


@fuzz
@given(events(ROOT), st.data())
def test_they_agree_on_text_with_a_byte_changed(event: dict[str, Any], data: st.DataObject) -> None:
    value = bytearray(json.dumps(event, ensure_ascii=True).encode())
    where = data.draw(st.integers(0, len(value) - 1))
    value[where] = data.draw(st.sampled_from(b'{}[]",:0123456789.eE+-\\untf \n\x00'))
    try:
        pairs: list[Any] = []
        changed = json.loads(bytes(value), object_pairs_hook=lambda p: pairs.append(len(p) - len(dict(p))) or dict(p))
    except ValueError:
        changed, pairs = None, []
    if any(pairs):
        return  # a repeated key
    assert decoder_accepts(changed, bytes(value)) == CONTRACT.accepts(bytes(value))


def test_structs_and_schema_name_the_same_fields_and_require_the_same() -> None:
    by_tag = {struct.__struct_config__.tag: struct for struct in Event.__args__}
    for branch in ROOT["allOf"]:
        tag = branch["if"]["properties"]["type"]["const"]
        written = ROOT["$defs"][branch["then"]["$ref"].removeprefix("#/$defs/")]
        fields = msgspec.structs.fields(by_tag.pop(tag))
        assert {field.name for field in fields} | {"type"} == set(written["properties"])
        assert {field.name for field in fields if field.required} | {"type"} == set(written["required"])
    assert by_tag == {}
