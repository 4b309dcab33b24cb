"""What the tests know of `schemas/`: its files, the two variants of a schema, and the oracle.

The oracle is jsonschema over Python's own JSON parser, with the four places settled where JSON Schema and a typed
decoder read the same text differently (`schemas/README.md`, "Finer points").
"""

import copy
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
EVENTS = "live.room.events"
DEPTH_MAX = 256
RECORD_BYTES_MAX = 64 * 1024


def topics_with_schema() -> list[str]:
    return sorted(path.parent.name for path in SCHEMAS.glob("*/v1.schema.json"))


def schema(topic: str) -> dict[str, Any]:
    """The schema as it stands in the file: open, as consumers read it."""
    loaded: dict[str, Any] = json.loads((SCHEMAS / topic / "v1.schema.json").read_text())
    return loaded


def closed(node: Any) -> Any:
    """The producers' variant: every object that lists its properties admits no others.

    The one exception is the top of `live.room.events`, which dispatches on `type` and lists only that.
    """
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: value if key == "enum" else closed(value) for key, value in node.items()}
    lists_properties = isinstance(node.get("properties"), dict) and "required" in node
    if lists_properties and "allOf" not in node and not _is_condition(node):
        out.setdefault("additionalProperties", False)
    return out


def _is_condition(node: dict[str, Any]) -> bool:
    return "type" not in node  # {"properties": {"type": {"const": …}}, "required": ["type"]} behind an "if"


def examples(topic: str, kind: str) -> list[Path]:
    return sorted((SCHEMAS / topic / "v1" / kind).glob("*"))


class NotJson(ValueError):
    """The bytes are no JSON text in UTF-8."""


def parse(value: bytes) -> Any:
    """RFC 8259 text in UTF-8; NaN, Infinity and lone surrogates (RFC 7493) are none; overlong numbers are inf."""

    def refuse(word: str) -> Any:
        raise NotJson(word)

    def integer(text: str) -> int | float:
        return int(text) if len(text) <= 4300 else math.inf

    try:
        text = value.decode("utf-8")
        if text.startswith("\ufeff"):
            raise NotJson("byte-order mark")
        parsed = json.loads(text, parse_constant=refuse, parse_int=integer)
        json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except (UnicodeError, json.JSONDecodeError) as error:
        raise NotJson(str(error)) from error
    return parsed


def depth(node: Any) -> int:
    """Nesting of a parsed value; iterative, so that it can measure what it must refuse."""
    deepest, level = 0, [node]
    while level := [x for x in level if isinstance(x, dict | list)]:
        deepest += 1
        level = [child for x in level for child in (x.values() if isinstance(x, dict) else x)]
    return deepest


def _whole(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # 1.0 is written as no integer


def _finite(_: object, value: object) -> bool:
    return _whole(_, value) or (isinstance(value, float) and math.isfinite(value))


def _pattern(_: Any, pattern: str, value: object, __: Any) -> Iterator[ValidationError]:
    # ECMA 262's $ is the end of the text; Python's also stands before a final newline.
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError("does not match")


Oracle = extend(
    Draft202012Validator,
    validators={"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _whole, "number": _finite}),
)


class Contract:
    """One topic's schema, ready to judge values: `accepts` as consumers do, `producer_accepts` as producers must."""

    def __init__(self, topic: str) -> None:
        self.schema = schema(topic)
        self._open = Oracle(self.schema)
        self._closed = Oracle(closed(copy.deepcopy(self.schema)))

    def accepts(self, value: bytes) -> bool:
        return self._judge(self._open, value)

    def producer_accepts(self, value: bytes) -> bool:
        return self._judge(self._closed, value)

    def errors(self, value: Any) -> list[str]:
        return [f"{error.json_path}: {error.message}" for error in self._open.iter_errors(value)]

    def _judge(self, oracle: Any, value: bytes) -> bool:
        if len(value) > RECORD_BYTES_MAX:
            return False
        try:
            parsed = parse(value)
        except (NotJson, RecursionError):
            return False
        return depth(parsed) <= DEPTH_MAX and bool(oracle.is_valid(parsed))
