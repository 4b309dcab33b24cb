"""What differs between two sets of policies, by policy, rule and field: meaning, not text.

Defaults are filled in before comparing, durations are compared as durations, expressions without their spacing.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from worker.audit.characters import SPACES
from worker.audit.history import REMEMBERED_MS
from worker.policy.compile import parse_duration
from worker.policy.load import CLEAR_AFTER_MS, COOLDOWN_MS, DEFAULT_KEYS, ESCALATE_AFTER_MS, REVIEW_SAMPLE_PERCENT
from worker.policy.model import WHOM, Json, Pause
from worker.policy.wire import as_document

_IF_ABSENT: dict[str, Json] = {
    "scope": "selling",
    "exempt": "false",
    "escalate_after": f"{ESCALATE_AFTER_MS // 60_000}m",
    "clear_after": f"{CLEAR_AFTER_MS // 60_000}m",
    "cooldown": f"{COOLDOWN_MS // 60_000}m",
    "remember": f"{REMEMBERED_MS // 86_400_000}d",
    "rollout": {"mode": "live", "percent": 100},
    "caps": {},
    "pause": {"rooms": Pause().rooms, "times": Pause().times},
    "review_sample_percent": REVIEW_SAMPLE_PERCENT,
    "exemptions": [],
}
_OF_POLICY = ("version", "effective_from_ms", "applies", "inherits")
_DURATIONS = ("escalate_after", "clear_after", "cooldown", "remember")


class Change(Struct, frozen=True):
    """One difference. `rule` is empty for a policy's own entries; `field` is empty when all was added or removed."""

    policy: str
    rule: str
    what: str  # added, removed, changed
    field: str = ""
    old: Json = None
    new: Json = None

    def words(self) -> str:
        """The change in a sentence."""
        whom = f"rule {self.rule}" if self.rule else f"policy {self.policy}"
        if self.what != "changed":
            return f"{whom} {self.what}" + (f": {self.new or self.old}" if self.rule else "")
        if self.field == "tests":
            return f"{whom}: tests changed"
        if self.field == "exemptions":
            return f"{whom}: {_exemption(self.old, self.new)}"
        return f"{whom}: {self.field} {_say(self.old)} → {_say(self.new)}{_meaning(self)}"


def compare(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """Differences between two sets of policy files (name → text), in the order of policy and rule.

    Raises:
        worker.policy.document.Missing: a file is not YAML.
    """
    before, after = _by_name(old), _by_name(new)
    changes: list[Change] = []
    for name in sorted(before.keys() | after.keys()):
        if name not in after or name not in before:
            changes.append(Change(name, "", "added" if name in after else "removed"))
        changes += _of_policy(name, before.get(name, {}), after.get(name, {}))
    return changes


def _by_name(files: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    documents = (json.loads(as_document(file, text)) for file, text in sorted(files.items()))
    return {str(document.get("policy")): document for document in documents}


def _of_policy(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    if old and new:
        for field in _OF_POLICY:
            if old.get(field) != new.get(field):
                yield Change(name, "", "changed", field, old.get(field), new.get(field))
    yield from _of_exemptions(name, "", old.get("exemptions", []), new.get("exemptions", []))
    before, after = _rules(old), _rules(new)
    for rule in sorted(before.keys() | after.keys()):
        if rule not in before:
            yield Change(name, rule, "added", new=str(after[rule].get("title", "")))
        elif rule not in after:
            yield Change(name, rule, "removed", old=str(before[rule].get("title", "")))
        else:
            for field in sorted(before[rule].keys() | after[rule].keys()):
                one, other = before[rule].get(field), after[rule].get(field)
                if field == "exemptions":
                    yield from _of_exemptions(name, rule, one or [], other or [])
                elif _plain(field, one) != _plain(field, other):
                    yield Change(name, rule, "changed", field, one, other)


def _of_exemptions(name: str, rule: str, old: list[Any], new: list[Any]) -> Iterator[Change]:
    before, after = ({(whom, one[whom]): one for one in side for whom in WHOM if whom in one} for side in (old, new))
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield Change(name, rule, "changed", "exemptions", before.get(key), after.get(key))


def _rules(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rule id → its entries, with the file's defaults and ours filled in; entries that are mappings become several."""
    defaults = {key: value for key, value in document.get("defaults", {}).items() if key in DEFAULT_KEYS}
    found = {}
    for rule in document.get("rules", ()):
        filled = {**_IF_ABSENT, **defaults, **rule}
        for key, absent in _IF_ABSENT.items():
            if isinstance(absent, dict):
                filled[key] = {**absent, **filled[key]}
        found[str(rule.get("id"))] = _flat(filled)
    return found


def _flat(rule: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in rule.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{field}": part for field, part in value.items() if field != "on_exceed"}
        else:
            flat[key] = value
    return flat


def _plain(field: str, value: Any) -> Any:
    if field in _DURATIONS and isinstance(value, str):
        return parse_duration(value)
    if field in ("when", "exempt") and isinstance(value, str):
        return re.sub(r"\s+", " ", value, flags=re.ASCII).strip(" ")
    return value


def _exemption(old: Json, new: Json) -> str:
    found = new or old
    assert isinstance(found, dict)
    whom = next(f"{whom} {found[whom]}" for whom in WHOM if whom in found)
    if new is None:
        return f"{whom} is exempt no more"
    before = f" (before: until_ms {old['until_ms']}, {old['reason']})" if isinstance(old, dict) else ""
    return f"{whom} is exempt until_ms {found['until_ms']}: {found['reason']}{before}"


def _say(value: Json) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):  # an expression may have several lines
        return " ".join(line.strip(SPACES) for line in value.strip(SPACES).split("\n"))
    return json.dumps(value, ensure_ascii=False)


def _meaning(change: Change) -> str:
    if change.field == "rollout.mode":
        return " (recommends nothing any more)" if change.new == "shadow" else " (its actions leave now)"
    old, new = (n if isinstance(n, int) else None for n in (change.old, change.new))
    if change.field == "rollout.percent" and old is not None and new is not None:
        return " (adds rooms)" if new > old else " (takes rooms away)"
    if change.field.startswith("caps."):
        more = new is None or (old is not None and new > old)
        return " (more may go through)" if more else " (more is parked)"
    return ""
