"""Room logs: a room's events as lines of JSON in a file, plain or compressed (`.gz`, `.zst`), or `-`.

A line is one of two things:

- a bare event, `{"type": …, "id": …, "room_id": …, "at_ms": …, …}`: it gets the partition of its file, the
  index of its line as offset, its own `at_ms` as append time and its `room_id` as key;
- a record as it lay in Kafka, `{"partition": …, "offset": …, "timestamp_ms": …, "key": …, "event": {…}}`, with
  `headers` where it had some. A value that cannot stand in a line of JSON (it is none, or holds a line break)
  is in `value_base64` instead. `timestamp_ms` is its append time. Where it is the time of a producer (CreateTime),
  `baseline_ms` beside it is the append time of the partition's first LogAppendTime batch, which bounds it.
  With `"topic": "live.audit.history"` it is none of the room log, but of what an earlier release left, and comes before
  the partition's records.

Values are kept to the byte, because a verdict depends on them. Whether an event is a good one is
not judged here: that is `ingress.decode`'s business, and a bad one has to be counted there.

A line that is neither ends the reading, or is counted in `Faults` and passed over. The same holds for a log that ends
in the middle of a line or of its compression, as a crash leaves it. What is cut off still begins as an object does.
A byte order mark is skipped.
"""

import base64
import binascii
import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, ClassVar, NamedTuple, Self

import msgspec
import orjson
import zstandard
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

EVENT_BYTES_MAX = 64 * 1024
LINE_BYTES_MAX = 2 * EVENT_BYTES_MAX  # an event in base64, and the wrapper around it
_ZSTD_READ_BYTES = 1024  # zstd may expand a byte ten-thousandfold: a small bite bounds the memory
STDIO = "-"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Stream = IO[bytes] | io.BufferedIOBase


class RoomLogError(ValueError):
    """A room log that cannot be read; the message begins with `file:line`, or with `file`."""


class _LineError(RoomLogError):
    """One line of a log is none; the lines after it may be."""


@dataclass
class Faults:
    """What was passed over in reading logs.

    Attributes:
        bad: lines that are no record. first: what is wrong with the first of them, at most `SHOWN_MAX`.
        cut: where a log ends in the middle. empty: names of logs in whose lines nothing stands.
    """

    SHOWN_MAX: ClassVar = 5
    HOPELESS: ClassVar = 100
    """So many bad lines before the first good one: this is no room log at all."""

    bad: int = 0
    first: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    def pass_over(self, error: RoomLogError) -> None:
        """Count a line that is no record."""
        self.bad += 1
        if len(self.first) < self.SHOWN_MAX:
            self.first.append(str(error))

    def add(self, other: "Faults") -> None:
        """Take in what another reader passed over."""
        self.bad += other.bad
        self.first = (self.first + other.first)[: self.SHOWN_MAX]
        self.cut += other.cut
        self.empty += other.empty


class LogRecord(NamedTuple):
    """One record of a room log; has what the processor reads of a Kafka record. `timestamp` is its append time."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    topic: str = ""  # of another log than the rooms'


_Partition = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
_Offset = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
_Timestamp = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class _Line(Struct, gc=False):
    """What is read of a line; everything else in it passes by unread. Numbers are such as Kafka has."""

    partition: _Partition | UnsetType = UNSET
    offset: _Offset | UnsetType = UNSET
    timestamp_ms: _Timestamp | UnsetType = UNSET
    baseline_ms: _Timestamp | UnsetType = UNSET
    key: str | UnsetType | None = UNSET
    event: Raw | UnsetType = UNSET
    value_base64: str | UnsetType | None = UNSET
    headers: dict[str, str | None] | UnsetType = UNSET
    topic: str | UnsetType = UNSET
    room_id: Raw | UnsetType = UNSET
    at_ms: Raw | UnsetType = UNSET


_lines = msgspec.json.Decoder(_Line)


def read(path: str | Path, *, partition: int = 0, faults: Faults | None = None) -> Iterator[LogRecord]:
    """The records of the room log at `path` (`-` is standard input), one at a time.

    `partition` is what bare events get. Empty lines are skipped, but count as lines. With `faults`, lines that are no
    JSON object, or are too long, are counted there and passed over, and a log that was cut off ends where it does.
    Raises RoomLogError: no such file, broken compression; without `faults` also a bad line and a log that was cut off;
    with `faults` a file that holds bad lines alone.
    """
    good = bad = 0
    for name, number, line, whole in _lines_of(path, LINE_BYTES_MAX, faults):
        try:
            if len(line) > LINE_BYTES_MAX:
                raise _LineError(f"{name}:{number}: longer than {LINE_BYTES_MAX} bytes")
            record = _record(line, name, number, partition)
        except _LineError as error:
            if faults is None:
                raise
            if not whole and line.startswith(b"{"):
                faults.cut.append(f"{name}:{number}")
                break
            bad += 1
            faults.pass_over(error)
            if bad >= faults.HOPELESS and not good:
                raise
        else:
            good += 1
            yield record
    if faults is not None and bad and not good:
        raise RoomLogError(f"{faults.first[-1]}; no line is one")


def lines(path: str | Path, bytes_max: int, faults: Faults) -> Iterator[tuple[int, bytes]]:
    """The lines of a file beside a room log, opened and passed over as `read` does: (number, text without its end)."""
    for name, number, line, _ in _lines_of(path, bytes_max, faults):
        if len(line) > bytes_max:
            faults.pass_over(RoomLogError(f"{name}:{number}: longer than {bytes_max} bytes"))
        else:
            yield number, line


def _lines_of(path: str | Path, bytes_max: int, faults: Faults | None) -> Iterator[tuple[str, int, bytes, bool]]:
    """(file, number, text, whether its end was there) of each line that is not empty.

    Of a line longer than `bytes_max` comes the beginning, which is longer than that, too.
    """
    name = "standard input" if str(path) == STDIO else str(path)
    number = 0
    empty = True
    try:
        with ExitStack() as stack:
            stream = _open(str(path), stack)
            while line := stream.readline(bytes_max + 1):
                number += 1
                whole = line.endswith(b"\n")
                if len(line) > bytes_max:
                    empty = False
                    yield name, number, line, whole or _skip_line(stream, bytes_max)
                elif text := line.removeprefix(_BYTE_ORDER_MARK).strip():
                    empty = False
                    yield name, number, text, whole
    except EOFError as error:
        if faults is None:
            raise RoomLogError(f"{name}: cannot be read after line {number}: {error}") from error
        faults.cut.append(f"{name}:{number + 1}")
    except (OSError, zlib.error, zstandard.ZstdError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise RoomLogError(f"{name}: cannot be read after line {number}: {reason}") from error
    if empty and faults is not None and not faults.cut:
        faults.empty.append(name)


def _skip_line(stream: Stream, bytes_max: int) -> bool:
    """Read on to the end of a line; whether it was there."""
    while rest := stream.readline(bytes_max):
        if rest.endswith(b"\n"):
            return True
    return False


def _record(line: bytes, name: str, number: int, partition: int) -> LogRecord:
    try:
        found = _lines.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _LineError(
            f"{name}:{number}: neither an event nor a record of a room log: {_without_values(error)}"
        ) from error
    if isinstance(found.offset, UnsetType):
        return LogRecord(partition, number - 1, _integer(found.at_ms), _string(found.room_id), line)
    if isinstance(found.partition, UnsetType) or isinstance(found.timestamp_ms, UnsetType):
        raise _LineError(f"{name}:{number}: a record needs partition, offset and timestamp_ms")
    key = found.key.encode() if isinstance(found.key, str) else None
    value: bytes | None = None
    if isinstance(found.event, Raw):
        value = bytes(found.event)
    elif isinstance(found.value_base64, str):
        try:
            value = base64.b64decode(found.value_base64, validate=True)
        except binascii.Error as error:
            raise _LineError(f"{name}:{number}: value_base64 is not base64") from error
    appended_ms = found.timestamp_ms
    if isinstance(found.baseline_ms, int):
        appended_ms = min(appended_ms, found.baseline_ms)
    topic = found.topic if isinstance(found.topic, str) else ""
    return LogRecord(found.partition, found.offset, appended_ms, key, value, _headers(found), topic)


def _headers(found: _Line) -> tuple[tuple[str, bytes | None], ...]:
    if isinstance(found.headers, UnsetType):
        return ()
    return tuple((name, None if text is None else text.encode()) for name, text in found.headers.items())


def _without_values(error: Exception) -> str:
    """The error's text; msgspec names place and type, never what was found, for the types of `_Line`."""
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _integer(raw: Raw | UnsetType) -> int:
    """`at_ms` of a bare event, or 0 where it is none (the event will be rejected)."""
    if isinstance(raw, Raw):
        try:
            return msgspec.json.decode(raw, type=_Timestamp)
        except msgspec.MsgspecError:
            return 0
    return 0


def _string(raw: Raw | UnsetType) -> bytes | None:
    if isinstance(raw, Raw):
        try:
            return msgspec.json.decode(raw, type=str).encode()
        except (msgspec.MsgspecError, UnicodeError):
            return None
    return None


class _Zstd(io.RawIOBase):
    """A zstd file as a stream that notices when it was cut off, which zstandard's own reader does not."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._rest = b""
        self._begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof and (chunk or self._begun):
                self._frame = zstandard.ZstdDecompressor().decompressobj()
                self._begun = False
            chunk = chunk or self._source.read(_ZSTD_READ_BYTES)
            if not chunk:
                if self._begun:
                    raise EOFError("the compressed data ends in the middle of a frame")
                return 0
            self._begun = True
            self._rest = self._frame.decompress(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _open(path: str, stack: ExitStack) -> Stream:
    if path == STDIO:
        return sys.stdin.buffer
    if path.endswith(".gz"):
        return stack.enter_context(gzip.open(path, "rb"))
    plain = stack.enter_context(Path(path).open("rb"))  # noqa: SIM115  # the stack closes it
    if path.endswith(".zst"):
        return stack.enter_context(io.BufferedReader(_Zstd(plain), 1 << 16))
    return plain


class Writer:
    """Writes a room log to `path`, compressed as its suffix says (`-` is stdout). A context manager."""

    def __init__(self, path: str | Path) -> None:
        self._stack = ExitStack()
        self._out = _create(str(path), self._stack)
        self.lines = 0

    def event(self, event: Mapping[str, object]) -> None:
        """One bare event, its keys in the order given (`type` belongs first)."""
        self.line(orjson.dumps(event))

    def record(self, record: LogRecord) -> None:
        """One record as it lies in Kafka."""
        key = record.key.decode("utf-8", "replace") if record.key is not None else None
        head: dict[str, object] = {
            "partition": record.partition,
            "offset": record.offset,
            "timestamp_ms": record.timestamp,
            "key": key,
        }
        if record.topic:
            head = {"topic": record.topic, **head}
        if record.headers:
            head["headers"] = {
                name: None if text is None else text.decode("utf-8", "replace") for name, text in record.headers
            }
        self._record(orjson.dumps(head), record.value)

    def _record(self, head: bytes, value: bytes | None) -> None:
        if value is None:
            self.line(head)
        elif b"\n" not in value and _is_json(value):
            self.line(head[:-1] + b',"event":' + value + b"}")
        else:
            self.line(head[:-1] + b',"value_base64":"' + base64.b64encode(value) + b'"}')

    def line(self, text: bytes) -> None:
        """One line as it is, without its line break."""
        self._out.write(text + b"\n")
        self.lines += 1

    def flush(self) -> None:
        """Hands everything written so far to the operating system (a compressed frame may hold some back)."""
        self._out.flush()

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_json(value: bytes) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True


def _create(path: str, stack: ExitStack) -> Stream:
    if path == STDIO:
        return sys.stdout.buffer
    plain = stack.enter_context(Path(path).open("wb"))  # noqa: SIM115  # the stack closes it
    if path.endswith(".gz"):
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0)  # same log, same bytes
        return stack.enter_context(packed)
    if path.endswith(".zst"):
        return stack.enter_context(zstandard.ZstdCompressor(level=3).stream_writer(plain, closefd=False))
    return plain


def write(path: str | Path, events: Iterable[Mapping[str, object]]) -> int:
    """Writes bare `events` to `path`; returns how many."""
    with Writer(path) as log:
        for event in events:
            log.event(event)
        return log.lines
