"""Identities and the registry: schema and decoder accept and reject the same; what the worker writes is valid."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.contract import EVENTS, Contract, examples, schema
from tests.contracts.generate import TEMPTING, fitting
from tests.support.circle import Circle
from tests.support.oracle import judge
from worker.ingress.identities import decode_identity, decode_registration
from worker.ingress.reject import Reject
from worker.lab.simulate.scenes import SCENES

IDENTITIES, REGISTRY = "live.audit.identities", "live.host.registry"
EXAMPLES = [path for topic in (IDENTITIES, REGISTRY) for kind in ("valid", "invalid") for path in examples(topic, kind)]
fuzz = settings(max_examples=300, derandomize=True, deadline=None, database=None)


def accepts(topic: str, record: Any) -> bool:
    value = json.dumps(record, ensure_ascii=False).encode()
    if topic == IDENTITIES:
        key = f"{record.get('kind')}:{record.get('identity')}".encode()
        return not isinstance(decode_identity(key, value), Reject)
    return not isinstance(decode_registration(str(record.get("host_id")).encode(), value), Reject)


@st.composite
def changed(draw: st.DrawFn, topic: str) -> dict[str, Any]:
    """A valid record with up to two fields dropped or replaced."""
    root = schema(topic)
    record: dict[str, Any] = dict(draw(fitting(root, root)))
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(root["properties"])))
        if draw(st.booleans()):
            record.pop(name, None)
        else:
            record[name] = draw(st.sampled_from(TEMPTING))
    return record


@pytest.mark.slow
@pytest.mark.parametrize("topic", [IDENTITIES, REGISTRY])
@fuzz
@given(data=st.data())
def test_schema_and_decoder_agree(topic: str, data: st.DataObject) -> None:
    record = data.draw(changed(topic))
    value = json.dumps(record, ensure_ascii=False).encode()
    assert accepts(topic, record) == Contract(topic).accepts(value), record


@pytest.mark.parametrize(
    "path",
    EXAMPLES,
    ids=lambda path: path.name,
)
def test_examples_are_decided_as_their_folder_says(path: Any) -> None:
    record = json.loads(path.read_bytes())
    assert accepts(path.parent.parent.parent.name, record) == (path.parent.name == "valid")


@pytest.mark.slow
def test_what_both_agents_write_is_valid() -> None:
    circle = Circle(judge())
    circle.play(SCENES["avatar_farm"].play(1, duration_ms=3 * 60_000))
    said = [kept for topic in circle.identities.values() for kept in topic]
    assert len(said) > 200
    assert all(Contract(IDENTITIES).producer_accepts(kept.value or b"") for kept in said)
    answers = [a for kind in ("fleet.matched", "registration.state", "restriction.tested") for a in circle.told(kind)]
    assert len(answers) > 100
    assert all(Contract(EVENTS).producer_accepts(json.dumps(answer).encode()) for answer in answers)
