"""Hypothesis strategies from our subset of JSON Schema: values that fit, and values broken in one place."""

import copy
from typing import Any

from hypothesis import strategies as st

TEXT = st.characters(blacklist_categories=["Cs"])
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(TEXT, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT, max_size=5), inner, max_size=3),
    max_leaves=5,
)


def fitting(node: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that `node` accepts. Raises on a keyword it does not know: the subset is closed."""
    if "$ref" in node:
        name = node["$ref"].removeprefix("#/$defs/")
        return ANYTHING if name == "Json" else fitting(root["$defs"][name], root)
    if "const" in node:
        return st.just(node["const"])
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if "anyOf" in node:
        return st.one_of([fitting(option, root) for option in node["anyOf"]])
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return st.one_of([_of_type(kind, node, root) for kind in kinds])


def _of_type(kind: str, node: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    if kind == "null":
        return st.none()
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        return st.integers(node["minimum"], node["maximum"])
    if kind == "number":
        low, high = node.get("minimum"), node.get("maximum")
        return st.floats(low, high, allow_nan=False, allow_infinity=False) | st.integers(low or 0, high or 1)
    if kind == "string":
        if "pattern" in node:
            return st.from_regex(node["pattern"].replace("$", r"\Z"), fullmatch=True).filter(
                lambda text: len(text) <= node["maxLength"]
            )
        return st.text(TEXT, min_size=node.get("minLength", 0), max_size=min(node["maxLength"], 80))
    if kind == "array":
        return st.lists(fitting(node["items"], root), max_size=min(node["maxItems"], 4))
    if "properties" not in node:
        return st.dictionaries(st.text(TEXT, max_size=8), fitting(node["additionalProperties"], root), max_size=3)
    required = {k: fitting(v, root) for k, v in node["properties"].items() if k in node["required"]}
    optional = {k: fitting(v, root) for k, v in node["properties"].items() if k not in node["required"]}
    return st.fixed_dictionaries(required, optional=optional)


def events(root: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Valid events of any type."""
    return st.sampled_from(root["allOf"]).flatmap(lambda branch: fitting(branch["then"], root))


TEMPTING = [
    None, True, False, 0, -1, 1, 1.0, 1.5, -0.0, 10**9, 10**9 + 1, 2**53, 2**64, -(2**64), 10**400, 4_102_444_800_000,
    4_102_444_800_001, "", "x", "x" * 64, "x" * 65, "尺" * 2000, "尺" * 2001, "a b", "r\n", "CNY", "CN", [], {}, [None],
    ["x"] * 20, ["x"] * 21, ["x"] * 64, ["x"] * 65, [{"system": "s", "id": "i"}], [{"system": "s"}], {"a": {"b": [1]}},
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, root: dict[str, Any]) -> dict[str, Any]:
    """A valid event with one to three fields dropped, replaced, added, or given another event's value."""
    event = copy.deepcopy(draw(events(root)))
    for _ in range(draw(st.integers(1, 3))):
        names = sorted(event)
        name = draw(st.sampled_from([*names, "zzz", "viewer_id", "status", "rooms"]))
        if draw(st.booleans()) and name in event:
            del event[name]
        else:
            event[name] = draw(st.sampled_from(TEMPTING) | ANYTHING)
    return event
