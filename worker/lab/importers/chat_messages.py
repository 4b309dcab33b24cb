"""What one entry of a chat in JSON or a table says, before it has a place in the recording.

Fields that are not needed may hold anything. Only the listed ones are read: what such files also carry of
people (portraits, sex, places) goes no further.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from msgspec import Struct

from worker.lab.importers.instants import unix_ms
from worker.lab.importers.readable import repaired_json
from worker.lab.importers.recording import NO_CURRENCY

Kind = Literal["comment", "gift", "joined", "liked", "followed", "shared", "order", "host", "drop"]
Entry = dict[str, Any]

FEN_PER_DIAMOND = 10  # Douyin's coin (抖币) costs 0.10 CNY
NOT_NEEDED = "message that the room log has no event for"
PARTIAL = "gift of a streak that a later one completes"
NO_ONE = frozenset({"", "0", "111111", "None", "undefined"})


class Message(Struct, array_like=True, gc=False):
    """`text` is a comment's text, a gift's name, an order's product, or why a `drop` is left out.

    `sent_ms` is Unix ms, 0 if the entry has none; `place_ms` counts from the recording's start. `streak` names the
    run of gifts that this one belongs to; its value is that of the run so far, and `last` says that it is over.
    """

    kind: Kind
    author: str = ""
    text: str = ""
    sent_ms: int = 0
    ref: str = ""
    count: int = 1
    value: int = 0
    currency: str = NO_CURRENCY
    streak: str = ""
    last: bool = False
    place_ms: int | None = None
    line: int = 0


@dataclass(slots=True)
class About:
    """What a file says of its room; ids and names are the platform's own."""

    platform: str = ""
    room: str = ""
    host: str = ""
    host_name: str = ""
    title: str = ""
    broadcast: str = ""


def decoded(data: bytes) -> tuple[Any, bool]:
    """(the value, repaired if need be, or None if it cannot be; whether it was repaired)."""
    try:
        return orjson.loads(data), False
    except orjson.JSONDecodeError:
        pass
    try:
        return orjson.loads(repaired_json(data)), True
    except orjson.JSONDecodeError:
        return None, False


def nested(text: str) -> object:
    """The JSON within a string; nothing if it is none."""
    return decoded(text.encode("utf-8", "surrogatepass"))[0]


Take = Callable[[Entry, About], list[Message]]


def obj(value: object) -> Entry:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objs(value: object) -> list[Entry]:
    """The objects of a list; none of what is no list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def word(value: object) -> str:
    """`value` as text if it is text or a whole number, else nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def whole(value: object, default: int = 0) -> int:
    """`value` as a whole number that is not negative, also one that is written as text; else `default`."""
    if isinstance(value, str) and len(value) <= 18 and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15:
        return int(value)
    return default


def who(identity: object, name: object) -> str:
    """A viewer by id, else by name; names may be masked, so two people may fall together."""
    if (found := word(identity)) not in NO_ONE:
        return found
    named = word(name)
    return f"name\0{named}" if named not in NO_ONE else ""


def comment(author: str, text: object, sent_ms: int, ref: object = "") -> Message:
    """A comment; `text` and `ref` may be of any kind."""
    return Message("comment", author, word(text).strip(), sent_ms, word(ref))


def dropped(why: str = NOT_NEEDED) -> list[Message]:
    """What an entry gives that is to be left out and counted."""
    return [Message("drop", text=why)]


def logged_ms(entry: Entry) -> int:
    """When the program that logged the entry says that it came, by the usual names of such a field."""
    for key in ("time", "ts", "timestamp", "recv_time", "recvTime", "receivedAt", "create_time", "createTime"):
        if key in entry and (found := unix_ms(entry[key])):
            return found
    return 0
