"""A real Kubernetes API takes every overlay, rolls it out, drains it, updates it, and refuses what must be refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.cluster import Cluster
from tests.deploy.conftest import built, tool
from tests.deploy.files import OVERLAYS
from tests.support.kafka import wait_until

pytestmark = pytest.mark.slow

Object = dict[str, Any]
PRODUCTION, WORKERS = "stream-audit", 4
OTHER_DIGEST = "registry.example/stream-audit@sha256:" + "1" * 64


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    for name in ("kubernetes", "kwok", "kustomize"):
        tool(name)
    running = Cluster().start()
    try:
        running.kubectl("create", "namespace", "kafka")
        yield running
    finally:
        running.stop()


def namespace_of(overlay: str) -> str:
    (found,) = [o["metadata"]["name"] for o in built(overlay) if o["kind"] == "Namespace"]
    return str(found)


def rolled_out(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("-n", namespace, "rollout", "status", "statefulset/stream-audit", "--timeout=150s")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_taken_by_the_server_and_rolls_out(cluster: Cluster, overlay: str) -> None:
    objects = built(overlay)
    assert cluster.apply(objects).count("serverside-applied") == len(objects)
    rolled_out(cluster, namespace_of(overlay))
    taken = cluster.apply(objects)
    assert taken.count("serverside-applied") == len(objects), "a second time nothing is in the way"


@pytest.fixture(scope="module")
def production(cluster: Cluster) -> Cluster:
    """The production overlay with as many workers as the autoscaler would ask for."""
    cluster.apply(built("production"))
    cluster.kubectl("-n", PRODUCTION, "scale", "statefulset/stream-audit", f"--replicas={WORKERS}")
    rolled_out(cluster, PRODUCTION)
    return cluster


def workers(cluster: Cluster) -> list[Object]:
    found: list[Object] = cluster.get("pods", "-n", PRODUCTION, "-l", "app.kubernetes.io/name=stream-audit")["items"]
    return found


def test_applying_the_manifests_again_leaves_the_number_to_the_autoscaler(production: Cluster) -> None:
    production.apply(built("production"))
    assert production.get("statefulset", "stream-audit", "-n", PRODUCTION)["spec"]["replicas"] == WORKERS


def test_workers_stand_in_every_zone(production: Cluster) -> None:
    assert {pod["spec"]["nodeName"] for pod in workers(production)} == {"node-a", "node-b", "node-c"}


def test_only_one_worker_may_be_evicted_at_a_time(production: Cluster) -> None:
    wait_until(
        lambda: production.get("pdb", "stream-audit", "-n", PRODUCTION)["status"]["disruptionsAllowed"] == 1,
        timeout_s=60,
        what="the budget allows one",
    )
    nodes = ("node-a", "node-b", "node-c")
    production.kubectl("cordon", *nodes)  # who is evicted does not come back
    try:
        first, second = (evicted(production, f"stream-audit-{number}") for number in (0, 1))
    finally:
        production.kubectl("uncordon", *nodes)
    assert first == ""
    assert "disruption budget" in second
    rolled_out(production, PRODUCTION)


def evicted(cluster: Cluster, pod: str) -> str:
    """What the server says to an eviction; nothing when it is done."""
    name = {"name": pod, "namespace": PRODUCTION}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": name}
    path = f"/api/v1/namespaces/{PRODUCTION}/pods/{pod}/eviction"
    return cluster.run("create", "--raw", path, "-f", "-", given=json.dumps(eviction)).stderr


def test_a_node_can_be_drained_and_its_workers_come_back_elsewhere(production: Cluster) -> None:
    rolled_out(production, PRODUCTION)
    production.kubectl("drain", "node-c", "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=120s")
    try:
        assert "node-c" not in {pod["spec"].get("nodeName") for pod in workers(production)}
    finally:
        production.kubectl("uncordon", "node-c")
    rolled_out(production, PRODUCTION)
    assert len(workers(production)) == WORKERS


def test_another_image_rolls_through_every_worker(production: Cluster) -> None:
    production.kubectl("-n", PRODUCTION, "set", "image", "statefulset/stream-audit", f"worker={OTHER_DIGEST}")
    rolled_out(production, PRODUCTION)
    assert {pod["spec"]["containers"][0]["image"] for pod in workers(production)} == {OTHER_DIGEST}
    assert len(workers(production)) == WORKERS


def a_pod(**security: object) -> Object:
    """A pod by digest that keeps the restricted standard, but for `security`."""
    container = {
        "name": "worker",
        "image": OTHER_DIGEST,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    kept = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger", "namespace": PRODUCTION},
        "spec": {"securityContext": {**kept, **security}, "containers": [container]},
    }


def offered(cluster: Cluster, pod: Object) -> str:
    """What the server says to a pod; nothing when it would take it."""
    return cluster.run("create", "--dry-run=server", "-f", "-", given=json.dumps(pod)).stderr


def test_the_namespace_takes_a_restricted_pod_and_refuses_one_as_root(production: Cluster) -> None:
    assert offered(production, a_pod()) == ""
    refused = offered(production, a_pod(runAsNonRoot=False, runAsUser=0))
    assert 'violates PodSecurity "restricted' in refused


def test_an_image_by_tag_is_refused(production: Cluster) -> None:
    pod = a_pod()
    pod["spec"]["containers"][0]["image"] = "registry.example/stream-audit:1.2"
    words = "name images by digest, not by tag: registry.example/stream-audit:1.2"
    wait_until(lambda: words in offered(production, pod), timeout_s=30, what=lambda: offered(production, pod))
    by_tag = production.run(
        "-n", PRODUCTION, "set", "image", "statefulset/stream-audit", "worker=registry.example/stream-audit:1.2"
    )
    assert by_tag.returncode != 0
    assert words in by_tag.stderr
