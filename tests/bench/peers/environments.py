"""Environments of the peers under `build/bench`: made once, pinned by hashes (Python) or versions (Maven)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.peers import JVM, Peer

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "build" / "bench"
SOURCES = ROOT / "tests" / "bench" / "jvm"
INSTALL_TIMEOUT_S = 900
OPENED = ("java.lang", "java.util", "java.nio", "java.util.concurrent", "java.lang.invoke", "java.net", "java.io")
"""Packages of java.base that Flink's serializers look into."""


class Missing(Exception):
    """A peer cannot run here; the message says why."""


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=INSTALL_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Missing(f"{command[0]}: {problem}") from problem
    if done.returncode:
        raise Missing(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-500:]}")


def prepare(environment: str) -> None:
    """Make an environment unless its stamp is newer than what it is made from.

    Raises:
        Missing: it cannot be made.
    """
    if environment == "own":
        return
    home = BUILD / environment
    sources = (
        [SOURCES / "pom.xml", *SOURCES.glob("*.java")]
        if environment in JVM
        else [ROOT / "requirements" / "bench" / f"{environment}.txt"]
    )
    stamp = home / ".made"
    if stamp.exists() and all(source.stat().st_mtime <= stamp.stat().st_mtime for source in sources):
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    if environment in JVM:
        _compile(environment, home)
    else:
        _run([sys.executable, "-m", "venv", str(home)])
        pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        _run([*pip, "install", "--require-hashes", "-r", str(sources[0])])
    stamp.touch()


def _compile(profile: str, home: Path) -> None:
    jars = home / "jars"
    _run(
        [
            "mvn", "-q", "-B", "-f", str(SOURCES / "pom.xml"), "-P", profile, "dependency:copy-dependencies",
            f"-DoutputDirectory={jars}",
        ]
    )  # fmt: skip
    main = f"{profile.title()}.java"
    sources = [str(SOURCES / name) for name in ("Job.java", "Meter.java", main)]
    _run(["javac", "-nowarn", "-d", str(home / "classes"), "-cp", f"{jars}/*", *sources])
    shutil.copytree(SOURCES / "META-INF", home / "classes" / "META-INF")  # where Flink looks for metric reporters


def command(peer: Peer, bootstrap: str, topic: str, out: str, events: int, state: Path) -> list[str]:
    """How to start a peer; `state` is a directory it may fill."""
    home = BUILD / peer.environment
    if peer.environment in JVM:
        opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        check = f"-Dcheck={'true' if os.environ.get('BENCH_CHECK') else 'false'}"
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
        return [
            "java", "-Xmx2g", *opens, check, quiet, f"-Dstate={state}", "-cp", f"{home}/classes:{home}/jars/*",
            peer.environment.title(), bootstrap, topic, out, str(events), *peer.arguments,
        ]  # fmt: skip
    python = sys.executable if peer.environment == "own" else str(home / "bin" / "python")
    program, mode = peer.arguments
    module = f"tests.bench.peers.{program}"
    if peer.environment == "bytewax":
        return [python, "-m", "bytewax.run", module]
    return [python, "-m", module, bootstrap, str(events), mode]


def variables(peer: Peer, bootstrap: str, events: int) -> dict[str, str]:
    """Environment variables of a peer's process."""
    named = {"BENCH_BOOTSTRAP": bootstrap, "BENCH_EVENTS": str(events), "BENCH_MODE": peer.arguments[-1]}
    return {**os.environ, **named, "PYTHONPATH": str(ROOT)}
