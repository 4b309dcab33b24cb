"""TwitchDownloader's chat when it is no whole JSON: its comments one at a time, in constant memory.

A comment begins with `{"_id":` and one of four keys, as no other object in the file does. Where the next one
begins is found without counting brackets, so damage in one comment costs no other.
"""

import re
from collections.abc import Iterator

from worker.lab.importers.readable import Lines

CUT = "the file is cut short: its last comment is not whole"
_BEGIN = re.compile(
    rb'\{\s{0,40}"_id"\s{0,9}:\s{0,9}"[^"\n]{0,100}"\s{0,9},\s{0,40}"(?:created_at|updated_at|channel_id|content)'
)
_BEGIN_BYTES = 400  # a beginning is no longer
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}]', re.S)


def objects(data: bytes, key: bytes) -> Iterator[bytes]:
    """The whole objects that stand after `"key":` in `data`."""
    for found in re.finditer(rb'"' + key + rb'"\s{0,9}:\s{0,9}(?=\{)', data):
        if (end := object_end(data, found.end())) > 0:
            yield data[found.end() : end]


def comments(lines: Lines, limit: int) -> Iterator[bytes]:
    """Each comment's object, or what there is of it; of one that is not whole `limit` bytes at most."""
    buffer, inside = b"", False
    while data := lines.readline():
        buffer += data
        pieces, at = [], 0
        for found in _BEGIN.finditer(buffer, 1 if inside else 0):
            pieces.append((buffer[at : found.start()], inside))
            at, inside = found.start(), True
        for piece, is_comment in pieces:
            if is_comment:
                yield _whole(piece)
        buffer = buffer[at:]
        if not inside:
            buffer = buffer[-_BEGIN_BYTES:]
        elif len(buffer) > limit:
            yield _whole(buffer)
            buffer, inside = buffer[-_BEGIN_BYTES:], False
    if inside and object_end(buffer, 0):
        yield _whole(buffer)
    elif inside:
        lines.ledger.warnings.append(CUT)


def _whole(piece: bytes) -> bytes:
    end = object_end(piece, 0)
    return piece[:end] if end > 0 else piece


def object_end(data: bytes, at: int) -> int:
    """Where the object that begins at `at` ends; 0 if it does not."""
    depth = 0
    for token in _TOKEN.finditer(data, at):
        if token[0] == b"{":
            depth += 1
        elif token[0] == b"}":
            depth -= 1
            if depth <= 0:
                return token.end()
    return 0
