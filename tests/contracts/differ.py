"""Is a changed schema still safe for whoever wrote or reads by the old one? A differ over our keyword subset.

Rules (`schemas/README.md`): only optional fields may be added; a field is never removed, renamed or retyped; no
bound, pattern or list of words becomes narrower (old records would be refused) or wider (old consumers would meet
values they do not know; a new word needs consumers that map unknown words to `other`).
"""

from collections.abc import Iterator
from typing import Any

TELLS_NOTHING = {"$schema", "$id", "title", "description", "$defs"}
KNOWN = TELLS_NOTHING | {
    "$ref", "type", "const", "enum", "anyOf", "allOf", "if", "then", "required", "properties", "additionalProperties",
    "items", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "maxProperties",
}  # fmt: skip
COMPARED = ("const", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties")


def breaking_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Every change from `old` to `new` that breaks somebody, as `place: what`. Raises on a keyword it does not know."""
    return sorted(set(_compare(old, new, old, new, "$", frozenset())))


def _compare(
    old: Any, new: Any, old_root: dict[str, Any], new_root: dict[str, Any], at: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    pair = (old.get("$ref", ""), new.get("$ref", ""))
    if all(pair) and pair in seen:
        return
    seen |= {pair}
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    unknown = sorted((old.keys() | new.keys()) - KNOWN)
    if unknown:
        raise ValueError(f"{at}: the differ does not know {', '.join(unknown)}: teach it first")
    for word in COMPARED:
        if old.get(word) != new.get(word):
            yield f"{at}: {word} changed from {old.get(word)} to {new.get(word)}"
    if _types(old) != _types(new):
        yield f"{at}: type changed from {_types(old)} to {_types(new)}"
    yield from _words(old, new, at)
    yield from _fields(old, new, old_root, new_root, at, seen)
    for word in ("items", "additionalProperties"):
        before, after = old.get(word), new.get(word)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _compare(before, after, old_root, new_root, f"{at}/{word}", seen)
        elif before != after:
            yield f"{at}: {word} changed"
    yield from _options(old, new, old_root, new_root, at, seen)


def _resolved(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        node = root["$defs"][node["$ref"].removeprefix("#/$defs/")] | beside
    return node


def _types(node: dict[str, Any]) -> list[str]:
    kinds = node.get("type", [])
    return sorted([kinds] if isinstance(kinds, str) else kinds)


def _words(old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[str]:
    if ("enum" in old) != ("enum" in new):
        yield f"{at}: enum added or dropped"
    gone = [word for word in old.get("enum", []) if word not in new.get("enum", [])]
    come = [word for word in new.get("enum", []) if word not in old.get("enum", [])]
    if gone and "enum" in new:
        yield f"{at}: words removed: {gone}"
    # New event types are no new words: consumers count an unknown `type` and go on.
    if come and "enum" in old and at != "$.type" and "other" not in old["enum"]:
        yield f"{at}: words added, but consumers cannot map them to `other`: {come}"


def _fields(
    old: dict[str, Any], new: dict[str, Any], old_root: dict[str, Any], new_root: dict[str, Any], at: str,
    seen: frozenset[tuple[str, str]],
) -> Iterator[str]:  # fmt: skip
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before.keys() - after.keys():
        yield f"{at}.{name}: removed"
    for name in set(new.get("required", [])) - set(old.get("required", [])):
        yield f"{at}.{name}: became required"
    for name in set(old.get("required", [])) - set(new.get("required", [])):
        yield f"{at}.{name}: is no longer required, but consumers rely on it"
    for name in before.keys() & after.keys():
        yield from _compare(before[name], after[name], old_root, new_root, f"{at}.{name}", seen)


def _options(
    old: dict[str, Any], new: dict[str, Any], old_root: dict[str, Any], new_root: dict[str, Any], at: str,
    seen: frozenset[tuple[str, str]],
) -> Iterator[str]:  # fmt: skip
    if len(old.get("anyOf", [])) != len(new.get("anyOf", [])):
        yield f"{at}: alternatives changed"
    for i, (before, after) in enumerate(zip(old.get("anyOf", []), new.get("anyOf", []), strict=False)):
        yield from _compare(before, after, old_root, new_root, f"{at}/{i}", seen)
    branches = {_tag(branch): branch["then"] for branch in new.get("allOf", [])}
    for branch in old.get("allOf", []):
        tag = _tag(branch)
        if tag not in branches:
            yield f"{at}: {tag} removed"
        else:
            yield from _compare(branch["then"], branches[tag], old_root, new_root, f"{at}[{tag}]", seen)


def _tag(branch: dict[str, Any]) -> str:
    return str(branch["if"]["properties"]["type"]["const"])
