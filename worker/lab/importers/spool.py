"""Long lists in little memory: all but the newest block of a spool lies in a file that no one else sees.

A spool is read in order, again and again, or nearly in order. The file has no name and goes with the process.
"""

import tempfile
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import IO, Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

BLOCK = 512
CACHED = 16  # blocks that are kept decoded, for a reader that is nearly in order
MEMORY_BYTES = 4 << 20  # of a file before it goes to the disk
SEEN_MAX = 200_000
LARGEST = 1 << 62
REORDER_MAX = 20_000  # messages that wait for an earlier one


class Spool(Generic[T]):
    """Appended to, then read. `kind` is the type of the entries, for msgspec."""

    def __init__(self, kind: Any) -> None:
        self._encode: Callable[[Any], bytes] = msgspec.msgpack.Encoder().encode
        self._decode: Callable[[bytes], list[T]] = msgspec.msgpack.Decoder(list[kind]).decode
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115
        self._ends = [0]
        self._open: list[T] = []
        self._cache: OrderedDict[int, list[T]] = OrderedDict()

    def append(self, entry: T) -> None:
        """Adds `entry`; what is changed in it afterwards may be lost."""
        self._open.append(entry)
        if len(self._open) == BLOCK:
            self._write()

    def _write(self) -> None:
        try:
            data = self._encode(self._open)
        except (UnicodeEncodeError, OverflowError):  # half a character, or a number that no one means
            data = self._encode([_sound(msgspec.to_builtins(entry)) for entry in self._open])
        self._file.seek(self._ends[-1])
        self._file.write(data)
        self._ends.append(self._ends[-1] + len(data))
        self._open = []

    def _block(self, number: int) -> list[T]:
        self._file.seek(self._ends[number])
        return self._decode(self._file.read(self._ends[number + 1] - self._ends[number]))

    def __len__(self) -> int:
        return (len(self._ends) - 1) * BLOCK + len(self._open)

    def __iter__(self) -> Iterator[T]:
        for number in range(len(self._ends) - 1):
            yield from self._block(number)
        yield from self._open

    def __getitem__(self, at: int) -> T:
        number, within = divmod(at if at >= 0 else at + len(self), BLOCK)
        block = self._cache.get(number)
        if block is None and number == len(self._ends) - 1:
            return self._open[within]
        if block is None:
            block = self._cache[number] = self._block(number)
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return block[within]


def _sound(value: Any) -> Any:
    """`value` with a question mark for half characters, and no number over 62 bits."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return max(-LARGEST, min(LARGEST, value))
    return [_sound(part) for part in value] if isinstance(value, list | tuple) else value


class Seen:
    """What was seen among the newest `SEEN_MAX` at least; twice as many are known at most."""

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._old: set[int] = set()

    def again(self, *key: object) -> bool:
        """Whether `key` was there before; it is from now on."""
        found = hash(key)
        if found in self._new or found in self._old:
            return True
        if len(self._new) >= SEEN_MAX:
            self._old, self._new = self._new, set()
        self._new.add(found)
        return False


def held(ms: int) -> int:
    """A time that fits into an array of times."""
    return max(-LARGEST, min(LARGEST, ms))


def in_order(times: Sequence[int]) -> Sequence[int]:
    """The positions of `times`, the earliest first and equal ones as they are.

    It costs nothing if they are in order, and eight bytes each if none is far from its place.
    """
    if all(one <= two for one, two in pairwise(times)):
        return range(len(times))
    order, heap, last = array("q"), list[tuple[int, int]](), -LARGEST
    for at, time in enumerate(times):
        heappush(heap, (time, at))
        if len(heap) > REORDER_MAX:
            last = _next(heap, order, last)
            if last > LARGEST:
                return array("q", sorted(range(len(times)), key=times.__getitem__))
    while heap:
        last = _next(heap, order, last)
        if last > LARGEST:
            return array("q", sorted(range(len(times)), key=times.__getitem__))
    return order


def _next(heap: list[tuple[int, int]], order: "array[int]", last: int) -> int:
    """Moves the earliest of `heap` to `order`; its time, or more than `LARGEST` if it comes too late."""
    time, at = heappop(heap)
    if time < last:
        return LARGEST + 1
    order.append(at)
    return time
