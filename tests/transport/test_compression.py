"""Record batches are compressed at lz4's fast level, whichever of aiokafka's builders makes them."""

from __future__ import annotations

import random
from importlib import import_module
from typing import Any

import pytest
from aiokafka import codec

from worker.transport import compression

BATCH_HEADER = 61
LZ4 = 3


def batch(builder: Any) -> bytes:
    rng, made = random.Random(1), builder(2, LZ4, 0, -1, -1, -1, 1 << 20)
    for offset in range(2_000):
        made.append(offset, 0, b"room:%d" % offset, rng.choice([b"speech", b"comment"]) * rng.randrange(1, 20), [])
    return bytes(made.build())[BATCH_HEADER:]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("aiokafka.record.default_records", "DefaultRecordBatchBuilder"),
        ("aiokafka.record.default_records", "_DefaultRecordBatchBuilderPy"),
        ("aiokafka.record._crecords.default_records", "DefaultRecordBatchBuilder"),
    ],
)
def test_batches_are_compressed_fast_and_read_back(module: str, name: str) -> None:
    compression.use_fast_lz4()
    compressed = batch(getattr(import_module(module), name))
    records = codec.lz4_decode(compressed)
    assert compressed == compression.lz4_encode(records) != codec.lz4_encode(records)


def test_blocks_stand_alone_as_kafka_wants_them() -> None:
    """Of an LZ4 frame's flags, bit 5 says so; brokers refuse linked blocks (KIP-57)."""
    frame = compression.lz4_encode(b"x" * 1_000_000)
    assert frame[:4] == bytes.fromhex("04224d18") and frame[4] & 0x20
