"""Writes manifests that follow from other files: `python -m deploy.generate`. A test compares them with the committed.

KafkaTopic and KafkaUser come from `schemas/*/topic.yaml`, PrometheusRule from `monitoring/*.yaml`.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from worker.settings import Settings
from worker.topics import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    IDENTITIES_TOPIC,
    REGISTRY_TOPIC,
    REQUESTS_TOPIC,
    ROOMS_TOPIC,
    VIOLATIONS_TOPIC,
    Topic,
    load_topics,
)

DEPLOY = Path(__file__).resolve().parent
COMPONENTS = DEPLOY / "k8s" / "components"
SCHEMAS = DEPLOY.parent / "schemas"
CLUSTER_LABEL = {"strimzi.io/cluster": "kafka"}
KAFKA_NAMESPACE = "kafka"
USER = "stream-audit"
CHANGELOG = f"{Settings.app_id}-rooms-changelog"
IDENTITIES_CHANGELOG = f"{Settings.app_id}-identities-changelog"
POLICIES = "live.audit.policies"
RULES = ("recording.yaml", "alerts.yaml")
HEADER = "# Written by deploy/generate.py (`make manifests`); change its sources instead.\n"
NUMBERS = ("retention.ms", "max.message.bytes", "min.insync.replicas")


def kafka_topic(topic: Topic) -> dict[str, Any]:
    """A topic as Strimzi's KafkaTopic. Its name in Kubernetes is the topic's own: all are valid there."""
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
    """The worker's user: reads its inputs, changelogs and what it has sent; writes what it emits; no more."""
    read = ("Read", "Describe")
    write = ("Write", "Describe", "DescribeConfigs")
    acls = [
        _rule("group", Settings.app_id, "Read", "Describe"),
        _rule("topic", EVENTS_TOPIC, "Read", *write),
        _rule("topic", VIOLATIONS_TOPIC, "Read", *write),
        _rule("topic", ROOMS_TOPIC, *write),
        _rule("topic", REQUESTS_TOPIC, *write),
        _rule("topic", DEAD_LETTERS_TOPIC, *write),
        _rule("topic", CHANGELOG, "Read", *write),
        _rule("topic", IDENTITIES_TOPIC, "Read", *write),
        _rule("topic", IDENTITIES_CHANGELOG, "Read", *write),
        _rule("topic", REGISTRY_TOPIC, *read, "DescribeConfigs"),
        _rule("topic", POLICIES, *read, "DescribeConfigs"),
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


def prometheus_rule() -> dict[str, Any]:
    """All rule files as one PrometheusRule."""
    groups: list[Any] = []
    for name in RULES:
        groups += yaml.safe_load((DEPLOY / "monitoring" / name).read_text(encoding="utf-8"))["groups"]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "stream-audit", "labels": {"app.kubernetes.io/name": "stream-audit"}},
        "spec": {"groups": groups},
    }


def manifests() -> dict[Path, str]:
    """Path → content of every generated manifest."""
    topics = [kafka_topic(topic) for topic in load_topics(SCHEMAS)]
    return {
        COMPONENTS / "strimzi" / "topics.yaml": _dump(topics),
        COMPONENTS / "strimzi" / "user.yaml": _dump([kafka_user()]),
        COMPONENTS / "monitoring" / "prometheusrule.yaml": _dump([prometheus_rule()]),
    }


class _Plain(yaml.SafeDumper):
    """No anchors: what appears twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _dump(documents: list[dict[str, Any]]) -> str:
    return HEADER + yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


def main() -> int:
    """Writes them all."""
    for path, content in manifests().items():
        path.write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
