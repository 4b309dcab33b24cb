"""What the driver asks of the worker, and how a process ends that must not go on."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from faust.types import TP

from worker.records import Record
from worker.transport.settings import TransportSettings

log = logging.getLogger(__name__)


class TransportHooks(Protocol):
    """Implemented by the worker and given to `attach`. All are called on the event loop's thread."""

    @property
    def batched_topics(self) -> Set[str]:
        """Topics whose agents get one FetchBatch per fetch; others get one event per record."""
        ...

    @property
    def changelog_topics(self) -> Set[str]:
        """Topics whose batches go to `apply_changelog` instead of an agent."""
        ...

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:
        """Makes durable what the offsets stand for; they are committed once it returns. Raising is fatal."""
        ...

    def apply_changelog(self, tp: TP, records: Sequence[Record]) -> None:
        """Restores state from consecutive records of a changelog partition; `value` None is a tombstone."""
        ...

    def admit(self, tp: TP, records: Sequence[Any]) -> tuple[Sequence[Record], bool]:
        """Which consecutive records of a batched topic may go to its agent, and whether the partition waits then.

        It is asked again for what waits. Records may be replaced by others of the same offsets.
        """
        ...

    def on_assigned(self, tps: Set[TP]) -> None:
        """Partitions were assigned; their state has not been recovered yet."""
        ...

    def on_revoked(self, tps: Set[TP]) -> None:
        """Partitions are gone, after the last flush and commit."""
        ...

    def fatal(self, exc: BaseException) -> None:
        """Ends the process with a non-zero code; `die` is the default."""
        ...


@dataclass(slots=True)
class Attachment:
    """What the driver needs to know of its worker; `clock` gives monotonic seconds.

    Attributes:
        answers: asks for a sign of life of any broker, on a connection of its own, in seconds; None asks none.
        acknowledged_s: when a broker has last acknowledged a write or a commit.
    """

    hooks: TransportHooks
    settings: TransportSettings
    clock: Callable[[], float]
    answers: Callable[[], bool] | None = None
    acknowledged_s: float = float("-inf")


def die(exc: BaseException) -> NoReturn:
    """Logs one line and leaves with code 1 at once: no further flush, no commit; the log is read again."""
    log.critical("fatal, the process ends: %s: %s", type(exc).__name__, exc, exc_info=exc)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)
