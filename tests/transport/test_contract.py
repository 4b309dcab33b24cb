"""Every name of Faust, mode and aiokafka that the worker needs is there, of the expected kind and signature.

`tests.support.foreign_names` reads the names off the syntax tree of `worker/`. It follows `self` and `super()` by
itself; `OWNERS` says what else is an object of a library. A private name that neither can place fails, and so does
a row that nothing needs. When a row's receiver has a private name, add the row; when the library has lost a name,
adapt `worker/transport`, or run with STREAM_AUDIT_FETCH_DIRECT=false until then.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.foreign_names import Contract, Need, exists, modules_named_in
from tests.support.members import Member, is_library, load, mismatch, shortfall
from worker.transport import batch, protocols

REPOSITORY = Path(__file__).resolve().parents[2]

APP = "faust:App"
CLIENT = "aiokafka:AIOKafkaConsumer"
FETCHER = "aiokafka.consumer.fetcher:Fetcher"
SUBSCRIPTIONS = "aiokafka.consumer.subscription_state:SubscriptionState"
ASSIGNMENT = "aiokafka.consumer.subscription_state:Assignment"
COORDINATOR = "aiokafka.consumer.group_coordinator:GroupCoordinator"
RECOVERY = "faust.tables.recovery:Recovery"
TABLES = "faust.tables.manager:TableManager"
KAFKA_ERROR = "confluent_kafka:KafkaError"

OWNERS: dict[str, dict[str, str]] = {
    "worker.transport.consumer": {
        "app": APP,
        "app.topics": "faust.transport.conductor:Conductor",
        "app.flow_control": "mode.utils.queues:FlowControlEvent",
        "self.app": APP,
        "self.app.tables": TABLES,
        "self.app.tables.recovery": RECOVERY,
        "self.app.monitor": "faust.sensors.monitor:Monitor",
        "self.app.flow_control": "mode.utils.queues:FlowControlEvent",
        "self.app.producer": "faust.transport.drivers.aiokafka:Producer",
        "recovery": RECOVERY,
    },
    "worker.transport.fetch": {
        "consumer": CLIENT,
        "self._ensure_consumer()": CLIENT,
        "self._ensure_consumer()._coordinator": COORDINATOR,
        "coordinator": COORDINATOR,
        "fetcher": FETCHER,
        "fetcher._subscriptions": SUBSCRIPTIONS,
        "fetcher._subscriptions.subscription": "aiokafka.consumer.subscription_state:Subscription",
        "assignment": ASSIGNMENT,
        "state": "aiokafka.consumer.subscription_state:TopicPartitionState",
    },
    "worker.transport.lone": {"self._fetcher": FETCHER, "self._client": "aiokafka.client:AIOKafkaClient"},
    "worker.transport.producer": {
        "producer": "aiokafka:AIOKafkaProducer",
        "batch": "aiokafka.producer.message_accumulator:BatchBuilder",
    },
    "worker.transport.shutdown": {"self._app": APP},
    "worker.transport.unpack": {
        "fetcher": FETCHER,
        "fetcher._subscriptions": SUBSCRIPTIONS,
        "result": "aiokafka.consumer.fetcher:FetchResult | aiokafka.consumer.fetcher:FetchError",
        "held": "aiokafka.consumer.fetcher:PartitionRecords",
        "held._records": "aiokafka.record.memory_records:MemoryRecords",
        "batch": "aiokafka.record.default_records:DefaultRecordBatch",
    },
    # librdkafka's own codes begin with an underscore; they are documented.
    "worker.tools.deadletters": {"KafkaError": KAFKA_ERROR},
    "worker.tools.redelivery": {"KafkaError": KAFKA_ERROR},
    "worker.tools.kafkalog": {"KafkaError": KAFKA_ERROR},
}
"""Module → expression → class. Where a library has a compiled and a plain class, the one that runs here."""

TREES = {
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_bytes())
    for path in sorted((REPOSITORY / "worker").rglob("*.py"))
}
CONTRACT = Contract(TREES, OWNERS)
NEEDS = list(CONTRACT.needs.values())


def contract_of(source: str, owners: dict[str, str]) -> Contract:
    """The contract of a module with this text, which nothing imports."""
    return Contract({"sample": ast.parse(source)}, {"sample": owners})


@pytest.mark.parametrize("need", NEEDS, ids=str)
def test_a_library_still_has_what_the_worker_needs(need: Need) -> None:
    assert not CONTRACT.missing(need)


@pytest.mark.parametrize("name", CONTRACT.overrides)
def test_an_override_can_stand_for_what_it_overrides(name: str) -> None:
    assert not CONTRACT.overrides[name]


def test_every_private_name_has_an_owner() -> None:
    assert CONTRACT.unplaced == [], "say in OWNERS what these are"


def test_every_row_of_the_table_is_needed() -> None:
    assert CONTRACT.unused == []


def test_nothing_overrides_a_name_that_is_gone() -> None:
    assert CONTRACT.idle == [], "neither the library nor the worker knows these"


def test_no_attribute_of_ours_covers_one_of_theirs() -> None:
    assert CONTRACT.covered == []


def test_private_modules_are_where_they_were() -> None:
    named = {dotted for tree in TREES.values() for _, dotted in modules_named_in(tree)}
    ours = {dotted for dotted in named if dotted.partition(".")[0] in ("faust", "mode", "aiokafka")}
    assert "aiokafka.record._crecords.default_records" in ours
    assert [dotted for dotted in sorted(ours) if not exists(dotted)] == []


def test_record_batches_are_built_where_the_fast_compressor_is_put() -> None:
    from worker.transport import compression

    assert all(exists(f"{name}.lz4_encode") for name in compression._BUILDERS)


def test_the_scan_sees_what_the_driver_stands_on() -> None:
    names = {need.name for need in NEEDS} | {name.rpartition(".")[2] for name in CONTRACT.overrides}
    read = {"_tp_index", "_getmany", "_shutdown", "_fetch_task", "_pending_tasks", "_client", "_committed_offset"}
    overridden = {"_commit_tps", "_drain_messages", "_settings_extra", "_seek_wait", "_create_worker_consumer"}
    assert read | overridden | {"signal_recovery_end", "need_recovery"} <= names


def test_the_scheme_is_registered_as_an_entry_point() -> None:
    from faust.transport import by_url

    from worker.transport import Transport

    assert by_url("streamaudit://localhost") is Transport


# ---- Protocols

SHAPES = {
    protocols.Producer: "worker.transport.producer:BatchProducer",
    protocols.FlushConsumer: "worker.transport.consumer:BatchConsumer",
    protocols.RunningConsumer: "worker.transport.consumer:BatchConsumer",
    protocols.Remembered: RECOVERY,
    protocols.Recovery: RECOVERY,
    protocols.FlushTables: TABLES,
    protocols.RunningTables: TABLES,
    protocols.FlushApp: APP,
    protocols.RunningApp: APP,
    protocols.StoppingApp: APP,
    protocols.Event: "faust.events:Event",
    protocols.Stream: "faust.streams:Stream",
    protocols.Flag: "asyncio:Event",
    batch.EventMaker: APP,
}
"""Protocol → the class that takes its part in the worker. `Attachable` asks for a name of ours alone."""


@pytest.mark.parametrize(("protocol", "path"), SHAPES.items(), ids=lambda part: getattr(part, "__name__", ""))
def test_a_protocol_asks_for_no_more_than_there_is(protocol: type, path: str) -> None:
    assert shortfall(path, protocol) == []


def test_every_protocol_is_compared_with_its_class() -> None:
    there = {cls for cls in vars(protocols).values() if getattr(cls, "_is_protocol", False) and cls is not Protocol}
    assert there - {protocols.Attachable} <= SHAPES.keys()


class Wrong(Protocol):
    """Asks for what is not there, and for another signature."""

    @property
    def nowhere(self) -> int: ...
    def need_recovery(self, now: bool) -> bool: ...


def test_a_protocol_that_asks_for_more_is_noticed() -> None:
    assert sorted(shortfall(RECOVERY, Wrong)) == [
        f"{RECOVERY} has no nowhere",
        f"{RECOVERY}.need_recovery: it takes () -> bool, theirs (now: 'bool') -> 'bool'",
    ]


def test_no_part_takes_an_app_of_any_kind() -> None:
    found = [
        f"{module}:{node.lineno}"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if ((isinstance(node, ast.arg) and node.arg == "app") or isinstance(node, ast.AnnAssign))
        and isinstance(node.annotation, ast.Name)
        and node.annotation.id == "Any"
        and ast.unparse(node).startswith("app:")
    ]
    assert found == [], "worker/transport/protocols.py says what a part uses of it"


# ---- the test can fail


def test_a_name_that_is_gone_is_noticed() -> None:
    found = contract_of("def f(fetcher):\n    return fetcher._no_such_attribute\n", {"fetcher": FETCHER})
    assert [found.missing(need) for need in found.needs.values()] == [
        f"{FETCHER}._no_such_attribute is not there any more, and sample:2: fetcher._no_such_attribute needs it"
    ]


def test_a_private_name_of_something_unknown_is_noticed() -> None:
    source = "import faust\n\ndef f(thing):\n    thing._x = 1\n    return getattr(thing, '_y')\n"
    assert contract_of(source, {}).unplaced == ["sample:4: thing._x", "sample:5: thing._y"]


def test_a_row_that_nothing_needs_is_noticed() -> None:
    assert contract_of("def f(fetcher):\n    return fetcher\n", {"fetcher": FETCHER}).unused == ["sample: fetcher"]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("fetcher._create_fetch_waiter()", ""),
        ("fetcher._notify()", "missing a required argument"),
        ("fetcher._notify(future, nonsense=1)", "unexpected keyword argument"),
        ("fetcher._create_fetch_waiter(1)", "too many positional arguments"),
        ("await fetcher._subscriptions.is_assigned(1)", "it is awaited"),
    ],
)
def test_a_call_that_does_not_fit_is_noticed(call: str, problem: str) -> None:
    owners = {"fetcher": FETCHER, "fetcher._subscriptions": SUBSCRIPTIONS}
    found = contract_of(f"async def f(fetcher, future):\n    {call}\n", owners)
    complaints = "".join(map(found.missing, found.needs.values()))
    assert problem in complaints if problem else not complaints


def taking(*names: str, **defaults: object) -> Member:
    """A function of ours or theirs that takes such parameters."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in names]
    parameters += [inspect.Parameter(name, kind, default=value) for name, value in defaults.items()]

    def function() -> None:
        """Its signature is all that counts."""

    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return Member("function", function, bound=False)


@pytest.mark.parametrize(
    ("ours", "theirs", "fits"),
    [
        (taking("topics"), taking("topics"), True),
        (taking("topics", start=True), taking("topics"), True),
        (taking("offsets"), taking("topics"), False),
        (taking("topics", "start"), taking("topics"), False),
        (taking("topics"), taking("topics", start=True), False),
        (taking("topics", "start"), taking("topics", start=True), False),
        (taking("start", "topics"), taking("topics", "start"), False),
        (Member("function"), Member("coroutine"), False),
    ],
)
def test_an_override_that_does_not_fit_is_noticed(ours: Member, theirs: Member, fits: bool) -> None:
    assert (mismatch(ours, theirs) == "") == fits


def test_library_classes_are_told_from_ours() -> None:
    assert is_library(load(FETCHER))
    assert not is_library(load("worker.transport.consumer:BatchConsumer"))
