"""Short lists that wait: kept as one run of bytes, a third of what objects take, and read when their time comes.

A packed list is a msgpack array of at most 15 items.
"""

from typing import Any

from msgspec import msgpack

EMPTY = b"\x90"
ITEMS_MAX = 15

_encode = msgpack.Encoder().encode


def pack(items: list[Any]) -> bytes:
    """A list; of more than 15 items, one that is only read."""
    return _encode(items)


def count(packed: bytes) -> int:
    """How many items there are."""
    return packed[0] - 0x90


def add(packed: bytes, item: Any) -> bytes:
    """The list with one more item at its end.

    Raises:
        ValueError: it holds 15 already.
    """
    if count(packed) >= ITEMS_MAX:
        raise ValueError(f"a packed list holds at most {ITEMS_MAX} items")
    return bytes((packed[0] + 1,)) + packed[1:] + _encode(item)
