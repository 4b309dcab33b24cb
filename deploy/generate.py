"""Write manifests that follow from other files: `python -m deploy.generate [RUNBOOK_URL]`.

KafkaTopic and KafkaUser come from `schemas/*/topic.yaml`, PrometheusRule from `monitoring/*.yaml`. With RUNBOOK_URL,
every alert first gets a link to its entry of the runbook there. A test compares the results with the committed files.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from worker.resources import SCHEMAS_DIR
from worker.settings import Settings
from worker.topics import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    HISTORY_TOPIC,
    IDENTITIES_TOPIC,
    REGISTRY_TOPIC,
    REQUESTS_TOPIC,
    REVIEWS_TOPIC,
    ROOMS_TOPIC,
    VIOLATIONS_TOPIC,
    Topic,
    load_topics,
)

DEPLOY = Path(__file__).resolve().parent
COMPONENTS = DEPLOY / "k8s" / "components"
CLUSTER_LABEL = {"strimzi.io/cluster": "kafka"}
KAFKA_NAMESPACE = "kafka"
USER = "stream-audit"
CHANGELOG = f"{Settings.app_id}-rooms-changelog"
IDENTITIES_CHANGELOG = f"{Settings.app_id}-identities-changelog"
POLICIES = "live.audit.policies"
ALERTS = DEPLOY / "monitoring" / "alerts.yaml"
RULES = (DEPLOY / "monitoring" / "recording.yaml", ALERTS)
HEADER = "# Written by deploy/generate.py (`make manifests`). Change its sources instead.\n"
NUMBERS = ("retention.ms", "max.message.bytes", "min.insync.replicas")


def kafka_topic(topic: Topic) -> dict[str, Any]:
    """Return a topic as Strimzi's KafkaTopic. Its name in Kubernetes is the topic's own: all are valid there."""
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {
            "name": topic.name,
            "namespace": KAFKA_NAMESPACE,
            "labels": CLUSTER_LABEL,
            "annotations": {"stream-audit/owner": topic.owner, "stream-audit/summary": topic.summary},
        },
        "spec": {
            "partitions": topic.partitions,
            "replicas": topic.replication_factor,
            "config": {name: int(value) if name in NUMBERS else value for name, value in sorted(topic.config.items())},
        },
    }


def _rule(kind: str, name: str, *operations: str) -> dict[str, Any]:
    return {"resource": {"type": kind, "name": name, "patternType": "literal"}, "operations": list(operations)}


def kafka_user() -> dict[str, Any]:
    """Return the worker's user. It may read its inputs, changelogs and outputs, and write what it emits. No more."""
    read = ("Read", "Describe")
    write = ("Write", "Describe", "DescribeConfigs")
    acls = [
        _rule("group", Settings.app_id, "Read", "Describe"),
        _rule("topic", EVENTS_TOPIC, "Read", *write),
        _rule("topic", VIOLATIONS_TOPIC, "Read", *write),
        _rule("topic", ROOMS_TOPIC, *write),
        _rule("topic", REQUESTS_TOPIC, *write),
        _rule("topic", REVIEWS_TOPIC, *write),
        _rule("topic", DEAD_LETTERS_TOPIC, *write),
        _rule("topic", CHANGELOG, "Read", *write),
        _rule("topic", IDENTITIES_TOPIC, "Read", *write),
        _rule("topic", IDENTITIES_CHANGELOG, "Read", *write),
        _rule("topic", REGISTRY_TOPIC, *read, "DescribeConfigs"),
        _rule("topic", POLICIES, *read, "DescribeConfigs"),
        _rule("topic", HISTORY_TOPIC, *read, "DescribeConfigs"),
    ]
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": {"name": USER, "namespace": KAFKA_NAMESPACE, "labels": CLUSTER_LABEL},
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {"type": "simple", "acls": acls},
        },
    }


def linked(alerts: str, runbook: str) -> str:
    """Return the text of alerts.yaml with each alert linked to its entry in the runbook at the URL `runbook`.

    Raises ValueError when `runbook` is no URL to which the name of an entry can be added.
    """
    if not re.fullmatch(r"https?://[^\s#/]+(/[^\s#]*)?", runbook):
        raise ValueError(f"{runbook!r} is no URL of a page: it begins with https:// and has no #")
    return re.sub(r"(?m)^( +runbook_url: )\S*(#\w+)$", lambda found: f"{found[1]}{runbook}{found[2]}", alerts)


def prometheus_rule() -> dict[str, Any]:
    """Return all rule files as one PrometheusRule."""
    groups: list[Any] = []
    for path in RULES:
        groups += yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "stream-audit", "labels": {"app.kubernetes.io/name": "stream-audit"}},
        "spec": {"groups": groups},
    }


def manifests() -> dict[Path, str]:
    """Return path → content of every generated manifest."""
    topics = [kafka_topic(topic) for topic in load_topics(SCHEMAS_DIR)]
    return {
        COMPONENTS / "strimzi" / "topics.yaml": _dump(topics),
        COMPONENTS / "strimzi" / "user.yaml": _dump([kafka_user()]),
        COMPONENTS / "monitoring" / "prometheusrule.yaml": _dump([prometheus_rule()]),
    }


class _Plain(yaml.SafeDumper):
    """Write no anchors: what appears twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _dump(documents: list[dict[str, Any]]) -> str:
    return HEADER + yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


def main(arguments: Sequence[str]) -> int:
    """Write them all, after the links of the alerts when a URL is given. Return 2 when it is no URL."""
    if arguments and arguments[0]:
        try:
            alerts = linked(ALERTS.read_text(encoding="utf-8"), arguments[0])
        except ValueError as problem:
            print(problem, file=sys.stderr)
            return 2
        ALERTS.write_text(alerts, encoding="utf-8")
    for path, content in manifests().items():
        path.write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
