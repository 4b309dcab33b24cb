"""How the process ends when it is not well: by itself, with a code other than 0."""

import resource
import subprocess
import sys

from tests.support.kafka import REPOSITORY
from worker.engine.process import MemoryGuard

WITHIN_S = 60
UNHEARD = """
import logging, sys
from worker.engine.process import end_process
logging.basicConfig()
try:
    end_process(RuntimeError("broken"))
finally:
    import os
    os._exit(7)
"""
GREEDY = """
from worker.engine.process import MemoryGuard
MemoryGuard().start()
kept = []
while True:
    try:
        kept.append(bytes(4096))
    except MemoryError:
        pass  # as libraries do
"""


def run(code: str, **options: object) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, timeout=WITHIN_S, check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_an_error_ends_the_process_though_its_words_cannot_be_written() -> None:
    with open("/dev/full", "wb") as full:
        assert run(UNHEARD, stdout=full, stderr=full).returncode == 1


def test_a_process_that_goes_on_without_memory_is_ended() -> None:
    limit = (512 << 20) + MemoryGuard.RESERVE_BYTES
    done = run(
        GREEDY, stderr=subprocess.PIPE, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    )
    assert done.returncode == 1
    assert done.stderr.endswith(MemoryGuard.LAST_WORDS)
