"""What the product itself writes keeps the contracts: simulated events, violations, rooms, and the policies that ship.

The golden rooms' outputs are reviewed by eye; here their form is held to the closed (producers') variant.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from tests.contracts.contract import Contract
from worker.lab.simulate import ARCHETYPES, simulate
from worker.policy.judge import Judge
from worker.resources import POLICIES_DIR
from worker.tools.policyfiles import read_policies
from worker.tools.replay import Replay
from worker.tools.roomlog import read
from worker.topics import ROOMS_TOPIC, VIOLATIONS_TOPIC

ROOMS = [p for p in sorted(Path(__file__).parents[1].glob("golden/rooms/*.jsonl")) if "expected" not in p.name]
EVENTS, VIOLATIONS, LATEST = (Contract(f"live.{name}") for name in ("room.events", "audit.violations", "audit.rooms"))
TRAIT = yaml.safe_load((Path(__file__).parents[2] / "schemas" / "asyncapi.yaml").read_text())["components"][
    "messageTraits"
]["cloudEventBinary"]["headers"]


def faults(contract: Contract, values: Iterable[bytes]) -> list[str]:
    """What is wrong with the first values that a producer may not write."""
    bad = [value for value in values if not contract.producer_accepts(value)]
    return [fault for value in bad[:3] for fault in contract.errors(json.loads(value)) or [value.decode()]]


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_simulated_events_are_ones_that_a_producer_may_write(archetype: str) -> None:
    values = [json.dumps(event).encode() for event in simulate(archetype, 1, duration_ms=180_000)]
    assert values
    assert faults(EVENTS, values[:300]) == []


def test_violations_and_rooms_keep_their_contracts() -> None:
    replay = Replay(Judge(read_policies()))
    violations, rooms = [], []
    for path in ROOMS:
        for out in replay.run(read(path)):
            violations += out.of(VIOLATIONS_TOPIC)
            rooms += out.of(ROOMS_TOPIC)[:50]
    assert len(violations) >= 5
    assert len(rooms) >= 50
    assert faults(VIOLATIONS, [record.value or b"" for record in violations]) == []
    assert faults(LATEST, [record.value or b"" for record in rooms]) == []
    for record in violations:
        headers = {name: (value or b"").decode() for name, value in record.headers}
        value = json.loads(record.value or b"")
        assert set(TRAIT["required"]) <= headers.keys()
        for name, rule in TRAIT["properties"].items():
            assert headers[name] in ([rule["const"]] if "const" in rule else rule.get("enum", [headers[name]]))
        assert (headers["ce_id"], headers["ce_subject"]) == (value["violation_id"], value["room_id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", headers["ce_time"])


@pytest.mark.parametrize("path", sorted(POLICIES_DIR.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_policies_that_ship_keep_their_contract(path: Path) -> None:
    as_json = json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")), default=str).encode()
    assert faults(Contract("live.audit.policies"), [as_json]) == []
