"""Schema and decoder accept and reject the same room events, generated from the schema; jsonschema is the oracle.

Left out on purpose, each with its own test under tests/ingress: repeated keys (Python's parser keeps the last
unseen), and bytes that are no UTF-8 inside fields the worker does not read (the decoder skips them).
"""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.contract import EVENTS, Contract, examples, schema
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


@pytest.mark.slow
@fuzz
@given(events(ROOT))
def test_both_accept_what_the_schema_generates(event: dict[str, Any]) -> None:
    value = on_the_wire(event)
    assert CONTRACT.producer_accepts(value)
    assert decoder_accepts(event, value)


@pytest.mark.slow
@fuzz
@given(mutated(ROOT))
def test_they_agree_on_broken_events(event: dict[str, Any]) -> None:
    value = on_the_wire(event)
    assert decoder_accepts(event, value) == CONTRACT.accepts(value)


@pytest.mark.slow
@fuzz
@given(events(ROOT), st.data())
def test_they_agree_on_text_with_a_byte_changed(event: dict[str, Any], data: st.DataObject) -> None:
    value = bytearray(json.dumps(event, ensure_ascii=True).encode())
    where = data.draw(st.integers(0, len(value) - 1))
    value[where] = data.draw(st.sampled_from(b'{}[]",:0123456789.eE+-\\untf \n\x00'))
    pairs: list[int] = []

    def counted(read: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs.append(len(read) - len(dict(read)))
        return dict(read)

    try:
        changed = json.loads(bytes(value), object_pairs_hook=counted)
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


def edges(node: dict[str, Any]) -> list[Any]:
    """Values on either side of every bound of a field, and one of each JSON type."""
    if "$ref" in node:
        return edges(ROOT["$defs"][node["$ref"].removeprefix("#/$defs/")])
    values: list[Any] = [None, True, 0, 1, 0.5, "x", [], {}]
    for option in node.get("anyOf", []):
        values += edges(option)
    for bound in ("minimum", "maximum"):
        if bound in node:
            step = 1 if "integer" in node["type"] else 1e-9
            values += [node[bound] - step, node[bound], node[bound] + step]
    for bound in ("minLength", "maxLength"):
        values += ["尺" * (node[bound] + more) for more in (-1, 0, 1) if bound in node]
        values += ["a" * (node[bound] + more) for more in (-1, 0, 1) if bound in node]
    values += [*node.get("enum", []), "no such word"]
    if "maxItems" in node:
        for item in edges(node["items"]):
            values += [[item]]
        values += [[fill] * (node["maxItems"] + more) for fill in ("a", SHOP) for more in (0, 1)]
    return values


SHOP = {"system": "wechat_shop", "id": "1"}
NAME_OF = {b["if"]["properties"]["type"]["const"]: b["then"]["$ref"].split("/")[-1] for b in ROOT["allOf"]}
MINIMAL = {
    NAME_OF[event["type"]]: event for event in (json.loads(path.read_bytes()) for path in examples(EVENTS, "valid"))
}
FIELDS = [
    (definition, name)
    for definition, node in ROOT["$defs"].items()
    if "type" in node.get("properties", {})
    for name in node["properties"]
]


@pytest.mark.parametrize(("definition", "name"), FIELDS, ids=[f"{d}-{n}" for d, n in FIELDS])
def test_they_agree_on_both_sides_of_every_bound(definition: str, name: str) -> None:
    node = ROOT["$defs"][definition]["properties"][name]
    accepted = 0
    for value in edges(node) + ([node["const"]] if "const" in node else []):
        event = {**MINIMAL[definition], name: value}
        on_wire = on_the_wire(event)
        agreed = CONTRACT.accepts(on_wire)
        assert decoder_accepts(event, on_wire) == agreed, value
        accepted += agreed
    assert accepted > 0
