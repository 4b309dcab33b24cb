"""The private attributes of aiokafka and Faust that the driver stands on: each must exist, by name."""

from __future__ import annotations

import inspect
from typing import Any

import aiokafka
import faust
import pytest
from aiokafka.consumer import fetcher, group_coordinator
from faust.tables.recovery import Recovery
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as faust_driver

from worker.transport.unpack import PRIVATE

HOLDERS: dict[str, Any] = {
    "AIOKafkaConsumer": aiokafka.AIOKafkaConsumer,
    "Fetcher": fetcher.Fetcher,
    "FetchResult": fetcher.FetchResult,
    "PartitionRecords": fetcher.PartitionRecords,
    "GroupCoordinator": group_coordinator.GroupCoordinator,
}

FAUST: dict[Any, tuple[str, ...]] = {
    faust_driver.AIOKafkaConsumerThread: (
        "_create_worker_consumer",
        "_fetch_records",
        "_ensure_consumer",
        "_seek_wait",
        "_commit",
        "call_thread",
    ),
    faust_consumer.Consumer: (
        "_drain_messages",
        "_commit_handler",
        "_commit_tps",
        "_commit_offsets",
        "_handle_attached",
        "_filter_tps_with_pending_acks",
        "_filter_committable_offsets",
        "_new_offset",
        "_get_active_partitions",
        "_unacked_messages",
        "_committed_offset",
        "wait_empty",
        "perform_seek",
    ),
    Recovery: (
        "active_tps",
        "standby_tps",
        "active_offsets",
        "standby_offsets",
        "signal_recovery_end",
        "_set_recovery_ended",
        "need_recovery",
        "standby_remaining_total",
    ),
    faust_driver.Producer: ("_settings_extra", "_ensure_producer"),
}


def has(holder: Any, name: str) -> bool:
    """As attribute of the class, or assigned to `self` somewhere in its source."""
    sources = "".join(
        inspect.getsource(cls)
        for cls in inspect.getmro(holder)
        if cls.__module__.partition(".")[0] in {"aiokafka", "faust", "mode"}
    )
    return hasattr(holder, name) or f"self.{name} = " in sources or f"self.{name}:" in sources


@pytest.mark.parametrize(("holder", "name"), [(h, n) for h, names in PRIVATE.items() for n in names])
def test_aiokafka_still_has_what_the_direct_path_reads(holder: str, name: str) -> None:
    assert has(HOLDERS[holder], name), (
        f"aiokafka {aiokafka.__version__} has no {holder}.{name}: adapt worker/transport, or run with direct=False"
    )


@pytest.mark.parametrize(("holder", "name"), [(h, n) for h, names in FAUST.items() for n in names])
def test_faust_still_has_what_the_driver_overrides(holder: Any, name: str) -> None:
    assert has(holder, name), f"faust-streaming {faust.__version__} has no {holder.__name__}.{name}"


def test_the_scheme_is_registered_as_an_entry_point() -> None:
    from faust.transport import by_url

    from worker.transport import Transport

    assert by_url("streamaudit://localhost") is Transport


def test_a_missing_name_is_noticed() -> None:
    assert not has(fetcher.Fetcher, "_no_such_attribute")
