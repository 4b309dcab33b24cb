"""What lies in deploy/, read for tests: rules, boards, names of metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from worker.metrics import METRICS, PREFIX

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy"
MONITORING = DEPLOY / "monitoring"
BIN = REPOSITORY / "build" / "deploy" / "bin"
OVERLAYS = ("laptop", "staging", "production")
BOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
RULE_FILES = (MONITORING / "recording.yaml", MONITORING / "alerts.yaml")


WRONG_WORDS = re.compile(
    r";|\b(?:whoever|somebody|nobody|anybody|anew|mend|mends|mended|forgets|forgotten|of which|that of|stands"
    r"|console)\b",
    re.IGNORECASE,
)


class Query(NamedTuple):
    """A PromQL expression and where it was found."""

    where: str
    expr: str


def rules(path: Path) -> list[dict[str, Any]]:
    """Every rule of a rule file."""
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules(MONITORING / "alerts.yaml")}
RECORDS = {rule["record"]: rule for rule in rules(MONITORING / "recording.yaml")}


def exposed() -> dict[str, frozenset[str]]:
    """Series that a worker exposes → their labels."""
    found: dict[str, frozenset[str]] = {}
    for spec in METRICS:
        labels = frozenset(spec.labels)
        if spec.kind == "histogram":
            found |= {f"{PREFIX}{spec.name}_{part}": labels for part in ("sum", "count")}
            found[f"{PREFIX}{spec.name}_bucket"] = labels | {"le"}
        else:
            found[PREFIX + spec.name] = labels
    return found


def panels(board: Path) -> list[dict[str, Any]]:
    """The panels of a board that are no row's title."""
    return [panel for panel in json.loads(board.read_text())["panels"] if panel["type"] != "row"]


def filled(expr: str, namespace: str = ".*", interval: str = "1m") -> str:
    """A panel's query with Grafana's variables replaced."""
    return re.sub(r"\$namespace\b", namespace, expr).replace("$__rate_interval", interval)


def panel_queries() -> list[Query]:
    return [
        Query(f"{board.name}: {panel['title']} {target['refId']}", filled(target["expr"]))
        for board in BOARDS
        for panel in panels(board)
        for target in panel.get("targets", [])
    ]


def wrong_words(text: str) -> list[str]:
    """What a tired reader stumbles over: long sentences, semicolons, words that are not plain, a page not yet there."""
    sentences = re.split(r"(?<=[.!?])\s+|\n\n|\|", text)
    found = [sentence for sentence in sentences if len(sentence.split()) > 40]
    return found + [match.group() for match in WRONG_WORDS.finditer(text)]


def rule_queries() -> list[Query]:
    return [Query(f"{name}", rule["expr"]) for name, rule in {**RECORDS, **ALERTS}.items()]
