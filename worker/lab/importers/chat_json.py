"""Chats in JSON: lines of objects, one list, or objects one after the other; a bad entry costs itself.

Lines are read one at a time. A list, or values of several lines, are read as one text, which heals most damage;
from a larger file one object is read after the other.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worker.lab.importers.chat_dialects import DIALECTS, recognise_chat
from worker.lab.importers.chat_log import ChatLog
from worker.lab.importers.chat_messages import Entry, decoded
from worker.lab.importers.json_walk import Bad, Walk
from worker.lab.importers.limits import MIB
from worker.lab.importers.readable import REPAIRED_JSON, Lines, open_lines, read_text
from worker.lab.importers.recording import Chat, Ledger, Progress
from worker.lab.importers.twitch_pieces import object_end

WHOLE_BYTES = 32 * MIB  # of a file that is no lines of JSON; a larger one is read entry by entry
LOOKED_AT = 20  # entries, until one is recognised
CUT = "the file is cut short: its last entry is not whole"
FIRST_LINES = 5
LIST_BYTES = 65_536  # a longer list on one line is the whole file
_AROUND = b" \t\r\n\0,"
_NO_VALUE = frozenset({b"", b"[", b"]"})  # a list of one entry a line
_OPENING = (b"{", b"[")


def what_chat_it_is(head: str) -> str:
    """The name of the chat's format; empty if it is none in JSON. `head` may be the beginning of a file."""
    walk = Walk(head)
    at, seen = walk.gap(0), 0
    while at < len(head) and head[at] in "{[" and seen < LOOKED_AT:
        places = walk.elements(at) if head[at] == "[" else iter((at,))
        for place in places:
            value, _ = walk.decode(place)
            if isinstance(value, Bad) and head[place : place + 1] == "{":
                value = {key: _sketch(walk, begin) for key, begin in walk.members(place)}
            if dialect := recognise_chat(value):
                return dialect.name
            seen += 1
            if seen >= LOOKED_AT:
                break
        at = walk.gap(max(at + 1, walk.skip(at)))
    for line in head.split("\n", LOOKED_AT)[:LOOKED_AT]:  # the first may be broken
        text = line.strip(" \t\r\0,")
        if text.startswith("{") and (dialect := recognise_chat(decoded(text.encode("utf-8", "replace"))[0])):
            return dialect.name
    return ""


def _sketch(walk: Walk, at: int) -> Any:
    """The kind of a value that need not be whole."""
    kind = walk.text[at : at + 1]
    if kind == "{":
        return {key: [] if walk.text[place : place + 1] == "[" else None for key, place in walk.members(at)}
    return [] if kind == "[" else "" if kind == '"' else None


def read_chat_json(path: Path, wanted: str, ledger: Ledger, progress: Progress) -> Chat:
    """Reads a chat of format `wanted`, a name in `DIALECTS`.

    Raises:
        ImportRefusedError: too large, no message has a time, or too many unreadable entries.
    """
    named = [dialect for dialect in DIALECTS if dialect.name == wanted]
    log, bad_before = ChatLog(path, named[0], ledger), ledger.bad
    entries = _by_lines(path, ledger, progress) if _is_lines(path, ledger) else _whole(path, ledger, progress)
    take, about, keep, read = named[0].take, log.about, log.keep, 0
    for line, entry in entries:
        try:
            messages = take(entry, about)
        except (ValueError, KeyError, IndexError, TypeError, OverflowError):
            ledger.unreadable(line, "lacks a field, or a field has another kind of value")
            continue
        read += 1
        for message in messages:
            keep(message, line)
    ledger.check(path, bad_before, read)
    return log.finish()


def _is_lines(path: Path, ledger: Ledger) -> bool:
    """Whether one of the first lines is a whole value, and there are more of them if it is a list."""
    with open_lines(path, ledger.limits.chat_bytes, "--max-chat-mb", Ledger(ledger.limits), lambda _: None) as lines:
        seen = 0
        while seen < FIRST_LINES and (data := lines.readline(ledger.limits.line_bytes)):
            text = data.strip(_AROUND)
            seen += bool(text)
            if text.startswith(b"[") and len(text) > LIST_BYTES:
                return False
            if text.startswith(_OPENING) and decoded(text)[0]:
                return text.startswith(b"{") or lines.readline(64).lstrip().startswith(_OPENING)
    return False


def _by_lines(path: Path, ledger: Ledger, progress: Progress) -> Iterator[tuple[int, Entry]]:
    limits, number = ledger.limits, 0
    with open_lines(path, limits.chat_bytes, "--max-chat-mb", ledger, progress) as lines:
        while data := lines.readline(limits.line_bytes):
            number += 1
            if not lines.whole:
                lines.pass_over(number, limits.line_bytes)
                continue
            text = data.strip(_AROUND)
            if text in _NO_VALUE:
                continue
            value, repaired = decoded(text)
            if repaired:
                ledger.changed[REPAIRED_JSON] += 1
            if isinstance(value, dict):
                yield number, value
            elif isinstance(value, list):
                for entry in value:
                    if isinstance(entry, dict):
                        yield number, entry
                    else:
                        ledger.unreadable(number, "is no object")
            elif value is None and not data.endswith(b"\n"):
                ledger.warnings.append(f"line {number}, the last, is cut short: the log ended abruptly")
            else:
                ledger.unreadable(number, "is no JSON object")
        lines.check()


def _streamed(path: Path, ledger: Ledger, progress: Progress) -> Iterator[tuple[int, Entry]]:
    """The objects of a list that is too large for memory; of a damaged one what comes after it is searched for."""
    line = 1
    with open_lines(path, ledger.limits.chat_bytes, "--max-chat-mb", ledger, progress) as lines:
        for piece, passed, whole in _pieces(lines, ledger.limits.line_bytes):
            line += passed.count(b"\n")
            value, repaired = decoded(piece) if whole else (None, False)
            if isinstance(value, dict):
                ledger.changed.update([REPAIRED_JSON] if repaired else [])
                yield line, value
            elif piece:
                ledger.unreadable(line, "is no JSON object")
            line += piece.count(b"\n")
        lines.check()


def _pieces(lines: Lines, limit: int) -> Iterator[tuple[bytes, bytes, bool]]:
    """(object, what stood before it, whether it has an end); of one that has none within `limit` its first byte."""
    buffer, wanted, over = b"", 0, False
    while not over:
        data = lines.readline()
        buffer, over = buffer + data, not data
        if len(buffer) < wanted and not over:
            continue
        at = wanted = 0
        while (begin := buffer.find(b"{", at)) >= 0:
            end = object_end(buffer, begin)
            if not end and len(buffer) - begin <= limit:
                break
            yield buffer[begin : end or begin + 1], buffer[at:begin], bool(end)
            at = end or begin + 1
        if begin < 0:
            yield b"", buffer[at:], False
            buffer = b""
        else:
            buffer, wanted = buffer[at:], 2 * (len(buffer) - begin)
    if buffer:
        lines.ledger.warnings.append(CUT)


def _whole(path: Path, ledger: Ledger, progress: Progress) -> Iterator[tuple[int, Entry]]:
    if path.stat().st_size > WHOLE_BYTES:
        yield from _streamed(path, ledger, progress)
        return
    text = read_text(path, min(WHOLE_BYTES, ledger.limits.chat_bytes), "--max-chat-mb", ledger, progress)
    walk = Walk(text)
    at, line, counted = walk.gap(0), 1, 0
    while at < len(text) and text[at] in "{[":
        for entry in walk.entries(at):
            if isinstance(entry, Bad):
                line, counted = line + text.count("\n", counted, entry.at), max(counted, entry.at)
                ledger.unreadable(line, entry.why)
            else:
                yield line, entry
        at = walk.gap(max(at + 1, walk.skip(at)))
    if walk.numbers:
        ledger.changed["number that is none (NaN, Infinity), read as missing"] += walk.numbers
    if walk.cut:
        ledger.warnings.append(CUT)
