"""Every example under `schemas/` is executed: by the schema, and for room events by the decoder."""

import json
from pathlib import Path

import msgspec
import pytest

from tests.contracts.contract import EVENTS, Contract, closed, examples, schema, topics_with_schema
from worker.audit.events import Envelope
from worker.ingress.decode import decode
from worker.ingress.reject import Reason, Reject

CONTRACTS = {topic: Contract(topic) for topic in topics_with_schema()}
VALID = [(topic, path) for topic in CONTRACTS for path in examples(topic, "valid")]
INVALID = [(topic, path) for topic in CONTRACTS for path in examples(topic, "invalid")]
BEYOND_THE_VALUE = {
    Reason.KEY_MISMATCH, Reason.FUTURE_TIMESTAMP, Reason.OUT_OF_SESSION, Reason.UNKNOWN_POLICIES, Reason.BAD_SIGNATURE,
}  # fmt: skip
FAR_FUTURE_MS = 5_000_000_000_000


def named(pairs: list[tuple[str, Path]]) -> list[str]:
    return [f"{topic}-{path.stem}" for topic, path in pairs]


def reason_of(path: Path) -> Reason:
    return Reason(path.name.split(".")[0])


def key_of(value: bytes) -> bytes | None:
    try:
        return str(json.loads(value)["room_id"]).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


@pytest.mark.parametrize(("topic", "path"), VALID, ids=named(VALID))
def test_valid_examples_fit_the_consumers_and_the_producers_variant(topic: str, path: Path) -> None:
    value = path.read_bytes()
    assert CONTRACTS[topic].errors(json.loads(value)) == []
    assert CONTRACTS[topic].producer_accepts(value)


@pytest.mark.parametrize(("topic", "path"), INVALID, ids=named(INVALID))
def test_invalid_examples_fail_and_are_named_after_a_reason(topic: str, path: Path) -> None:
    assert reason_of(path) in Reason
    assert not CONTRACTS[topic].accepts(path.read_bytes())


@pytest.mark.parametrize("path", examples(EVENTS, "valid"), ids=lambda path: path.stem)
def test_valid_room_events_decode_to_what_they_say(path: Path) -> None:
    value = path.read_bytes()
    written = json.loads(value)
    event = decode(written["room_id"].encode(), value, written["at_ms"])
    assert isinstance(event, Envelope)
    assert type(event).__struct_config__.tag == written["type"]
    for name in written.keys() - {"type"}:
        assert msgspec.to_builtins(getattr(event, name)) == written[name]


@pytest.mark.parametrize("path", examples(EVENTS, "invalid"), ids=lambda path: path.stem)
def test_invalid_room_events_are_rejected_for_the_reason_in_their_name(path: Path) -> None:
    value = path.read_bytes()
    rejected = decode(key_of(value), value, FAR_FUTURE_MS)
    assert isinstance(rejected, Reject)
    assert rejected.reason == reason_of(path)


def test_every_event_type_has_a_valid_example() -> None:
    types = {json.loads(path.read_bytes())["type"] for path in examples(EVENTS, "valid")}
    assert types == set(schema(EVENTS)["properties"]["type"]["enum"])


def test_every_reason_that_a_value_alone_can_give_has_an_invalid_example() -> None:
    assert {reason_of(path) for path in examples(EVENTS, "invalid")} == set(Reason) - BEYOND_THE_VALUE


@pytest.mark.parametrize("topic", CONTRACTS)
def test_every_topic_has_examples_of_both_kinds(topic: str) -> None:
    assert len(examples(topic, "valid")) >= 2
    assert len(examples(topic, "invalid")) >= 3


@pytest.mark.parametrize("topic", CONTRACTS)
def test_schemas_are_well_formed_and_bound_every_text_list_and_integer(topic: str) -> None:
    type(CONTRACTS[topic]._open).check_schema(schema(topic))
    unbounded: list[str] = []

    def walk(node: object, at: str) -> None:
        if isinstance(node, list):
            for i, item in enumerate(node):
                walk(item, f"{at}/{i}")
        elif isinstance(node, dict):
            kinds = node.get("type", [])
            kinds = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
            needs = {"string": "maxLength", "array": "maxItems", "integer": "maximum"}
            unbounded.extend(at for kind in kinds if kind in needs and needs[kind] not in node)
            for key, value in node.items():
                if key not in ("enum", "Json"):
                    walk(value, f"{at}/{key}")

    walk(schema(topic), "")
    # A pattern of fixed length is a bound, too.
    assert [at for at in unbounded if not at.endswith("Sha256")] == []


def test_the_producers_variant_refuses_what_the_consumers_variant_ignores() -> None:
    value = (examples(EVENTS, "valid")[0]).read_bytes()
    more = json.dumps({**json.loads(value), "mood": "sunny"}).encode()
    assert CONTRACTS[EVENTS].accepts(more)
    assert not CONTRACTS[EVENTS].producer_accepts(more)


def test_closing_a_schema_leaves_maps_of_free_names_open() -> None:
    assert closed({"type": "object", "additionalProperties": {"type": "string"}}) == {
        "type": "object",
        "additionalProperties": {"type": "string"},
    }
