"""A policy file as the JSON document that is published: the same entries, and the types that the schema asks for."""

import json
import re

import yaml

from worker.policy.document import Document
from worker.policy.model import Json

_INTEGERS = frozenset({"version", "effective_from_ms", "severity", "percent", "per_hour", "per_day", "rooms", "times",
                       "until_ms", "at_ms", "review_sample_percent"})  # fmt: skip
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,9}\.\d{1,9}", re.ASCII)
_WORDS = {"true": True, "false": False}


def as_document(file: str, text: str) -> str:
    """The JSON text of a policy that `load_policies` has accepted; its lines are as many as its values.

    Raises:
        worker.policy.document.Missing: it is not even YAML.
    """
    root = _value(Document(file, text).compose(text), "", in_tests=False)
    assert isinstance(root, dict)
    root.setdefault("applies", {})
    return json.dumps(root, ensure_ascii=False, indent=1)


def _value(node: yaml.Node, key: str, *, in_tests: bool) -> Json:
    if isinstance(node, yaml.MappingNode):
        return {k.value: _value(v, k.value, in_tests=in_tests or k.value == "tests") for k, v in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, key, in_tests=in_tests) for item in node.value]
    assert isinstance(node, yaml.ScalarNode)
    text = str(node.value)
    if node.style or not (in_tests or key in _INTEGERS):
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if in_tests and _DECIMAL.fullmatch(text):
        return float(text)
    return _WORDS.get(text, text) if in_tests else text
