"""What every rendered overlay must have: security, probes, limits, room to end in peace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.deploy.files import DEPLOY, REPOSITORY
from worker.settings import load_settings
from worker.topics import load_topics

Object = dict[str, Any]

LAPTOP_PARTITIONS = 4
KUBERNETES = "1.34"
CUSTOM = {"KafkaTopic", "KafkaUser", "ScaledObject", "TriggerAuthentication", "PodMonitor", "PrometheusRule"}
"""Kinds whose schemas Kubernetes does not have."""

WRITES_ITS_ROOT = {"kafka": "Kafka's image writes its configuration into its root; laptops only"}
"""Container → why its root is not read-only."""


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [found for found in objects if found["kind"] == kind]


def the(objects: list[Object], kind: str, name: str = "stream-audit") -> Object:
    (found,) = [found for found in of_kind(objects, kind) if found["metadata"]["name"] == name]
    return found


def workloads(objects: list[Object]) -> list[Object]:
    return [found for kind in ("StatefulSet", "Deployment", "Job") for found in of_kind(objects, kind)]


def pods(objects: list[Object]) -> Iterator[Object]:
    """The pod specs."""
    for workload in workloads(objects):
        yield workload["spec"]["template"]["spec"]


def containers(objects: list[Object]) -> list[Object]:
    return [container for pod in pods(objects) for container in (*pod["containers"], *pod.get("initContainers", []))]


def worker(objects: list[Object]) -> Object:
    found: Object = the(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(objects: list[Object]) -> dict[str, str]:
    """The settings that the worker's pod is given; fields of the pod as a word."""
    (name,) = [source["configMapRef"]["name"] for source in worker(objects)["envFrom"]]
    data: dict[str, str] = the(objects, "ConfigMap", name)["data"]
    return {**data, **{entry["name"]: entry.get("value", "from-the-pod") for entry in worker(objects)["env"]}}


def test_kubernetes_knows_every_field(rendered: list[Object]) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="requirements/deploy.txt is not installed")
    for found in rendered:
        if found["kind"] not in CUSTOM:
            validate.validate(found, KUBERNETES, strict=True)


def test_every_pod_keeps_the_restricted_standard(rendered: list[Object]) -> None:
    (namespace,) = of_kind(rendered, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods(rendered):
        assert pod["automountServiceAccountToken"] is False
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert all(
            {"emptyDir", "projected", "configMap", "secret"} & volume.keys() for volume in pod.get("volumes", [])
        )
    for container in containers(rendered):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        if container["name"] not in WRITES_ITS_ROOT:
            assert security["readOnlyRootFilesystem"] is True
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_every_container_has_limits_and_memory_is_never_promised_twice(rendered: list[Object]) -> None:
    for container in containers(rendered):
        resources = container["resources"]
        assert resources["requests"]["memory"] == resources["limits"]["memory"], container["name"]
        assert resources["requests"]["cpu"], container["name"]
        assert "cpu" not in resources["limits"], "a CPU limit throttles the event loop; its request is enough"


def test_rooms_fit_into_half_of_the_memory(rendered: list[Object]) -> None:
    units = {"Mi": 1024**2, "Gi": 1024**3}
    limit = worker(rendered)["resources"]["limits"]["memory"]
    memory = int(limit[:-2]) * units[limit[-2:]]
    assert int(environment(rendered)["STREAM_AUDIT_ROOMS_MAX"]) * 25_000 <= memory / 2


def test_the_worker_has_all_three_probes_and_they_ask_what_it_serves(rendered: list[Object]) -> None:
    container = worker(rendered)
    paths = {kind: container[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
    (port,) = container["ports"]
    assert {container[kind]["httpGet"]["port"] for kind in paths} == {port["name"]}
    assert str(port["containerPort"]) == environment(rendered)["STREAM_AUDIT_METRICS_PORT"]
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 300, "a recovery takes minutes"


def test_a_worker_is_given_time_to_end(rendered: list[Object], settings_of: Any) -> None:
    settings = settings_of(rendered)
    grace_s = the(rendered, "StatefulSet")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace_s >= settings.producer_timeout_s + 10
    assert grace_s >= settings.shutdown_timeout_s


@pytest.fixture
def settings_of(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings as the worker would read them in the pod, with stand-ins for the mounted files."""

    def read(objects: list[Object]) -> Any:
        variables = {}
        mounts = [mount["mountPath"] for mount in worker(objects)["volumeMounts"]]
        for name, value in environment(objects).items():
            if value.startswith("/"):
                assert any(value.startswith(f"{mount}/") for mount in mounts), f"{name}: nothing is mounted at {value}"
                stand_in = tmp_path / value.rpartition("/")[2]
                stand_in.write_text("x")
                variables[name] = str(stand_in)
            else:
                variables[name] = value
        return load_settings(variables)

    return read


def test_the_worker_accepts_its_settings(rendered: list[Object], settings_of: Any, overlay: str) -> None:
    settings = settings_of(rendered)
    assert settings.metrics_host == "0.0.0.0"
    assert (settings.security_protocol == "PLAINTEXT") == (overlay == "laptop")


def test_services_put_no_variables_into_the_workers_environment(rendered: list[Object]) -> None:
    assert all(pod["enableServiceLinks"] is False for pod in pods(rendered))


def test_secrets_are_files(rendered: list[Object]) -> None:
    assert of_kind(rendered, "Secret") == []
    for container in containers(rendered):
        assert "secretRef" not in str(container.get("envFrom"))
        assert "secretKeyRef" not in str(container.get("env"))
    assert "STREAM_AUDIT_SASL_PASSWORD" not in environment(rendered)


def test_members_are_static_and_start_together(rendered: list[Object]) -> None:
    assert the(rendered, "StatefulSet")["spec"]["podManagementPolicy"] == "Parallel"
    env = {entry["name"]: entry for entry in worker(rendered)["env"]}
    assert env["STREAM_AUDIT_INSTANCE_ID"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_there_are_no_more_workers_than_partitions(rendered: list[Object], overlay: str) -> None:
    events = {topic.name: topic.partitions or 0 for topic in load_topics(REPOSITORY / "schemas")}["live.room.events"]
    partitions = LAPTOP_PARTITIONS if overlay == "laptop" else events
    most = [the(rendered, "StatefulSet")["spec"].get("replicas", 1)]
    most += [scaled["spec"]["maxReplicaCount"] for scaled in of_kind(rendered, "ScaledObject")]
    assert max(most) <= partitions


def test_drains_take_one_worker_at_a_time_and_never_wait_for_a_stuck_one(rendered: list[Object]) -> None:
    spec = the(rendered, "PodDisruptionBudget")["spec"]
    assert (spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_workers_are_spread_over_zones(rendered: list[Object]) -> None:
    spread = the(rendered, "StatefulSet")["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert {rule["topologyKey"] for rule in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


def test_selectors_find_the_pods(rendered: list[Object]) -> None:
    labels = the(rendered, "StatefulSet")["spec"]["template"]["metadata"]["labels"].items()
    for kind in ("StatefulSet", "PodDisruptionBudget", "PodMonitor"):
        for found in of_kind(rendered, kind):
            if found["metadata"]["name"] == "stream-audit":
                assert found["spec"]["selector"]["matchLabels"].items() <= labels, kind
    assert the(rendered, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels


def test_nothing_talks_to_the_worker_or_from_it_but_what_is_named(rendered: list[Object]) -> None:
    denied = the(rendered, "NetworkPolicy", "default-deny")["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    policy = the(rendered, "NetworkPolicy")["spec"]
    (ingress,) = policy["ingress"]
    assert ingress["from"][0]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}
    assert [port["port"] for port in ingress["ports"]] == [9464]
    broker = int(environment(rendered)["STREAM_AUDIT_BROKERS"].rpartition(":")[2])
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, broker}
    assert all(rule["to"] for rule in policy["egress"])


def test_images_are_named_by_digest_where_it_matters(rendered: list[Object], overlay: str) -> None:
    for container in containers(rendered):
        by_digest = re.search(r"@sha256:[0-9a-f]{64}$", container["image"])
        assert by_digest or (overlay == "laptop" and container["image"] == "stream-audit:dev"), container["image"]


def test_the_autoscaler_follows_the_worker(rendered: list[Object]) -> None:
    for scaled in of_kind(rendered, "ScaledObject"):
        spec, settings = scaled["spec"], environment(rendered)
        assert spec["minReplicaCount"] >= 2
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]
        by_type = {trigger["type"]: trigger["metadata"] for trigger in spec["triggers"]}
        assert all(isinstance(value, str) for metadata in by_type.values() for value in metadata.values())
        kafka = by_type["kafka"]
        assert kafka["allowIdleConsumers"] == "false"
        assert kafka["bootstrapServers"] == settings["STREAM_AUDIT_BROKERS"]
        assert kafka["consumerGroup"] == settings.get("STREAM_AUDIT_APP_ID", "stream-audit")
        assert f'namespace="{scaled["metadata"]["namespace"]}"' in by_type["prometheus"]["query"]


def test_every_alert_is_rolled_out(rendered: list[Object], overlay: str) -> None:
    if overlay == "laptop":
        assert of_kind(rendered, "PrometheusRule") == []
        return
    groups = the(rendered, "PrometheusRule")["spec"]["groups"]
    written = [
        group
        for name in ("recording.yaml", "alerts.yaml")
        for group in yaml.safe_load((DEPLOY / "monitoring" / name).read_text(encoding="utf-8"))["groups"]
    ]
    assert groups == written
