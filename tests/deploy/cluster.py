"""A real Kubernetes control plane on loopback: etcd, API server, controllers, scheduler; kwok plays the nodes.

No container runs. What the API admits, what the controllers and the scheduler make of it, and what an eviction may do
are Kubernetes' own.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trustme
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.deploy.conftest import tool
from tests.deploy.files import BIN
from tests.support.kafka import free_ports, wait_until

PORT = 23_500
STAGES = BIN.parent / "kwok.yaml"
CRDS = BIN.parent / "crds"
ZONES = ("a", "b", "c")
NODE = {"cpu": "8", "memory": "24Gi", "pods": "50", "ephemeral-storage": "10Gi"}
TIMEOUT_S = 180


class Cluster:
    """Started by `start`, ended by `stop`; both are bounded, and every process is ended by its own id."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="stream-audit-kubernetes-")
        self.directory = Path(self._scratch.name)
        etcd, peer, api, *self._others = free_ports(6, PORT)
        self._etcd, self._peer, self._api = (f"https://127.0.0.1:{port}" for port in (etcd, peer, api))
        self._api_port = api
        self._processes: list[subprocess.Popen[bytes]] = []
        self.kubeconfig = self.directory / "kubeconfig"

    # ---- life
    def start(self) -> Cluster:
        try:
            self._write_certificates()
            self._start_etcd()
            self._start_api()
            for resource in sorted(CRDS.glob("*.yaml")):
                self.kubectl("apply", "--server-side", "-f", str(resource))
            self.kubectl("wait", "--for=condition=Established", "--all", "crd", "--timeout=60s")
            self._start_controllers()
            self._add_nodes()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._scratch.cleanup()

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")[-3000:]

    # ---- kubectl
    def run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(tool("kubernetes")), "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl prints; an AssertionError when it fails."""
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
        return done.stdout

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def apply(self, objects: Sequence[dict[str, Any]]) -> str:
        """Server-side, as a deployment does it."""
        return self.kubectl("apply", "--server-side", "-f", "-", given=yaml.safe_dump_all(objects))

    # ---- inside
    def _write_certificates(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.directory / "ca.crt"))
        server = authority.issue_cert("127.0.0.1", "kubernetes.default.svc")
        admin = authority.issue_cert("127.0.0.1", common_name="admin", organization_name="system:masters")
        for name, issued in (("server", server), ("admin", admin)):
            issued.cert_chain_pems[0].write_to_path(str(self.directory / f"{name}.crt"))
            issued.private_key_pem.write_to_path(str(self.directory / f"{name}.key"))
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.directory / "accounts.key").write_bytes(pem)
        files = {name: str(self.directory / name) for name in ("ca.crt", "admin.crt", "admin.key")}
        user = {"client-certificate": files["admin.crt"], "client-key": files["admin.key"]}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": self._api, "certificate-authority": files["ca.crt"]}}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def _spawn(self, program: Path, name: str, *arguments: str) -> None:
        command = [str(program), *([name] if program.name == "kubernetes" else []), *arguments]
        with (self.directory / f"{name}.log").open("wb") as output:
            self._processes.append(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=self.directory
                )
            )

    def _start_etcd(self) -> None:
        ours = {"cert-file": "server.crt", "key-file": "server.key", "trusted-ca-file": "ca.crt"}
        self._spawn(
            tool("kubernetes"), "etcd", "--data-dir=etcd", "--unsafe-no-fsync", "--client-cert-auth",
            f"--listen-client-urls={self._etcd}", f"--advertise-client-urls={self._etcd}",
            f"--listen-peer-urls={self._peer}", f"--initial-advertise-peer-urls={self._peer}",
            f"--initial-cluster=default={self._peer}", "--peer-client-cert-auth",
            *(f"--{prefix}{name}={value}" for prefix in ("", "peer-") for name, value in ours.items()),
        )  # fmt: skip

    def _start_api(self) -> None:
        self._spawn(
            tool("kubernetes"), "kube-apiserver", f"--etcd-servers={self._etcd}", "--etcd-cafile=ca.crt",
            "--etcd-certfile=admin.crt", "--etcd-keyfile=admin.key", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", f"--secure-port={self._api_port}", "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key", "--client-ca-file=ca.crt", "--cert-dir=made",
            "--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=accounts.key", "--service-account-signing-key-file=accounts.key",
            "--authorization-mode=RBAC", "--endpoint-reconciler-type=none",
        )  # fmt: skip
        wait_until(
            lambda: self.run("get", "--raw", "/readyz").returncode == 0,
            timeout_s=TIMEOUT_S,
            what=lambda: f"the API server is ready\n{self.log('etcd')}\n{self.log('kube-apiserver')}",
        )

    def _start_controllers(self) -> None:
        known = f"--kubeconfig={self.kubeconfig}"
        alone = ("--leader-elect=false", "--bind-address=127.0.0.1")
        self._spawn(
            tool("kubernetes"), "kube-controller-manager", known, *alone, f"--secure-port={self._others[0]}",
            "--service-account-private-key-file=accounts.key", "--root-ca-file=ca.crt",
            "--controllers=*,-nodeipam,-cloud-node-lifecycle", "--cert-dir=made-manager",
        )  # fmt: skip
        self._spawn(
            tool("kubernetes"), "kube-scheduler", known, *alone, f"--secure-port={self._others[1]}",
            "--cert-dir=made-scheduler",
        )  # fmt: skip
        self._spawn(
            tool("kwok"), "kwok", known, "-c", str(STAGES), "--manage-all-nodes", "--node-ip=127.0.0.1",
            f"--server-address=127.0.0.1:{self._others[2]}",
        )  # fmt: skip

    def _add_nodes(self) -> None:
        nodes = [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": f"node-{zone}",
                    "labels": {"topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": f"node-{zone}"},
                },
                "status": {"allocatable": NODE, "capacity": NODE},
            }
            for zone in ZONES
        ]
        self.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(nodes))
        wait_until(
            lambda: self.kubectl("get", "nodes", "--no-headers").count(" Ready ") == len(ZONES),
            timeout_s=TIMEOUT_S,
            what=lambda: f"the nodes are ready\n{self.log('kwok')}",
        )
