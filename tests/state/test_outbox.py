"""Outputs are queued without waiting, leave in order, and are awaited by the flush that follows."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from worker.records import OutRecord
from worker.state.outbox import Outbox
from worker.state.outputs import Sent


def record(topic: str, number: int, kind: bytes = b"opened") -> OutRecord:
    headers = [("ce_id", b"%d" % number), ("ce_type", kind)]
    return OutRecord(topic, b"key", b"%d" % number, headers, 0)


class Broker:
    """Acknowledges when told to; remembers what arrived, by (topic, partition)."""

    def __init__(self) -> None:
        self.logs: dict[tuple[str, int], list[bytes | None]] = {}
        self.open = asyncio.Event()
        self.batches = 0
        self.fault: Exception | None = None

    async def send(self, topic: str, partition: int, records: Sequence[OutRecord]) -> int:
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        log = self.logs.setdefault((topic, partition), [])
        log += [r.value for r in records]
        self.batches += 1
        return len(log) - 1


def run(scenario: Callable[[Broker, Outbox, list[BaseException]], object]) -> None:
    async def main() -> None:
        broker, fatal = Broker(), list[BaseException]()
        await scenario(broker, Outbox(broker.send, fatal.append), fatal)  # type: ignore[misc]

    asyncio.run(main())


def test_records_of_a_partition_leave_in_order_and_batches_grow_under_load() -> None:
    async def scenario(broker: Broker, outbox: Outbox, _: list[BaseException]) -> None:
        outbox.put(0, [record("v", 0)])
        await asyncio.sleep(0)
        for number in range(1, 1000):
            outbox.put(number % 2, [record("v", number)])
        broker.open.set()
        await outbox.flush()
        assert broker.logs["v", 0] == [b"0", *(b"%d" % n for n in range(2, 1000, 2))]
        assert broker.logs["v", 1] == [b"%d" % n for n in range(1, 1000, 2)]
        assert broker.batches == 3
        assert (outbox.pending, outbox.end("v", 0), outbox.end("v", 1)) == (0, 500, 500)

    run(scenario)


def test_a_flush_waits_for_what_came_before_it_and_for_nothing_else() -> None:
    async def scenario(broker: Broker, outbox: Outbox, _: list[BaseException]) -> None:
        outbox.put(0, [record("v", 0)])
        flush = asyncio.ensure_future(outbox.flush())
        await asyncio.sleep(0)
        assert not flush.done()
        broker.open.set()
        while not flush.done():  # a stream that never ends must not hold the flush up
            outbox.put(0, [record("v", 1)])
            await asyncio.sleep(0)
        assert broker.logs["v", 0][0] == b"0"

    run(scenario)


def test_a_send_that_fails_is_fatal_and_fails_the_flush() -> None:
    async def scenario(broker: Broker, outbox: Outbox, fatal: list[BaseException]) -> None:
        broker.fault = OSError("no broker")
        outbox.put(0, [record("v", 0)])
        broker.open.set()
        with pytest.raises(OSError, match="no broker"):
            await outbox.flush()
        assert fatal == [broker.fault]

    run(scenario)


def test_back_pressure_waits_for_acknowledgements() -> None:
    async def scenario(broker: Broker, outbox: Outbox, _: list[BaseException]) -> None:
        outbox.put(0, [record("v", n) for n in range(10)])
        waiting = asyncio.ensure_future(outbox.below(10))
        await asyncio.sleep(0)
        assert not waiting.done()
        broker.open.set()
        await waiting
        assert outbox.pending == 0

    run(scenario)


def test_violations_already_sent_are_suppressed_once_each() -> None:
    sent = Sent()
    sent.learn({0: {(b"1", b"opened"), (b"2", b"opened")}})
    new = sent.unsent(0, [record("v", 1), record("v", 1, b"cleared"), record("v", 3), record("v", 1)])
    assert [(r.value, dict(r.headers)["ce_type"]) for r in new] == [
        (b"1", b"cleared"), (b"3", b"opened"), (b"1", b"opened"),
    ]  # fmt: skip
    assert sent.suppressed == 1
    assert sent.unsent(1, [record("v", 1)]) != []
    sent.forget(0)
    assert len(sent.unsent(0, [record("v", 2)])) == 1
