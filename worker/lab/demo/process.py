"""The demo's worker: `python -m worker run` as a process of its own, on a leash."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

STOP_TIMEOUT_S = 30.0


class Worker:
    """`python -m worker run` as a process of its own, its log in a file. A context manager."""

    def __init__(self, bootstrap: str, banner: str, log_path: Path) -> None:
        self._log_path = log_path
        self._log = log_path.open("wb")
        self.port = _free_port()
        self.metrics_url = f"http://127.0.0.1:{self.port}/metrics"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_AUDIT_")}
        environment |= {
            "STREAM_AUDIT_BROKERS": bootstrap,
            "STREAM_AUDIT_BROKER_LACKS": banner,
            "STREAM_AUDIT_METRICS_PORT": str(self.port),
            "STREAM_AUDIT_SESSION_TIMEOUT_S": "20",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "worker.lab.demo.leash", "run"],
            env=environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE,  # the leash: whatever ends the demo closes it
            start_new_session=True,  # Ctrl-C at the terminal reaches the demo alone, which then ends the worker
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def failed(self) -> str:
        """Why the worker has ended, or "" while it runs."""
        code = self._process.poll()
        if code is None:
            return ""
        tail = self._log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        return f"the worker ended with code {code}; {self._log_path} ends with\n" + "\n".join(tail)

    def ready(self) -> bool:
        """Whether it has its partitions and has recovered."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def metrics(self) -> dict[str, float]:
        """The sum of each metric over its labels, without prefix; empty while it cannot be read."""
        try:
            with urllib.request.urlopen(self.metrics_url, timeout=2) as answer:
                text = answer.read(4 << 20).decode()
        except (urllib.error.URLError, OSError):
            return {}
        sums: dict[str, float] = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0].removeprefix("stream_audit_")
                sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    def stop(self) -> int:
        """SIGTERM, and wait for the end; kill after 30 s, or when the wait is interrupted. Returns the exit code."""
        try:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    return self._process.wait(STOP_TIMEOUT_S)
        finally:
            self._process.kill()
            code = self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._log.close()
        return code


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
